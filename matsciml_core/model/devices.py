"""The devices and precisions that a user can ask for by name."""

from __future__ import annotations

import torch

from matsciml_core.errors import ConfigError

PRECISIONS = {"float32": torch.float32, "float64": torch.float64}


def find_device(name: str) -> torch.device:
    """Return a device by its name; ``auto`` is a GPU where there is one.

    Args:
        name: ``auto``, ``cpu``, ``cuda``, ``cuda:1``, …

    Returns:
        The device; it has a number only where the name has one.

    Raises:
        ConfigError: There is no such device here.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if not _can_be_used(name):
        seen = torch.cuda.device_count()
        gpus = f"{seen} GPU{'s' * (seen != 1)}" if seen else "no GPU"
        raise ConfigError(
            f"The device '{name}' cannot be used here, where torch sees {gpus}; use auto, cpu, "
            "cuda or cuda:0, or install a build of torch for your GPU."
        )
    return torch.device(name)


def find_precision(name: str) -> torch.dtype:
    """Return a floating-point type by its name.

    Raises:
        ConfigError: There is no such precision.
    """
    if name not in PRECISIONS:
        raise ConfigError(f"There is no precision '{name}'; choices: {', '.join(PRECISIONS)}.")
    return PRECISIONS[name]


def _can_be_used(name: str) -> bool:
    """Try a device; but GPUs are only counted.

    Every process of a distributed run asks, and each would take memory of the first GPU.
    """
    try:
        device = torch.device(name)
        if device.type == "cuda":
            return (device.index or 0) < torch.cuda.device_count()
        torch.zeros(1, device=device).item()  # what is on "meta" cannot be read
    except (RuntimeError, AssertionError):
        return False
    return True
