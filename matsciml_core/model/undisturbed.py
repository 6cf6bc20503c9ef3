"""Building modules without a trace in the process, and without one of the process in them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def undisturbed() -> Iterator[None]:
    """Build modules in float32, with gradients, and leave random state and default dtype alone.

    Initial weights that are about to be overwritten advance torch's random numbers, so that a
    program that loads a model would go on with other ones; and some packages set the default dtype
    of the whole process.
    """
    dtype = torch.get_default_dtype()
    torch.set_default_dtype(torch.float32)
    try:
        # No device: initial weights are made on the CPU.
        fork = torch.random.fork_rng(devices=())
        with fork, torch.inference_mode(mode=False), torch.enable_grad():
            yield
    finally:
        torch.set_default_dtype(dtype)
