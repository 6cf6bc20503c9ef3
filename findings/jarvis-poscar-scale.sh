#!/usr/bin/env bash
# jarvis-tools 2026.6.12: the scale of a POSCAR counts for the cell alone, and a negative one is no volume.
#
# Guess: JARVIS, whose data come from VASP, reads a POSCAR as VASP does: the second line scales the lattice
# vectors and Cartesian coordinates, and is the volume of the cell where it is negative. Seen: Cartesian
# coordinates are left as they are, so that the bond of silicon is 0.43 Å instead of 2.35 Å; a volume of
# 40 Å³ becomes one of 16,000 Å³. Coordinates in fractions are read well. Nothing is warned of.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet "jarvis-tools==2026.6.12" "ase==3.29.0"
cd "$folder"
"$folder/venv/bin/python" -W ignore - <<'PY'
from pathlib import Path

from ase.io import read
from jarvis.io.vasp.inputs import Poscar

SILICON = """silicon
{scale}
0.0 0.5 0.5
0.5 0.0 0.5
0.5 0.5 0.0
Si
2
{form}
0.00 0.00 0.00
0.25 0.25 0.25
"""


def both(scale, form):
    path = Path("POSCAR")
    path.write_text(SILICON.format(scale=scale, form=form))
    atoms, theirs = Poscar.from_file("POSCAR").atoms, read(path, format="vasp")
    bond = (((atoms.cart_coords[1] - atoms.cart_coords[0]) ** 2).sum()) ** 0.5
    print(f"{form} scaled by {scale}: JARVIS {atoms.volume:,.1f} Å³, bond {bond:.2f} Å; "
          f"ASE {theirs.get_volume():,.1f} Å³, bond {theirs.get_distance(0, 1):.2f} Å")
    return atoms.volume, bond, theirs.get_volume(), theirs.get_distance(0, 1)


volume, bond, true_volume, true_bond = both(5.43, "Cartesian")
assert abs(volume - true_volume) < 1e-6 and abs(bond - true_bond / 5.43) < 1e-6, (volume, bond)
volume, bond, true_volume, true_bond = both(-40, "Direct")
assert abs(true_volume - 40) < 1e-6 and volume > 1e4, (volume, bond)
print("jarvis-tools 2026.6.12 still scales neither Cartesian coordinates nor to a volume.")
PY
