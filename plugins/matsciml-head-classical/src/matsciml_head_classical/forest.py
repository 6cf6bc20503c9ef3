"""Trees as arrays: saved as tensors, without pickle, and evaluated side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

_ROWS = 1 << 22
"""Numbers of crystals, trees and outputs that are evaluated at once."""


@dataclass(frozen=True)
class Tree:
    """A fitted tree in the order in which a walk through it, left before right, meets its nodes."""

    feature: NDArray[np.int64]
    """Feature that is compared, ``(nodes,)``; −1 for a leaf."""
    threshold: NDArray[np.float64]
    """Largest value that goes left, ``(nodes,)``."""
    right: NDArray[np.int64]
    """Node that a larger value goes to, ``(nodes,)``; the left one is the next."""
    row: NDArray[np.int64]
    """Row of ``value`` of each leaf, ``(leaves,)``."""
    value: NDArray[np.float64]
    """The values that leaves have, each once, ``(values, outputs)``."""

    @classmethod
    def walked(
        cls,
        left: NDArray[np.integer],
        right: NDArray[np.integer],
        feature: NDArray[np.integer],
        threshold: NDArray[np.floating],
        value: NDArray[np.floating],
    ) -> Tree:
        """Bring nodes, of which the children are named, into the order of a walk.

        Args:
            left: Left child, ``(nodes,)``, dimensionless; of a leaf anything.
            right: Right child, ``(nodes,)``, dimensionless.
            feature: Feature, ``(nodes,)``, dimensionless; negative for a leaf.
            threshold: Largest value that goes left, ``(nodes,)``, in the feature's unit.
            value: Value of each node, ``(nodes, outputs)``, in the label's unit.
        """
        order, stack = [], [0]
        while stack:
            node = stack.pop()
            order.append(node)
            if feature[node] >= 0:
                stack += [int(right[node]), int(left[node])]
        place = np.empty(len(feature), dtype=np.int64)
        place[order] = np.arange(len(order))
        chosen = np.array(order)
        inner = feature[chosen] >= 0
        # Leaves of classes, and of numbers that occur several times, have few different values.
        values, row = np.unique(
            value[chosen[~inner]].astype(np.float64), axis=0, return_inverse=True
        )
        return cls(
            np.where(inner, feature[chosen], -1).astype(np.int64),
            threshold[chosen].astype(np.float64),
            np.where(inner, place[np.where(inner, right[chosen], 0)], 0),
            row.reshape(-1),
            values,
        )


class Forest(nn.Module):
    """Several trees in one set of arrays, ten bytes for each node.

    Features are compared in single precision, as scikit-learn's forests do. x ≤ t for a number x in
    single precision is x ≤ t', where t' is the largest such number that is not above t, so that
    thresholds are kept in single precision and no comparison changes.
    """

    root: Tensor
    """First node of each tree, ``(trees,)`` int32."""
    feature: Tensor
    """Feature that each node compares, ``(nodes,)`` int16; −1 for a leaf."""
    threshold: Tensor
    """Largest value that goes left, ``(nodes,)`` float32, in the unit of the feature."""
    target: Tensor
    """Of an inner node the node that a larger value goes to, of a leaf its row of ``value``,
    ``(nodes,)`` int32."""
    value: Tensor
    """The values that leaves have, each once, ``(values, outputs)`` float64, dimensionless."""

    def __init__(self) -> None:
        """Begin without trees."""
        super().__init__()
        for name, like in (
            ("root", torch.zeros(0, dtype=torch.int32)),
            ("feature", torch.zeros(0, dtype=torch.int16)),
            ("threshold", torch.zeros(0)),
            ("target", torch.zeros(0, dtype=torch.int32)),
            ("value", torch.zeros(0, 1, dtype=torch.float64)),
        ):
            self.register_buffer(name, like)

    def grow(self, trees: Sequence[Tree]) -> None:
        """Take over fitted trees.

        Args:
            trees: At least one, all with the same number of outputs.
        """
        sizes = np.array([len(tree.feature) for tree in trees])
        roots = np.concatenate(([0], sizes.cumsum()[:-1]))
        feature = np.concatenate([tree.feature for tree in trees])
        right = np.concatenate(
            [tree.right + root for tree, root in zip(trees, roots.tolist(), strict=True)]
        )
        leaf = feature < 0
        counts = np.array([len(tree.value) for tree in trees])
        shift = counts.cumsum() - counts
        values, same = np.unique(
            np.concatenate([tree.value for tree in trees]), axis=0, return_inverse=True
        )
        rows = np.concatenate(
            [tree.row + first for tree, first in zip(trees, shift.tolist(), strict=True)]
        )
        target = right.copy()
        target[leaf] = same.reshape(-1)[rows]
        device = self.root.device
        self.root = torch.tensor(roots, dtype=torch.int32, device=device)
        self.feature = torch.tensor(feature, dtype=torch.int16, device=device)
        self.target = torch.tensor(target, dtype=torch.int32, device=device)
        exact = np.concatenate([tree.threshold for tree in trees])
        rounded = exact.astype(np.float32)
        above = rounded > exact
        rounded[above] = np.nextafter(rounded[above], np.float32(-np.inf))
        self.threshold = torch.tensor(rounded, device=device)
        self.value = torch.tensor(values, device=device)

    @property
    def is_grown(self) -> bool:
        """Whether there are trees."""
        return len(self.root) > 0

    def forward(self, features: Tensor) -> Tensor:
        """Return the value of the leaf that each crystal reaches in each tree.

        Args:
            features: ``(crystals, width)``, dimensionless.

        Returns:
            ``(crystals, trees, outputs)`` float64, dimensionless.
        """
        single = features.detach().to(torch.float32)
        step = max(_ROWS // (len(self.root) * self.value.shape[1]), 1)
        return torch.cat([self._leaves(rows) for rows in single.split(step)])

    def _leaves(self, features: Tensor) -> Tensor:
        crystals, trees = len(features), len(self.root)
        node = self.root.to(torch.int64).repeat(crystals)  # (crystals · trees,)
        first = torch.arange(crystals, device=node.device).repeat_interleave(trees)
        first = first * features.shape[1]
        flat = features.reshape(-1)
        # One level of all trees at a time; what has reached its leaf waits there.
        active = torch.arange(len(node), device=node.device)
        while len(active):
            here = node[active]
            feature = self.feature[here].to(torch.int64)
            inner = feature >= 0
            active, here, feature = active[inner], here[inner], feature[inner]
            goes_left = flat[first[active] + feature] <= self.threshold[here].to(flat.dtype)
            node[active] = torch.where(goes_left, here + 1, self.target[here].to(torch.int64))
        values = self.value[self.target[node].to(torch.int64)].to(torch.float64)
        return values.view(crystals, trees, -1)

    def _load_from_state_dict(
        self, state_dict: dict[str, Tensor], prefix: str, *arguments: object
    ) -> None:
        # A new forest has no trees: it makes room for those that were saved.
        for name, buffer in self.named_buffers():
            saved = state_dict.get(f"{prefix}{name}")
            if saved is not None and saved.shape != buffer.shape:
                setattr(self, name, buffer.new_empty(saved.shape))
        super()._load_from_state_dict(state_dict, prefix, *arguments)  # type: ignore[arg-type]
