#!/usr/bin/env bash
# ase 3.29.0: empty text in `atoms.info` costs extended XYZ the energy, or makes a slab a crystal; ids become numbers.
#
# Guess: what ASE writes to extended XYZ, it reads back. Seen: an empty text is written as `note= `, and
# the reader takes the next pair for its value: `note= energy=-3.0` is the note "energy=-3.0" and no
# energy, and `note= pbc="T T F"` makes a slab periodic along all three vectors. Text that looks like a
# number becomes one: the id 007 is 7, and 12e45678 and 99e31415, as a hash in hexadecimal has them,
# are both infinite, hence the same. Nothing is warned of.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet "ase==3.29.0"
cd "$folder"
"$folder/venv/bin/python" -W error - <<'PY'
from ase.build import fcc111
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io import read, write

slab = fcc111("Cu", (1, 1, 3), vacuum=5, periodic=False)
slab.info = {"note": ""}
write("slab.extxyz", slab)
found = read("slab.extxyz")
print(f"written: pbc {slab.pbc.tolist()}; read: pbc {found.pbc.tolist()}, {found.info}")
assert slab.pbc.tolist() == [True, True, False] and found.pbc.all(), found.pbc

slab.calc = SinglePointCalculator(slab, energy=-3.0)
write("energy.extxyz", slab)
found = read("energy.extxyz")
print(f"written: energy {slab.get_potential_energy()}; read: {found.calc}, {found.info}")
assert found.calc is None and found.info["note"] == "energy=-3.0", found.info

ids = ["007", "12e45678", "99e31415"]
for name in ids:
    slab.info = {"id": name}
    write("ids.extxyz", slab, append=name != ids[0])
seen = [atoms.info["id"].item() for atoms in read("ids.extxyz", ":")]
print(f"written: ids {ids}; read: {seen}")
assert seen == [7, float("inf"), float("inf")], seen
print("ase 3.29.0 still loses energies and periodicity behind empty text, and reads ids as numbers.")
PY
