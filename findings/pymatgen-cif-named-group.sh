#!/usr/bin/env bash
# pymatgen 2026.10.24: a CIF that names P 21/c, and lists no operations, becomes a quarter of the crystal.
#
# Guess: the name of a space group in a CIF gives its operations, in the spellings that journals and
# databases use. Seen: pymatgen knows one spelling of each. P 1 21/c 1 gives all four atoms; P 21/c, the
# usual name of the most frequent group of molecular crystals, gives one, as do P 21/n, F m 3 m and names
# with their origin behind a colon, F d -3 m :1. The structure is returned, with a warning that it was read
# as P1, and a density that is a fourth or an eighth of the right one.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet "pymatgen==2026.10.24"
cd "$folder"
"$folder/venv/bin/python" -W ignore - <<'PY'
from pymatgen.core import Structure

KEYS = ("length_a", "length_b", "length_c", "angle_alpha", "angle_beta", "angle_gamma")
MONOCLINIC, CUBIC = (5, 6, 7, 90, 100, 90), (5.43, 5.43, 5.43, 90, 90, 90)


def sites_of(group, cell, site):
    """Return how many atoms are read of a CIF with one site."""
    lines = [f"_cell_{key} {value}" for key, value in zip(KEYS, cell)]
    columns = ("label", "type_symbol", "fract_x", "fract_y", "fract_z")
    text = "\n".join(
        ["data_x", *lines, f"_symmetry_space_group_name_H-M '{group}'", "loop_"]
        + [f"_atom_site_{name}" for name in columns]
        + [site, ""]
    )
    return len(Structure.from_str(text, fmt="cif"))


for group, cell, site, right, seen in (
    ("P 1 21/c 1", MONOCLINIC, "Bi1 Bi 0.1 0.2 0.3", 4, 4),
    ("P 21/c", MONOCLINIC, "Bi1 Bi 0.1 0.2 0.3", 4, 1),
    ("P 21/n", MONOCLINIC, "Bi1 Bi 0.1 0.2 0.3", 4, 1),
    ("F m -3 m", CUBIC, "Cu1 Cu 0 0 0", 4, 4),
    ("F m 3 m", CUBIC, "Cu1 Cu 0 0 0", 4, 1),
    ("F d -3 m :1", CUBIC, "Si1 Si 0 0 0", 8, 1),
):
    count = sites_of(group, cell, site)
    print(f"{group}: {count} atoms, {right} by the group")
    assert count == seen, (group, count)
print("pymatgen 2026.10.24 still takes P 21/c without a list of operations for P1.")
PY
