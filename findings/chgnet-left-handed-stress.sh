#!/usr/bin/env bash
# chgnet 0.4.2: in a left-handed cell the stress has the wrong sign.
#
# Guess: a crystal has one stress, in whatever order its lattice vectors are written. Seen: exchanging two
# vectors, which leaves every atom where it is, leaves energy and forces as they are and turns the sign of
# the stress. The derivative of the energy with respect to a uniform strain says which is right: that of
# the right-handed cell. A relaxation of a left-handed one so goes the wrong way.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet "chgnet==0.4.2" "torch==2.13.0" "numpy==2.4.6"
"$folder/venv/bin/python" -W ignore - 2> /dev/null <<'PY'
import numpy as np
from ase.build import bulk
from ase.calculators.calculator import all_changes
from chgnet.model.dynamics import CHGNetCalculator

calculator = CHGNetCalculator(use_device="cpu", on_isolated_atoms="ignore")


def results(atoms):
    calculator.calculate(atoms, ["energy", "forces", "stress"], all_changes)
    stress = np.array(calculator.results["stress"])
    mean = stress.trace() / 3 if stress.ndim == 2 else stress[:3].mean()
    return calculator.results["energy"], calculator.results["forces"], mean


right = bulk("NaCl", "rocksalt", a=5.4, cubic=True)  # compressed: 5.7 is its own length
left = right.copy()
left.set_cell(right.cell[[1, 0, 2]])  # no atom moves
energy, forces, stress = results(right)
other_energy, other_forces, other_stress = results(left)
step = 1e-3
ends = []
for sign in (-1, 1):
    strained = right.copy()
    strained.set_cell(right.cell * (1 + sign * step), scale_atoms=True)
    ends.append(results(strained)[0])
derivative = (ends[1] - ends[0]) / (2 * step) / 3 / right.get_volume()
print(f"right-handed: energy {energy:.4f} eV, stress {stress:.4f} eV/Å³")
print(f"left-handed:  energy {other_energy:.4f} eV, stress {other_stress:.4f} eV/Å³")
print(f"from energies of strained cells: {derivative:.4f} eV/Å³")
assert abs(energy - other_energy) < 1e-3
assert np.abs(forces - other_forces).max() < 1e-3
assert abs(stress - derivative) < 0.02 * abs(derivative)
assert abs(other_stress + derivative) < 0.02 * abs(derivative)
print("chgnet 0.4.2 still gives a left-handed cell the stress of the other sign.")
PY
