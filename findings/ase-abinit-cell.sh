#!/usr/bin/env bash
# ase 3.29.0: the cell of an ABINIT output is `rprim`, taken for Å; neither `acell` nor bohr come in.
#
# Guess: read(..., format="abinit-out") gives the cell of the calculation, since atoms are at the right
# places and energy, forces and stress are converted. Seen: ABINIT echoes the cell as lengths `acell` in
# bohr times dimensionless vectors `rprim`, and only the latter are read. Silicon with the usual input
# becomes a cell of 0.25 Å³; with vectors in bohr, the other usual way, cells are 1.89 times too wide
# around right positions, so that nothing looks wrong (mgb2_scf.abo of pymatgen's test files, for
# example, comes out with a = 5.83 Å instead of 3.09). Only what ASE itself has written is read right,
# because its input has Å in `rprim`. Of a relaxation the last structure alone is returned.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet "ase==3.29.0"
cd "$folder"
"$folder/venv/bin/python" -W ignore - <<'PY'
import numpy as np
from ase.io import read
from ase.units import Bohr

TEXT = """
.Version 10.4.7 of ABINIT, released Oct 2025.

 -outvars: echo values of preprocessed input variables --------
            acell      {acell} Bohr
            natom           2
           ntypat           1
            rprim      0.0000000000E+00  {half}  {half}
                       {half}  0.0000000000E+00  {half}
                       {half}  {half}  0.0000000000E+00
            typat      1  1
            znucl       14.00000

================================================================================

 ----iterations are completed or convergence reached----

 cartesian coordinates (angstrom) at end:
    1      0.00000000000000     0.00000000000000     0.00000000000000
    2      1.35750000000000     1.35750000000000     1.35750000000000

 cartesian forces (eV/Angstrom) at end:
    1     -0.00000000000000    -0.00000000000000    -0.00000000000000
    2     -0.00000000000000    -0.00000000000000    -0.00000000000000

--- !EnergyTerms
total_energy_eV     : -2.10000000000000E+02
...

== END DATASET(S) ==============================================================
"""
edge = 5.43 / Bohr
inputs = {
    "lengths and directions": (f"{edge:.10E} " * 3, "5.0000000000E-01"),
    "vectors in bohr": ("1.0000000000E+00 " * 3, f"{edge / 2:.10E}"),
}
volumes = {}
for name, (acell, half) in inputs.items():
    with open("si.abo", "w") as stream:
        stream.write(TEXT.format(acell=acell.strip(), half=half))
    atoms = read("si.abo", format="abinit-out")
    volumes[name] = atoms.get_volume()
    bond = np.linalg.norm(atoms.positions[1] - atoms.positions[0])
    print(f"{name}: volume {volumes[name]:.3f} Å³ of {5.43**3 / 4:.3f}, bond {bond:.3f} Å")
assert abs(volumes["lengths and directions"] - 0.25) < 1e-6, volumes
assert abs(volumes["vectors in bohr"] - 5.43**3 / 4 / Bohr**3) < 1e-3, volumes
print("ase 3.29.0 still takes rprim for the cell in Å.")
PY
