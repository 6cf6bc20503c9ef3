#!/usr/bin/env bash
# pymatgen 2026.10.24: selective dynamics become constraints along other directions in ASE.
#
# Guess: a POSCAR that pymatgen reads and hands to ASE holds what it holds when ASE reads it. Seen: ASE
# makes FixScaled of `F T T` (the first fractional coordinate is held, as in VASP), AseAtomsAdaptor
# makes FixCartesian (x is held). In a cell that is not rectangular, these are different: an atom that
# moves along y within the second changes the coordinate that VASP holds. On the way back FixScaled, which
# is what a POSCAR has, is dropped with a warning, and FixCartesian becomes selective dynamics in silence.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet "pymatgen==2026.10.24" "pymatgen-core==2026.10.16" "ase==3.29.0"
cd "$folder"
"$folder/venv/bin/python" - <<'PY'
import warnings

import numpy as np
from ase.constraints import FixCartesian, FixScaled
from ase.io import read
from pymatgen.core import Structure
from pymatgen.io.ase import AseAtomsAdaptor

with open("POSCAR", "w") as stream:
    stream.write("Cu\n1.0\n0 1.8 1.8\n1.8 0 1.8\n1.8 1.8 0\nCu\n1\nSelective\nDirect\n0 0 0 F T T\n")
warnings.simplefilter("ignore")
direct = read("POSCAR")
structure = Structure.from_file("POSCAR")
warnings.simplefilter("error")
through = AseAtomsAdaptor.get_atoms(structure)
held = {}
for name, atoms in (("ASE", direct), ("pymatgen, then ASE", through)):
    constraint = atoms.constraints[0]
    atoms.set_positions([[0.0, 0.3, 0.0]])
    held[name] = type(constraint), atoms.get_scaled_positions(wrap=False)[0, 0]
    print(f"{name}: {constraint}; first fractional coordinate after a step along y {held[name][1]:.4f}")
assert held["ASE"][0] is FixScaled and abs(held["ASE"][1]) < 1e-12, held
assert held["pymatgen, then ASE"][0] is FixCartesian and abs(held["pymatgen, then ASE"][1]) > 0.05, held
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    dropped = AseAtomsAdaptor.get_structure(direct)
assert "selective_dynamics" not in dropped.site_properties
assert any("Only FixAtoms and FixCartesian" in str(one.message) for one in caught), caught
kept = AseAtomsAdaptor.get_structure(through).site_properties["selective_dynamics"]
assert np.array(kept).tolist() == [[False, True, True]], kept
print("back from FixScaled: nothing held; back from FixCartesian:", np.array(kept).tolist())
print("pymatgen 2026.10.24 still takes flags of lattice vectors for flags of x, y, z.")
PY
