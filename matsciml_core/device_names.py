"""Names of devices, checked without torch, whose import takes seconds."""

from __future__ import annotations

import re

from matsciml_core.errors import ConfigError

_NAME = re.compile(r"auto|(cpu|cuda|mps|xpu|hpu|mtia|xla|maia|privateuseone)(:\d+)?")
"""torch's types of device that compute; whether one is there, only torch knows."""


def check_device_name(name: str) -> str:
    """Return the name of a device, where it is one.

    Args:
        name: ``auto``, ``cpu``, ``cuda``, ``cuda:1``, …

    Raises:
        ConfigError: There can be no such device.

    >>> check_device_name("cuda:1")
    'cuda:1'
    """
    if not _NAME.fullmatch(name):
        raise ConfigError(
            f"There is no device '{name}'; use auto, cpu, cuda, or cuda:1 for the second GPU."
        )
    return name
