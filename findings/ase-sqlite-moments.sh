#!/usr/bin/env bash
# ase 3.29.0: atoms with directed moments go into an SQLite database, and do not come out again.
#
# Guess: a database of ASE gives back the atoms that were written, whichever of its files keeps them, and
# with what a calculator found. Seen: JSON does. SQLite takes moments along x, y and z without a word, and
# keeps them as six numbers for two atoms; get_atoms raises a ValueError for that row from then on. Energies
# and stresses of each atom are dropped on the way in, while energies, charges and moments of scalar kind
# are kept.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet "ase==3.29.0"
cd "$folder"
"$folder/venv/bin/python" -W ignore - <<'PY'
import numpy as np
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.db import connect

directed = np.array([[0.0, 0.0, 2.0], [0.0, 2.0, 0.0]])
for name, moments in (("scalar", directed.sum(axis=1)), ("directed", directed)):
    atoms = Atoms("Fe2", positions=[[0, 0, 0], [0, 0, 2]], cell=[3, 3, 4], pbc=True)
    atoms.set_initial_magnetic_moments(moments)
    atoms.calc = SinglePointCalculator(
        atoms, energy=-16.5, energies=np.array([-8.0, -8.5]), stresses=np.ones((2, 6))
    )
    for suffix in ("json", "db"):
        database = connect(f"{name}.{suffix}")
        database.write(atoms)
        per_atom = {"energies", "stresses"} & set(next(database.select()).__dict__)
        try:
            read = database.get_atoms(1)
            result = f"moments of shape {read.get_initial_magnetic_moments().shape}"
            whole = np.array_equal(read.get_initial_magnetic_moments(), moments)
        except ValueError as error:
            result, whole = f"ValueError: {error}", False
        print(f"{name}, {suffix}: {result}; kept per atom: {sorted(per_atom) or 'nothing'}")
        assert whole == (suffix == "json" or name == "scalar")
        assert len(per_atom) == (2 if suffix == "json" else 0)
print("ase 3.29.0 still cannot read directed moments that it has written to SQLite.")
PY
