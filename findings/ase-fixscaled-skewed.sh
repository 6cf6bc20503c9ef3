#!/usr/bin/env bash
# ase 3.29.0: a relaxation with FixScaled in a skewed cell ends, converged, beside the minimum.
#
# Guess: an atom of which one fractional coordinate is held (selective dynamics of a POSCAR is read as
# this constraint) relaxes to the lowest energy among the places that are left to it; a relaxation that
# reports convergence has found it. Seen: in a cell whose vectors are at right angles it does. In a
# skewed cell the constraint holds the coordinate, but hands the optimiser the force with the wrong part
# taken out: BFGS reports convergence at a point whose energy is a third above that of the minimum, where
# the force along the free lattice vectors is far from zero.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet "ase==3.29.0"
cd "$folder"
"$folder/venv/bin/python" -W ignore - <<'PY'
import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator
from ase.constraints import FixScaled
from ase.optimize import BFGS


class Spring(Calculator):
    """A spring of 1 eV/Å² that pulls the atom to a point."""

    implemented_properties = ["energy", "forces"]

    def __init__(self, point):
        super().__init__()
        self.point = point

    def calculate(self, atoms=None, properties=(), system_changes=()):
        stretch = atoms.positions - self.point
        self.results = {"energy": 0.5 * (stretch**2).sum(), "forces": -stretch}


point = np.array([0.5, 0.4, 0.0])
for name, cell, agrees in (
    ("right angles", np.diag([4.0, 3.5, 5.0]), True),
    ("skewed", np.array([[4.0, 0.0, 0.0], [2.0, 3.5, 0.0], [0.0, 0.0, 5.0]]), False),
):
    atoms = Atoms("Cu", positions=[[0.0, 0.0, 0.0]], cell=cell, pbc=True)
    atoms.set_constraint(FixScaled(0, mask=[True, False, False]))
    atoms.calc = Spring(point)
    converged = BFGS(atoms, logfile=None).run(fmax=1e-6, steps=200)
    # The atom may move along the second and third vector: least squares gives the nearest point.
    free = cell[1:].T
    nearest = free @ np.linalg.lstsq(free, point, rcond=None)[0]
    least = 0.5 * ((nearest - point) ** 2).sum()
    energy = atoms.get_potential_energy()
    force = float(cell[1] @ atoms.get_forces(apply_constraint=False)[0] / np.linalg.norm(cell[1]))
    print(f"{name}: converged {converged}, {energy:.6f} eV, minimum {least:.6f} eV, "
          f"force along the free vector {force:.3f} eV/Å")
    assert converged
    assert abs(atoms.get_scaled_positions(wrap=False)[0, 0]) < 1e-12
    assert (abs(energy - least) < 1e-9) == agrees, (energy, least)
    assert agrees or energy > 1.3 * least
print("ase 3.29.0 still relaxes to another point than the minimum where a skewed cell holds a coordinate.")
PY
