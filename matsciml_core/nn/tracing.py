"""Whether a network is being written down as a graph of operations, rather than evaluated."""

from __future__ import annotations

import torch
from torch import Tensor


def is_traced(tensor: Tensor) -> bool:
    """Return whether the numbers of rows are symbols, so that no loop can go over blocks of them.

    An encoder that goes over its edges block by block takes them all at once where this is true:
    the graph must hold for any number of them.

    Args:
        tensor: ``(rows, ...)``, in any unit.

    >>> is_traced(torch.zeros(3, 2))
    False
    """
    return torch.compiler.is_compiling() or not isinstance(tensor.shape[0], int)
