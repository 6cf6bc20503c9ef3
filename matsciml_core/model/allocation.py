"""A limit on what building a model may allocate: its description may come from a stranger."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from matsciml_core.errors import DataError

_SLACK = 256 << 20
"""Bytes beyond the tensors of the file: tables that a model computes when it is built."""
_SHARE = 8
"""Times the tensors of the file: initial weights are made and replaced."""
_SIZED = frozenset(
    {torch.empty, torch.zeros, torch.ones, torch.full, torch.rand, torch.randn, torch.arange}
)
"""Functions that make a tensor of a size that is an argument; layers make their weights by them."""


class AllocationLimit(TorchFunctionMode):
    """Ends the building of a model that would hold far more than the file of its tensors.

    A tensor that is too large is refused before it is made. Nothing else changes, in contrast to a
    model on the ``meta`` device, on which not every encoder can be built.

    Args:
        tensors: What the file holds.
        where: The file, for the error.
    """

    def __init__(self, tensors: Mapping[str, Tensor], where: object) -> None:
        """Compute the limit."""
        super().__init__()
        held = sum(one.numel() * one.element_size() for one in tensors.values())
        self._left = _SLACK + _SHARE * held
        self._where = where

    def __torch_function__(
        self,
        func: Any,
        types: Any,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Call a function of torch, where what it makes is not too large.

        Raises:
            DataError: It is.
        """
        if func in _SIZED:
            # Four bytes for each number; a type twice as wide makes no difference here.
            self._left -= 4 * _numbers(args, kwargs or {})
            if self._left < 0:
                raise DataError(
                    f"'{self._where}' describes a model that is far larger than its tensors; get "
                    "both files again from whom you have them."
                )
        return func(*args, **(kwargs or {}))


def _numbers(args: Sequence[Any], kwargs: Mapping[str, Any]) -> int:
    """Return how many numbers a function of :data:`_SIZED` makes, of a size given in any way."""
    size = kwargs.get("size", args)
    if isinstance(size, Sequence) and size and isinstance(size[0], Sequence):
        size = size[0]
    return math.prod(one for one in size if isinstance(one, int))
