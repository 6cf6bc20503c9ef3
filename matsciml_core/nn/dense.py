"""Dense layers, which can be split where the parts of an input belong to many rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Self, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["ACTIVATIONS", "DenseStack"]

ACTIVATIONS: Mapping[str, Callable[[Tensor], Tensor]] = {
    "silu": functional.silu,
    "relu": functional.relu,
    "softplus": functional.softplus,
}
"""Activations that settings may name."""


class DenseStack(nn.Module):
    """Dense layers with an activation between them, and after the last one if asked for.

    The first layer of a network on messages is by far its widest product: it sees, edge by edge,
    what belongs to two atoms, an edge and a crystal. W [a, b] = W_a a + W_b b, so the share of an
    atom can be multiplied once and gathered to its edges, and :meth:`after_first` does the rest:

    >>> stack = DenseStack(3, (4, 2), torch.relu)
    >>> atoms, edges = torch.ones(5, 2), torch.ones(20, 1)
    >>> sender = torch.arange(20) // 4
    >>> of_atoms, of_edges = stack.split_weight((2, 1))
    >>> shares = (atoms @ of_atoms.T)[sender] + edges @ of_edges.T
    >>> split = stack.after_first(shares + stack.first_bias)
    >>> joined = stack(torch.cat((atoms[sender], edges), dim=1))
    >>> torch.allclose(split, joined, atol=1e-6)
    True
    """

    def __init__(
        self,
        input_width: int,
        widths: Sequence[int],
        activation: Callable[[Tensor], Tensor],
        *,
        activate_last: bool = False,
        last_bias: bool = True,
        dropout: float = 0.0,
    ) -> None:
        """Build the layers, with the initial weights of ``torch.nn.Linear``.

        Args:
            input_width: Width of the input.
            widths: Width of each layer's output, at least one.
            activation: What is applied to the result of a dense layer, which it may overwrite; a
                function of a module, so that the stack can be pickled.
            activate_last: Whether the last layer is activated too.
            last_bias: Whether the last layer has a bias.
            dropout: Share of the units between layers that is dropped in training.
        """
        super().__init__()
        pairs = list(pairwise((input_width, *widths)))
        self.layers = nn.ModuleList(
            nn.Linear(first, second, bias=last_bias or number < len(pairs) - 1)
            for number, (first, second) in enumerate(pairs)
        )
        self.activation = activation
        self.activate_last = activate_last
        self.dropout = dropout

    def start_at_zero(self) -> Self:
        """Set the last layer to zero, so that an untrained stack returns zero; return the stack."""
        for parameter in self.layers[-1].parameters():
            nn.init.zeros_(parameter)
        return self

    def forward(self, x: Tensor) -> Tensor:
        """Apply the layers.

        Args:
            x: ``(..., input_width)``, dimensionless.

        Returns:
            ``(..., last width)``, dimensionless.
        """
        return self.after_first(self.layers[0](x))

    def after_first(self, x: Tensor) -> Tensor:
        """Apply everything that follows the first dense layer.

        Args:
            x: The first layer's result, ``(..., first width)``, dimensionless; it may be
                overwritten.

        Returns:
            ``(..., last width)``.
        """
        for layer in self.layers[1:]:
            x = self.activation(x)
            if self.dropout:
                x = functional.dropout(x, self.dropout, self.training)
            x = layer(x)
        return self.activation(x) if self.activate_last else x

    def split_weight(self, widths: Sequence[int]) -> tuple[Tensor, ...]:
        """Return the first layer's weight in pieces, one per part of a joined input.

        Args:
            widths: Widths of the parts, in the order in which they are joined.

        Returns:
            Views, ``(first width, width)`` each.
        """
        return torch.split(self._first.weight, list(widths), dim=1)

    @property
    def first_bias(self) -> Tensor:
        """The first layer's bias, ``(first width,)``; there is one where several layers are."""
        return self._first.bias

    @property
    def _first(self) -> nn.Linear:
        return cast(nn.Linear, self.layers[0])
