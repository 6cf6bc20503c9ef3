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
from datetime import timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from matsciml_core.errors import ConfigError, TrainingError

_FOLDER = "MATSCIML_RUN_FOLDER"
"""Environment variable through which rank 0 tells the other ranks its run folder."""

_RANK = "MATSCIML_GLOBAL_RANK"
"""Environment variable with the rank of a process that torchrun or srun started."""
_WAIT = timedelta(days=7)
"""How long other ranks wait for rank 0, which may fit baselines or search neighbours first."""


def rank() -> int:
    """Return the rank of this process, which is known before there is a process group."""
    return int(os.environ.get(_RANK) or os.environ.get("LOCAL_RANK", "0"))


def join(nodes: int, devices: int) -> None:
    """Meet the other processes that torchrun or srun started; all but rank 0 wait until it trains.

    Nothing happens where this process was started alone, or by rank 0.

    Args:
        nodes: Machines of the run.
        devices: Processes on each of them.

    Raises:
        ConfigError: There are several nodes and no launcher, or not as many processes.
        TrainingError: Rank 0 ended before it trained.
    """
    processes = nodes * devices
    if _FOLDER in os.environ:
        return
    if not dist.is_torchelastic_launched():
        # An srun of several tasks may as well be of several runs, of one process each.
        if processes > 1 and int(os.environ.get("SLURM_NTASKS", "1")) > 1:
            _read_slurm()
        elif nodes > 1:
            raise ConfigError(
                f"'training.nodes' is {nodes}, and one process was started alone; start one for "
                "each device of each node with srun or torchrun."
            )
        else:
            return
    started = int(os.environ["WORLD_SIZE"])
    if started != processes:
        raise ConfigError(
            f"{started} processes were started, and 'training.nodes' times 'training.devices' is "
            f"{nodes} x {devices}; set --nodes and --devices to what was started."
        )
    if started == 1:
        return
    os.environ[_RANK] = os.environ["RANK"]
    if rank() > 0:
        # As where rank 0 starts the others: it has written the folder before any of them reads it.
        try:
            _store().set_timeout(_WAIT)
            os.environ[_FOLDER] = _store().get(_FOLDER).decode()
        except RuntimeError as error:
            raise TrainingError(
                f"Rank {rank()} lost rank 0, whose message says why it ended before it trained."
            ) from error


def _read_slurm() -> None:
    """Say in torchrun's variables what those of SLURM say."""
    from pytorch_lightning.plugins import environments  # noqa: PLC0415 - is slow

    slurm = environments.SLURMEnvironment(auto_requeue=False)  # type: ignore[attr-defined]
    os.environ |= {
        "MASTER_ADDR": slurm.main_address,
        "MASTER_PORT": str(slurm.main_port),
        "RANK": str(slurm.global_rank()),
        "LOCAL_RANK": str(slurm.local_rank()),
        "WORLD_SIZE": str(slurm.world_size()),
    }


@lru_cache(maxsize=1)
def _store() -> Any:
    """Return what the processes of torchrun or srun find each other by."""
    store, _, _ = next(dist.rendezvous("env://"))  # type: ignore[attr-defined]
    return dist.PrefixStore("matsciml", store)  # type: ignore[attr-defined]


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
    if _RANK in os.environ:  # Lightning takes the group that there is
        if rank() == 0:
            _store().set(_FOLDER, str(folder))
        ranks = int(os.environ["WORLD_SIZE"])
        dist.init_process_group(store=_store(), rank=rank(), world_size=ranks)
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
