#!/usr/bin/env bash
# motep 0.2.0: a slab that is written to .cfg of moment tensor potentials becomes a molecule.
#
# Guess: a slab of copper, periodic in two directions, has its cell in the file, as one that is periodic in three
# does; the format holds one, two or three lattice vectors. Seen: the section `Supercell` is left out unless all
# three directions are periodic. What is read back has no cell and no periodicity, and still the energy and the
# forces of the slab: its energy is 2.88 eV, and that of the eight atoms in a vacuum 8.24 eV. A potential is trained
# on a structure that was never calculated. Nothing is warned of.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet "motep==0.2.0" "ase==3.29.0"
cd "$folder"
"$folder/venv/bin/python" -W error::UserWarning - <<'PY'
from ase.build import bulk, fcc111
from ase.calculators.emt import EMT
from motep.io.mlip.cfg import read_cfg, write_cfg


def calculated(atoms):
    atoms = atoms.copy()
    atoms.calc = EMT()
    atoms.get_forces()
    return atoms


slab, crystal = calculated(fcc111("Cu", (2, 2, 2), vacuum=6.0)), calculated(bulk("Cu", cubic=True))
for name, atoms in (("crystal", crystal), ("slab", slab)):
    write_cfg(f"{name}.cfg", [atoms], species=["Cu"])
    read = read_cfg(f"{name}.cfg", species=["Cu"])
    stated, own = read.calc.results["energy"], calculated(read).get_potential_energy()
    print(f"{name}: periodic {atoms.pbc.tolist()}, read {read.pbc.tolist()}; volume "
          f"{atoms.get_volume():.1f} Å³, read {abs(float(read.cell.volume)):.1f} Å³; energy in the file {stated:.3f} eV, of what is "
          f"read {own:.3f} eV")
    whole = abs(stated - own) < 1e-4
    assert whole == (name == "crystal"), name
    assert ("Supercell" in open(f"{name}.cfg").read()) == (name == "crystal")
assert not read.pbc.any() and abs(own - stated) > 5, (stated, own)
print("motep 0.2.0 still writes slabs without their cell.")
PY
