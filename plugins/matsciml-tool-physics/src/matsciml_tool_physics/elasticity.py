"""Elastic constants of a crystal, from stresses and from energies of small strains."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import moyopy
import numpy as np
from ase import units
from numpy.typing import NDArray

from matsciml_core.errors import ConfigError
from matsciml_core.progress import Meter, Report, silent
from matsciml_tool_physics.crystals import (
    Relaxed,
    deformed,
    relax_crystal,
    require_crystal,
    require_free_atoms,
)
from matsciml_tool_physics.moduli import Moduli, average

# It remarks on every crystal that is symmetric to within the tolerance only.
logging.getLogger("moyo").addHandler(logging.NullHandler())

Matrix = NDArray[Any]
PAIRS = ((0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1))
"""Voigt's order: xx, yy, zz, yz, xz, xy."""
_INDEX = np.array([[0, 5, 4], [5, 1, 3], [4, 3, 2]])
"""Voigt's index of each pair of axes."""
_STRESSED = 0.1
"""Stress, GPa, above which a crystal counts as one under load."""
_APART = 0.03
"""Difference of both ways, relative to the largest constant, that a reader must know of."""


@dataclass(frozen=True, kw_only=True)
class ElasticConstants:
    """Elastic constants of one crystal in the Cartesian axes of its cell, GPa, Voigt's order."""

    formula: str
    num_atoms: int
    volume: float
    """Of the unstrained cell, Å³."""
    relaxed_ions: bool
    strain: float
    """Largest component of the strains, dimensionless."""
    from_stresses: Matrix
    """``(6, 6)``, GPa, symmetric."""
    from_energies: Matrix
    """``(6, 6)``, GPa."""
    symmetrised: Matrix
    """Mean over the point group of those from stresses, ``(6, 6)``, GPa."""
    space_group: int
    stress: NDArray[np.float64]
    """Of the unstrained crystal, ``(6,)``, GPa, positive under tension."""
    asymmetry: float
    """Largest difference between dσ_i/dε_j and dσ_j/dε_i, GPa."""
    unfinished: int
    """Relaxations whose steps ran out, that of the unstrained crystal among them."""
    moduli: Moduli

    @property
    def stability(self) -> NDArray[Any]:
        """Eigenvalues of the symmetrised matrix, ascending, ``(6,)``, GPa."""
        return np.linalg.eigvalsh(self.symmetrised)

    @property
    def stable(self) -> bool:
        """Whether every small strain costs energy: Born's criterion in its general form."""
        return bool(self.stability[0] > 0)

    @property
    def difference(self) -> float:
        """Largest difference between both ways, GPa."""
        return float(np.abs(self.from_stresses - self.from_energies).max())

    @property
    def symmetry_error(self) -> float:
        """Largest change by symmetrising, GPa."""
        return float(np.abs(self.symmetrised - self.from_stresses).max())

    @property
    def notices(self) -> list[str]:
        """What a reader must know before believing the numbers."""
        notices = []
        largest = float(np.abs(self.from_stresses).max())
        if not self.stable:
            notices.append(
                "The crystal is elastically unstable: some strain lowers its energy, and averages "
                "over directions mean nothing."
            )
        if self.difference > _APART * largest:
            notices.append(
                f"Constants from stresses and from energies differ by up to {self.difference:z.2f} "
                "GPa; take another --strain, a smaller --fmax, or double precision."
            )
        if np.abs(self.stress).max() > _STRESSED:
            notices.append(
                f"The unstrained crystal has a stress of up to {np.abs(self.stress).max():z.2f} "
                "GPa; these are not its constants at zero pressure. Relax its cell."
            )
        if self.unfinished:
            notices.append(
                f"{self.unfinished} relaxations ran out of steps with forces left; allow more "
                "steps, or larger forces."
            )
        return notices


def elastic_constants(
    atoms: Any,
    *,
    strain: float = 0.005,
    relaxed: Relaxed = "full",
    relaxed_ions: bool = True,
    largest_force: float = 1e-4,
    steps: int = 500,
    symprec: float = 0.01,
    report: Report = silent,
) -> ElasticConstants:
    """Compute all elastic constants of a crystal in two ways.

    Stresses at strains ±e along each of the six components of Voigt give the constants by central
    differences; energies at ±e along the components and along the sums of two give them again, by
    second differences. The error of both is of the order e².

    Args:
        atoms: ASE Atoms with a calculator that has stresses; they are left as they are.
        strain: e, dimensionless.
        relaxed: What is relaxed before: nothing, the ``atoms``, or the ``full`` cell with them.
        relaxed_ions: Whether atoms relax in each strained cell; without, constants are those of
            clamped ions.
        largest_force: Force that is left in any relaxation, eV/Å.
        steps: Most steps of a relaxation.
        symprec: Tolerance of the search for symmetry, Å.
        report: Receives progress.

    Raises:
        ConfigError: The atoms are no crystal, some are held, or the calculator has no stress.
        DataError: The model's energies are not finite.

    References:
        Stability: F. Mouhat, F.-X. Coudert, Phys. Rev. B 90, 224104 (2014),
        doi:10.1103/PhysRevB.90.224104.
    """
    _check(atoms, strain)
    reference = deformed(atoms, np.eye(3))
    settings: dict[str, Any] = {"largest_force": largest_force, "steps": steps}
    unfinished = int(not relax_crystal(reference, relaxed, **settings))
    directions = _directions()
    meter = Meter("strains", report, unit="strains", total=2 * len(directions))
    energies = np.zeros((len(directions), 2))
    stresses = np.zeros((6, 2, 6))
    for index, direction in enumerate(directions):
        for side, sign in enumerate((1, -1)):
            strained = deformed(reference, np.eye(3) + sign * strain * _tensor(direction))
            if relaxed_ions:
                unfinished += not relax_crystal(strained, "atoms", **settings)
            energies[index, side] = strained.get_potential_energy()
            # Stresses are a first derivative: the six components alone give all constants.
            if index < 6:
                stresses[index, side] = strained.get_stress()
            meter.add()
    meter.finish()
    # Rows are components of the stress, columns of the strain.
    slopes = (stresses[:, 0] - stresses[:, 1]).T / (2 * strain) / units.GPa
    curvatures = (energies.sum(axis=1) - 2 * reference.get_potential_energy()) / strain**2
    # Without stress they are second derivatives of the energy, and symmetric; what differs is
    # error, which is told as the asymmetry.
    from_stresses = (slopes + slopes.T) / 2
    number, symmetrised = _symmetrise(reference, from_stresses, symprec)
    return ElasticConstants(
        formula=reference.get_chemical_formula(),
        num_atoms=len(reference),
        volume=float(reference.get_volume()),
        relaxed_ions=relaxed_ions,
        strain=strain,
        from_stresses=from_stresses,
        from_energies=_from_curvatures(curvatures / reference.get_volume() / units.GPa),
        symmetrised=symmetrised,
        space_group=number,
        stress=np.asarray(reference.get_stress()) / units.GPa,
        asymmetry=float(np.abs(slopes - slopes.T).max()),
        unfinished=unfinished,
        moduli=average(symmetrised),
    )


def _check(atoms: Any, strain: float) -> None:
    require_crystal(atoms, "An elastic constant")
    require_free_atoms(atoms, "An elastic constant")
    if "stress" not in atoms.calc.implemented_properties:
        raise ConfigError(
            f"Elastic constants need stresses, which {type(atoms.calc).__name__} does not compute; "
            "choose another model."
        )
    if not 0 < strain <= 0.1:
        raise ConfigError(f"A strain of {strain:g} is not between 0 and 0.1; 0.005 suits most.")


def _directions() -> list[NDArray[np.float64]]:
    """Return the six components of Voigt, then the fifteen sums of two of them."""
    single = np.eye(6)
    sums = [single[i] + single[j] for i, j in zip(*np.triu_indices(6, 1), strict=True)]
    return [*single, *sums]


def _tensor(voigt: NDArray[np.float64]) -> Matrix:
    """Return a strain as a matrix; Voigt's shear components are twice those of the matrix."""
    return np.asarray(np.where(np.eye(3, dtype=bool), 1.0, 0.5) * voigt[_INDEX])


def _from_curvatures(curvatures: NDArray[np.float64]) -> Matrix:
    """Return C from the second derivatives u·C·u along the directions, in their order."""
    constants = np.diag(curvatures[:6])
    for curvature, i, j in zip(curvatures[6:], *np.triu_indices(6, 1), strict=True):
        # (e_i + e_j)·C·(e_i + e_j) = C_ii + C_jj + 2 C_ij
        constants[i, j] = constants[j, i] = (curvature - curvatures[i] - curvatures[j]) / 2
    return constants


def _symmetrise(atoms: Any, constants: Matrix, symprec: float) -> tuple[int, Matrix]:
    """Return the space group, and the mean of the constants over its point group."""
    fractional = atoms.get_scaled_positions().tolist()
    cell = moyopy.Cell(atoms.cell.array.tolist(), fractional, atoms.numbers.tolist())
    dataset = moyopy.MoyoDataset(cell, symprec=symprec)
    # r = Lᵀ x with lattice vectors as rows of L, so that x → W x is r → (Lᵀ W L⁻ᵀ) r.
    columns = atoms.cell.array.T
    rotations = [
        columns @ np.asarray(matrix, dtype=float) @ np.linalg.inv(columns)
        for matrix in dataset.operations.rotations
    ]
    return int(dataset.number), rotate_mean(constants, rotations)


def rotate_mean(constants: Matrix, rotations: Sequence[Matrix]) -> Matrix:
    """Return the mean of elastic constants over rotations of the crystal.

    Args:
        constants: ``(6, 6)``, any unit.
        rotations: Rotations and reflections, ``(3, 3)`` each, dimensionless.
    """
    tensor = constants[_INDEX[:, :, None, None], _INDEX[None, None]]  # (3, 3, 3, 3)
    total = sum(np.einsum("ia,jb,kc,ld,abcd->ijkl", r, r, r, r, tensor) for r in rotations)
    mean = np.asarray(total) / len(rotations)
    rows, columns = np.array(PAIRS).T
    return np.asarray(mean[rows[:, None], columns[:, None], rows[None], columns[None]])
