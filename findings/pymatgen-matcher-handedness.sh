#!/usr/bin/env bash
# pymatgen 2026.10.24: StructureMatcher takes left quartz for right quartz, in strict settings too.
#
# Guess: crystals of different space groups (P3_121 and P3_221) do not match, at least not within a
# thousandth of the bond length and without scaling. Seen: they match, at a distance of zero: the mapping
# of lattices may change the hand. Enantiomorphs count as one structure where duplicates are removed or
# generated crystals are compared with known ones.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet "pymatgen==2026.10.24" "pymatgen-core==2026.10.16" "spglib==2.8.0"
cd "$folder"
"$folder/venv/bin/python" -W ignore - <<'PY'
from pymatgen.analysis.structure_matcher import StructureMatcher
from pymatgen.core import Lattice, Structure

right = Structure.from_spacegroup("P3_121", Lattice.hexagonal(4.9137, 5.4047), ["Si", "O"],
                                  [[0.4697, 0, 1 / 3], [0.4133, 0.2672, 0.1188 + 1 / 3]])
left = Structure(Lattice(right.lattice.matrix * [1, 1, -1]), right.species, right.frac_coords)
groups = [structure.get_space_group_info() for structure in (right, left)]
strict = StructureMatcher(ltol=1e-3, stol=1e-3, angle_tol=0.1, primitive_cell=False, scale=False)
fits = StructureMatcher().fit(right, left), strict.fit(right, left)
distance = strict.get_rms_dist(right, left)
count = len(strict.group_structures([right, left]))
print(f"{groups[0]} and {groups[1]}: by default {fits[0]}, strictly {fits[1]}, distance {distance}, groups {count}")
assert [group[1] for group in groups] == [152, 154], groups
assert fits == (True, True) and count == 1 and distance[0] < 1e-6
moved = right.copy()
moved.translate_sites([0], [0.01, 0, 0])
assert not strict.fit(right, moved)  # a shift of 0.05 Å is seen
print("pymatgen 2026.10.24 still matches crystals of either hand.")
PY
