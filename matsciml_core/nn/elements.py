"""From atomic numbers to features: a learnt embedding, descriptors of the elements, or both."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from matsciml_core.errors import DataError
from matsciml_core.interfaces.elements import symbol
from matsciml_core.nn.element_descriptors import ROWS, element_descriptors

__all__ = ["ElementEmbedding", "ElementMode", "reject_elements"]

ElementMode = Literal["learnt", "described", "both"]
"""Where the features of an element come from."""


def reject_elements(atomic_numbers: Tensor, unknown: Tensor, network: str) -> None:
    """Raise where a network has no features of an element.

    Args:
        atomic_numbers: ``(atoms,)`` int64, dimensionless.
        unknown: Which atoms have no features, ``(atoms,)`` bool, dimensionless.
        network: Its name, to say.

    Raises:
        DataError: Any atom is unknown.
    """
    if unknown.any():
        symbols = map(symbol, sorted(set(atomic_numbers[unknown].tolist())))
        raise DataError(
            f"{network} has no features of {', '.join(symbols)}; leave such crystals out, or use "
            "another encoder."
        )


class ElementEmbedding(nn.Module):
    """Features of elements, h(Z) = E_Z + W d(Z) + b.

    E is learnt, a row for each atomic number, as in ``torch.nn.Embedding``. d are the standardised
    :func:`~matsciml_core.nn.element_descriptors.element_descriptors`, which are not learnt, so
    that elements which are rare in the data begin where similar ones do. ``learnt`` has E alone
    and ``described`` the other two terms.

    The descriptors are part of the state, so that a saved model predicts the same with a later
    table: loading takes over the table that it was trained with, whatever its columns.

    >>> elements = ElementEmbedding(8, "both")
    >>> tuple(elements(torch.tensor([11, 17])).shape)
    (2, 8)
    """

    weight: nn.Parameter | None
    """E, ``(rows, width)``, dimensionless; None where nothing is learnt by atomic number."""
    standardised: Tensor
    """d, ``(rows, columns)``, dimensionless."""

    def __init__(
        self,
        width: int,
        mode: ElementMode = "both",
        *,
        rows: int = ROWS,
        padding: bool = False,
        deviation: float = 1.0,
    ) -> None:
        """Draw E from a normal distribution, and W and b as ``torch.nn.Linear`` does.

        Args:
            width: Width of the features.
            mode: Where they come from.
            rows: Rows of the table, for the atomic numbers 0 to ``rows`` − 1.
            padding: Whether row 0 of E is zero and stays so.
            deviation: Standard deviation of E at the start of ``both``, dimensionless; of
                ``learnt`` it is 1. A small one lets elements begin where their descriptors put
                them, and rare ones stay there.
        """
        super().__init__()
        self.mode, self.padding = mode, padding
        if mode == "described":
            self.register_parameter("weight", None)
        else:
            self.weight = nn.Parameter(torch.empty(rows, width))
            nn.init.normal_(self.weight, std=1.0 if mode == "learnt" else deviation)
            if padding:
                with torch.no_grad():
                    self.weight[0].zero_()
        if mode != "learnt":
            table = torch.tensor(element_descriptors().standardised[:rows], dtype=torch.float32)
            if rows > ROWS:  # rows that no element has
                table = functional.pad(table, (0, 0, 0, rows - ROWS))
            self.register_buffer("standardised", table.to(torch.get_default_dtype()))
            self.project = nn.Linear(table.shape[1], width)

    def table(self) -> Tensor:
        """Return h of every row, ``(rows, width)``, dimensionless.

        The matrix product is made for 119 elements, however many atoms a batch has.
        """
        if self.mode == "learnt":
            return cast("Tensor", self.weight)
        # In bfloat16, which keeps three digits, neighbours in the table would look the same.
        with torch.autocast(self.standardised.device.type, enabled=False):
            described: Tensor = self.project(self.standardised)
        return described if self.weight is None else self.weight + described

    @property
    def dtype(self) -> torch.dtype:
        """Dtype of the features."""
        return next(self.parameters()).dtype

    def forward(self, numbers: Tensor) -> Tensor:
        """Return the features of atoms.

        Args:
            numbers: Atomic numbers, ``(atoms,)`` int64, dimensionless, below the number of rows.

        Returns:
            ``(atoms, width)``, dimensionless.
        """
        return functional.embedding(numbers, self.table(), padding_idx=0 if self.padding else None)

    def _load_from_state_dict(
        self, state_dict: Mapping[str, Any], prefix: str, *arguments: Any
    ) -> None:
        saved = state_dict.get(f"{prefix}standardised")
        if self.mode != "learnt" and saved is not None and saved.shape[0] == len(self.standardised):
            # A table of other columns: make room for it, and for the matrix that belongs to it.
            columns = saved.shape[1]
            self.standardised = self.standardised.new_empty(len(saved), columns)
            weight = self.project.weight
            weight.data = weight.data.new_empty(len(weight), columns)
            self.project.in_features = columns
        super()._load_from_state_dict(state_dict, prefix, *arguments)
