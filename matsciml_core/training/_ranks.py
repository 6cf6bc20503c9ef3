"""What the ranks of a distributed run tell each other in a training step.

Gradients are averaged here rather than by ``DistributedDataParallel``: its hooks see one backward
pass, a strategy may need several; they miss parameters that only some ranks reach; and a mean of
means over different numbers of labels is not the mean. All functions do nothing in a run of one
process.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path

import torch
import torch.distributed as dist
from torch import Tensor, nn

_FOLDER = "MATSCIML_RUN_FOLDER"
"""Environment variable through which the first process tells the others its run folder."""


def rank() -> int:
    """Return the number of this process among those of the run, known before they are joined."""
    return int(os.environ.get("LOCAL_RANK", "0"))


def given_folder() -> Path | None:
    """Return the run folder that the first process made; None in that process."""
    return Path(os.environ[_FOLDER]) if rank() > 0 else None


@contextmanager
def joined(folder: Path) -> Iterator[None]:
    """Let the processes that are started inside find the run folder, and part with them after."""
    if rank() == 0:
        os.environ[_FOLDER] = str(folder)
    try:
        yield
    finally:
        # What is computed afterwards, tests and reports, is the first process's alone.
        if world_size() > 1:
            dist.destroy_process_group()
            _host_group.cache_clear()
        if rank() == 0:
            os.environ.pop(_FOLDER, None)


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


def total(count: int) -> int:
    """Return the sum of a number over the ranks; no device is waited for."""
    if world_size() == 1:
        return count
    summed = torch.tensor(count)
    dist.all_reduce(summed, group=_host_group(dist.group.WORLD))
    return int(summed)


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
