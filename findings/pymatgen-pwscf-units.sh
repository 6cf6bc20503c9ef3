#!/usr/bin/env bash
# pymatgen 2026.10.24: an input of pw.x in bohr becomes a crystal of 6.7 times its volume, with atoms outside the cell.
#
# Guess: `PWInput.from_file` gives the structure that pw.x calculates. Seen: the unit behind `CELL_PARAMETERS` is
# passed over, so that vectors in bohr, pw.x's own unit, are taken for Å. Positions are Cartesian where the word
# is `angstrom`, and fractions else: with `bohr` 2.565 becomes a fraction. The bond of silicon is 45.6 Å long (4.56 Å
# to the nearest image) where pw.x has 2.35 Å. Nothing is warned of; written to a file again, the numbers stand under
# `angstrom` and `crystal`.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet "pymatgen==2026.10.24" "pymatgen-core==2026.10.16" "ase==3.29.0"
cd "$folder"
cat > si.in <<'PW'
&CONTROL
  calculation = 'scf'
/
&SYSTEM
  ibrav = 0, nat = 2, ntyp = 1, ecutwfc = 30
/
&ELECTRONS
/
ATOMIC_SPECIES
 Si 28.0855 Si.upf
CELL_PARAMETERS bohr
 0.0 5.13 5.13
 5.13 0.0 5.13
 5.13 5.13 0.0
ATOMIC_POSITIONS bohr
 Si 0.00 0.00 0.00
 Si 2.565 2.565 2.565
K_POINTS gamma
PW
"$folder/venv/bin/python" -W error - <<'PY'
import numpy as np
from ase.io import read
from pymatgen.io.pwscf import PWInput

with open("si.in") as stream:
    text = stream.read()
parsed = PWInput.from_str(text)
structure, atoms = parsed.structure, read("si.in", format="espresso-in")
bonds = (
    np.linalg.norm(structure[1].coords - structure[0].coords),
    structure.get_distance(0, 1),
    atoms.get_distance(0, 1, mic=True),
)
print(f"pymatgen: {structure.volume:.1f} Å³, bond {bonds[0]:.2f} Å, to the nearest image {bonds[1]:.2f} Å; "
      f"ASE: {atoms.get_volume():.1f} Å³, bond {bonds[2]:.2f} Å")
print("\n".join(line for line in str(parsed).splitlines() if line.startswith(("CELL", "ATOMIC_POS"))))
assert abs(structure.volume / atoms.get_volume() - 6.748) < 0.01, structure.volume
assert structure.frac_coords[1][0] == 2.565, structure.frac_coords
assert bonds[0] > 20 and bonds[2] < 2.4, bonds
print("pymatgen 2026.10.24 still passes over the units of pw.x's input.")
PY
