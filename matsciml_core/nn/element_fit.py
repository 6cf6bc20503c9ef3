"""What composition alone says about a property: one number per element, by least squares.

Serves as the baseline of property heads, and as the reference energies that a head subtracts from
total energies so that the network learns what elements do not explain.
"""

from __future__ import annotations

import torch
from torch import Tensor

from matsciml_core.interfaces.batch import CrystalBatch

ELEMENTS = 119
"""Rows of a table by atomic number, 0 to 118; row 0 is not used."""
SMALLEST_EIGENVALUE = 1e-12
"""Combinations of elements that vary less than this, as a share of the most varied one, get no
coefficient of their own: elements that always occur in the same ratio cannot be told apart.

A cut-off rather than a ridge where coefficients are wanted: a ridge λ biases every coefficient
towards the mean by about λ / (λ + n x²), also where the data determine it, and most for the
elements that are rare; reference energies would then leave an error that grows with the offset of
the energies. The cut-off changes nothing that is determined, and rounding in float64 (10⁻¹⁶ times
the condition number) stays below it."""
PREDICTING_RIDGE = 0.1
"""A ridge for predictions of new crystals, in crystals of one element: on the validation crystals
of ``mp`` it is the best of 0, 0.001, 0.01, 0.03, 0.1 and 0.3, or close to it, for formation
energies, gaps and bulk moduli and for 15 to 3,146 training crystals. Without one, tens of crystals
with as many elements give coefficients that fit and predict nothing."""


def element_sums(coefficients: Tensor, batch: CrystalBatch) -> Tensor:
    """Return Σ_Z n_Z c_Z for each crystal, n_Z being its number of atoms of element Z.

    Args:
        coefficients: c, ``(119, *shape)``, in any unit per atom.
        batch: The crystals.

    Returns:
        ``(crystals, *shape)``, in that unit and the dtype of ``coefficients``.
    """
    atoms = coefficients[batch.atomic_numbers]
    sums = atoms.new_zeros(batch.num_crystals, *coefficients.shape[1:])
    return sums.index_add(0, batch.crystal_index, atoms)


class ElementFit:
    """Least squares of values on element fractions, one batch at a time.

    Minimises Σ (y − Σ_Z x_Z c_Z)² over crystals, x_Z being the share of element Z among the atoms,
    and chooses among equal minima the c closest to the mean of y, so that an element that never
    occurs counts as the mean. There is no intercept: the shares of a crystal sum to one.

    Everything is in float64. Only the normal equations are kept, so that memory does not grow with
    the data, and they are relative to the first value seen, so that nothing is lost where values
    are large and differ little, as total energies do.
    """

    def __init__(self, shape: tuple[int, ...] = ()) -> None:
        """Start without data.

        Args:
            shape: Shape of one value.
        """
        self.count = 0
        self._origin = torch.zeros(shape, dtype=torch.float64)
        self._sum = torch.zeros(shape, dtype=torch.float64)
        self._square = torch.zeros(shape, dtype=torch.float64)
        self._gram = torch.zeros(ELEMENTS, ELEMENTS, dtype=torch.float64)
        self._moment = torch.zeros(ELEMENTS, *shape, dtype=torch.float64)
        self._shares = torch.zeros(ELEMENTS, dtype=torch.float64)

    def add(self, batch: CrystalBatch, values: Tensor, mask: Tensor) -> None:
        """Take in the labelled crystals of a batch.

        Args:
            batch: The crystals.
            values: y, ``(crystals, *shape)``, in any unit; of an extensive label its value per
                atom.
            mask: Where a value exists, ``(crystals,)`` bool, dimensionless.
        """
        pairs = batch.crystal_index * ELEMENTS + batch.atomic_numbers
        counts = torch.bincount(pairs, minlength=batch.num_crystals * ELEMENTS)
        shares = counts.reshape(-1, ELEMENTS) / batch.atoms_per_crystal.unsqueeze(1).double()
        shares, values = shares[mask], values.to(torch.float64)[mask]
        if not len(values):
            return
        if not self.count:
            self._origin = values[0].clone()
        values = values - self._origin
        self.count += len(values)
        self._gram += shares.T @ shares
        self._moment += torch.tensordot(shares, values, dims=([0], [0]))
        self._shares += shares.sum(0)
        self._sum += values.sum(0)
        self._square += values.square().sum(0)

    @property
    def mean(self) -> Tensor:
        """Mean of the values, ``shape`` float64, in their unit."""
        return self._origin + self._sum / self.count

    def solve(self, ridge: float = 0.0) -> Tensor:
        """Return the coefficients, ``(119, *shape)`` float64, in the unit of the values.

        Args:
            ridge: λ of a penalty λ Σ_Z (c_Z − mean)² on the sum of squares, dimensionless; 0: none.
        """
        if not ridge:
            return self.mean + self._relative()
        penalty = ridge * torch.eye(ELEMENTS, dtype=torch.float64)
        centred = self._centred()
        relative: Tensor = torch.linalg.solve(self._gram + penalty, centred.reshape(ELEMENTS, -1))
        return self.mean + relative.reshape(centred.shape)

    def residual(self) -> tuple[Tensor, Tensor]:
        """Return mean and standard deviation of y − Σ_Z x_Z c_Z.

        Returns:
            Both of the shape of one value, float64, in the unit of the values.
        """
        relative, count = self._relative(), self.count
        offset = -torch.tensordot(self._shares, relative, dims=1) / count
        # At the minimum what is explained is the projection: x·c has the mean square c·moment.
        explained = (relative * self._centred()).sum(0) / count
        # Var(y) less the explained part; neither needs the values, which are gone.
        square = self._square / count - (self._sum / count).square() - explained
        return offset, (square - offset.square()).clamp(min=0.0).sqrt()

    def _centred(self) -> Tensor:
        """Return Σ x (y − mean), ``(119, *shape)``."""
        mean = self._sum / self.count
        product: Tensor = torch.tensordot(self._shares.unsqueeze(1), mean.unsqueeze(0), dims=1)
        return self._moment - product

    def _relative(self) -> Tensor:
        """Return the coefficients relative to the mean of the values, ``(119, *shape)``."""
        inverse: Tensor = torch.linalg.pinv(self._gram, rtol=SMALLEST_EIGENVALUE, hermitian=True)
        relative: Tensor = torch.tensordot(inverse, self._centred(), dims=1)
        return relative
