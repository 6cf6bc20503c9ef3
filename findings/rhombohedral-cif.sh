#!/usr/bin/env bash
# pymatgen 2026.10.24, ase 3.29.0: bismuth in a rhombohedral cell has 36 atoms instead of two, in both.
#
# Guess: a CIF with a = b = c, three equal angles of 57 degrees and the group R -3 m is in rhombohedral
# axes, and its site at (x, x, x) has two copies. Seen: both take the operations of hexagonal axes, which a
# rhombohedral cell does not have, and fill it with 36 atoms, of which some are 0.8 Å apart. Neither says
# so: pymatgen warns that operations come from the name, and ASE of nothing. With hexagonal axes both are
# right. In the other spelling, R -3 m :R, pymatgen gives one atom, and ASE refuses the file.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet "pymatgen==2026.10.24" "ase==3.29.0"
cd "$folder"
"$folder/venv/bin/python" -W ignore - <<'PY'
import io

import numpy as np
from ase.io import read
from pymatgen.core import Structure

KEYS = ("length_a", "length_b", "length_c", "angle_alpha", "angle_beta", "angle_gamma")


def cif(cell, site):
    """Return a CIF of bismuth that names its group."""
    lines = [f"_cell_{key} {value}" for key, value in zip(KEYS, cell)]
    columns = ("label", "type_symbol", "fract_x", "fract_y", "fract_z")
    return "\n".join(
        ["data_bismuth", *lines, "_symmetry_space_group_name_H-M 'R -3 m'", "loop_"]
        + [f"_atom_site_{name}" for name in columns]
        + [site, ""]
    )


hexagonal = cif((4.546, 4.546, 11.862, 90, 90, 120), "Bi1 Bi 0 0 0.23389")
rhombohedral = cif((4.7459, 4.7459, 4.7459, 57.23, 57.23, 57.23), "Bi1 Bi 0.23389 0.23389 0.23389")
for name, text, right, seen in (("hexagonal", hexagonal, 6, 6), ("rhombohedral", rhombohedral, 2, 36)):
    structure = Structure.from_str(text, fmt="cif")
    atoms = read(io.StringIO(text), format="cif")
    distances = structure.distance_matrix + 100 * np.eye(len(structure))
    print(f"{name}: pymatgen {len(structure)}, ase {len(atoms)} atoms, {right} by the group, "
          f"shortest distance {distances.min():.2f} Å, volume {structure.volume:.1f} Å³")
    assert len(structure) == len(atoms) == seen, (len(structure), len(atoms))
    assert (distances.min() > 3) == (right == seen)
print("pymatgen 2026.10.24 and ase 3.29.0 still take rhombohedral axes for hexagonal ones.")
PY
