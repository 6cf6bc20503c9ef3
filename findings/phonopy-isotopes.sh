#!/usr/bin/env bash
# phonopy 4.10.0: isotopes of one element are folded into one atom of the primitive cell, with the first one's mass.
#
# Guess: masses that are handed in atom by atom count; a primitive cell (the default, "auto") keeps
# atoms apart whose masses differ, or refuses. Seen: an ordered crystal of two isotopes has a
# primitive cell of one atom, as heavy as whichever stands first, without a warning: the highest
# frequency depends on the order of the atoms, and is less than half of what it should be where the
# heavy ones stand first. With the symbols that phonopy offers for such a case (`Cu1`, `Cu2`) "auto"
# raises an error; with these and the identity as the primitive matrix all four atoms stay, and so do
# the frequencies.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet "phonopy==4.10.0" "ase==3.29.0"
cd "$folder"
OMP_NUM_THREADS=1 "$folder/venv/bin/python" -W ignore - <<'PY'
import numpy as np
from ase import Atoms
from ase.build import bulk
from ase.calculators.emt import EMT
from phonopy import Phonopy
from phonopy.structure.atoms import PhonopyAtoms

copper = bulk("Cu", cubic=True)


def spectrum(masses, primitive, kinds=("Cu",) * 4):
    unit = PhonopyAtoms(symbols=list(kinds), cell=copper.cell.array,
                        scaled_positions=copper.get_scaled_positions(), masses=masses)
    phonon = Phonopy(unit, np.diag([2, 2, 2]), primitive_matrix=primitive)
    phonon.generate_displacements(distance=0.01)
    forces = []
    for cell in phonon.supercells_with_displacements:
        atoms = Atoms(numbers=cell.numbers, cell=cell.cell, positions=cell.positions, pbc=True)
        atoms.calc = EMT()
        forces.append(atoms.get_forces())
    phonon.forces = np.array(forces)
    phonon.produce_force_constants()
    phonon.run_mesh([4, 4, 4])
    highest = phonon.mesh.frequencies.max()
    print(f"{list(masses)}, {primitive if isinstance(primitive, str) else 'identity'}, {kinds[-1]}: "
          f"primitive cell {list(map(float, phonon.primitive.masses))} u, highest {highest:.2f} THz")
    return phonon.primitive.masses, highest


heavy_first, light_first = [63.0, 63.0, 10.0, 10.0], [10.0, 10.0, 63.0, 63.0]
masses, slow = spectrum(heavy_first, "auto")
assert list(masses) == [63.0], masses
masses, fast = spectrum(light_first, "auto")
assert list(masses) == [10.0] and 2.4 < fast / slow < 2.6, (masses, slow, fast)
masses, right = spectrum(heavy_first, np.eye(3), ("Cu1", "Cu1", "Cu2", "Cu2"))
assert list(masses) == heavy_first and right > 2 * slow, (masses, right)
try:
    spectrum(heavy_first, "auto", ("Cu1", "Cu1", "Cu2", "Cu2"))
except RuntimeError as error:
    print("auto with symbols of isotopes:", str(error).splitlines()[0])
else:
    raise AssertionError("auto takes symbols of isotopes now")
print("phonopy 4.10.0 still folds isotopes.")
PY
