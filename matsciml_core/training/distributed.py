"""Communication between the ranks of a distributed run in a training step.

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
"""Environment variable through which rank 0 tells the other ranks its run folder."""


def rank() -> int:
    """Return the rank of this process, which is known before there is a process group."""
    return int(os.environ.get("LOCAL_RANK", "0"))


def folder_of_rank_zero() -> Path | None:
    """Return the run folder that rank 0 made; None in rank 0 itself."""
    return Path(os.environ[_FOLDER]) if rank() > 0 else None


@contextmanager
def process_group(folder: Path) -> Iterator[None]:
    """Let the ranks that are started inside find the run folder; leave the process group after.

    Args:
        folder: The run folder.
    """
    # Lightning starts the other ranks by running this program's own command line again, and hands
    # them nothing but a copy of the environment: there is no argument that could carry the folder,
    # which they need before a process group exists.
    if rank() == 0:
        os.environ[_FOLDER] = str(folder)
    try:
        yield
    finally:
        # What is computed afterwards, test and report, is rank 0's alone.
        if world_size() > 1:
            dist.destroy_process_group()
            _host_group.cache_clear()
        if rank() == 0:
            os.environ.pop(_FOLDER, None)


def world_size() -> int:
    """Return the number of ranks in the process group; 1 where there is none."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def on_any_rank(flags: Sequence[bool]) -> list[bool]:
    """Return, for each flag, whether it is set on any rank; no device is waited for.

    Args:
        flags: As many on every rank.
    """
    if world_size() == 1 or not flags:
        return list(flags)
    values = torch.tensor(flags, dtype=torch.int32)
    dist.all_reduce(values, dist.ReduceOp.MAX, group=_host_group(dist.group.WORLD))
    return [bool(value) for value in values.tolist()]


def sum_over_ranks(count: int) -> int:
    """Return the sum of a number over the ranks; no device is waited for."""
    if world_size() == 1:
        return count
    summed = torch.tensor(count)
    dist.all_reduce(summed, group=_host_group(dist.group.WORLD))
    return int(summed)


def loss_weights(counts: Tensor) -> Tensor:
    """Return the weights of this rank's mean losses, so that their mean over ranks is the whole's.

    With n_r labels on rank r of R, (1/R) Σ_r w_r ℓ_r is the mean over all labels for
    w_r = R n_r / Σ n.

    Args:
        counts: Number of labels on this rank, any shape, float64, dimensionless.

    Returns:
        The weights, of the same shape; 0 where no rank has a label.
    """
    total = counts.clone()
    dist.all_reduce(total)
    return counts * world_size() / total.clamp_min(1)


def average_over_ranks(tensor: Tensor) -> None:
    """Replace a tensor by its mean over the ranks, in place.

    Args:
        tensor: Any shape, in any unit; of the same shape on every rank.
    """
    if world_size() > 1:
        dist.all_reduce(tensor)
        tensor.div_(world_size())


def average_gradients(parameters: Sequence[nn.Parameter]) -> None:
    """Average ``.grad`` over the ranks; a parameter without one anywhere keeps having none."""
    if world_size() == 1:
        return
    reached = on_any_rank([parameter.grad is not None for parameter in parameters])
    chosen = [parameter for parameter, any_has in zip(parameters, reached, strict=True) if any_has]
    if not chosen:
        return
    # One message for all gradients: their number is large, and the latency of each adds up.
    flat = torch.cat(
        [(torch.zeros_like(p) if p.grad is None else p.grad).flatten() for p in chosen]
    )
    average_over_ranks(flat)
    pieces = torch.split(flat, [parameter.numel() for parameter in chosen])
    for parameter, gradient in zip(chosen, pieces, strict=True):
        parameter.grad = gradient.view_as(parameter)


@lru_cache(maxsize=1)
def _host_group(world: dist.ProcessGroup) -> dist.ProcessGroup | None:
    """Return a group for small messages between processes, beside one for device memory."""
    return None if dist.get_backend(world) == "gloo" else dist.new_group(backend="gloo")
