"""The perceptron that all property heads share."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

ACTIVATIONS = {"silu": nn.SiLU, "relu": nn.ReLU, "softplus": nn.Softplus}


def perceptron(
    width: int, hidden: Sequence[int], outputs: int, *, activation: str, dropout: float
) -> nn.Sequential:
    """Return dense layers whose last one starts at zero.

    Args:
        width: Width of the input.
        hidden: Widths of the hidden layers, dimensionless.
        outputs: Width of the output.
        activation: A key of ``ACTIVATIONS``; between the layers, not behind the last one.
        dropout: Share of hidden units dropped during training.
    """
    layers: list[nn.Module] = []
    for size in hidden:
        layers += [nn.Linear(width, size), ACTIVATIONS[activation]()]
        layers += [nn.Dropout(dropout)] if dropout else []
        width = size
    last = nn.Linear(width, outputs)
    nn.init.zeros_(last.weight)
    nn.init.zeros_(last.bias)
    return nn.Sequential(*layers, last)
