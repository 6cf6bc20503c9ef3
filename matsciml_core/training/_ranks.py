"""What the ranks of a distributed run tell each other in a training step.

Gradients are averaged here rather than by ``DistributedDataParallel``: its hooks see one backward
pass, a strategy may need several; they miss parameters that only some ranks reach; and a mean of
means over different numbers of labels is not the mean. All functions do nothing in a run of one
process.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import torch
import torch.distributed as dist
from torch import Tensor, nn


def world_size() -> int:
    """Return the number of ranks; 1 where nothing is distributed."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def anywhere(flags: Sequence[bool]) -> list[bool]:
    """Return, for each flag, whether it is set on any rank; no device is waited for."""
    if world_size() == 1 or not flags:
        return list(flags)
    found = torch.tensor(flags, dtype=torch.int32)
    dist.all_reduce(found, dist.ReduceOp.MAX, group=_host_group(dist.group.WORLD))
    return [bool(value) for value in found.tolist()]


def factors(counts: Tensor) -> Tensor:
    """Return what a mean over this rank's entries must be multiplied by.

    The mean over ranks of means so weighted is the mean over all entries.

    Args:
        counts: Number of entries on this rank, any shape, float64.

    Returns:
        count · ranks / total, and 0 where there is no entry at all.
    """
    total = counts.clone()
    dist.all_reduce(total)
    return counts * world_size() / total.clamp_min(1)


def average(tensor: Tensor) -> None:
    """Replace a tensor by its mean over the ranks, in place."""
    if world_size() > 1:
        dist.all_reduce(tensor)
        tensor.div_(world_size())


def average_gradients(parameters: Sequence[nn.Parameter]) -> None:
    """Average ``.grad`` over the ranks; a parameter without one anywhere keeps having none."""
    if world_size() == 1:
        return
    reached = anywhere([parameter.grad is not None for parameter in parameters])
    chosen = [one for one, wanted in zip(parameters, reached, strict=True) if wanted]
    if not chosen:
        return
    gradients = [torch.zeros_like(one) if one.grad is None else one.grad for one in chosen]
    flat = torch.cat([gradient.flatten() for gradient in gradients])
    average(flat)
    for one, part in zip(chosen, torch.split(flat, [one.numel() for one in chosen]), strict=True):
        one.grad = part.view_as(one)


@lru_cache(maxsize=1)
def _host_group(world: dist.ProcessGroup) -> dist.ProcessGroup | None:
    """Return a group for small messages between processes, beside one for device memory."""
    return None if dist.get_backend(world) == "gloo" else dist.new_group(backend="gloo")
