"""How much a stranger's file or answer may become; each bound has a setting."""

from __future__ import annotations

import os

from matsciml_core.errors import ConfigError

LARGEST_UNPACKED = "MATSCIML_LARGEST_UNPACKED"
"""GiB that a compressed file may unpack to."""
DEFAULT_UNPACKED = 1024.0
"""GiB that a compressed file may unpack to where the variable is not set."""
_RATIO = 400
"""Bytes that one packed byte may become in a file of numbers; text of one letter reaches 1000."""
_FREE = 64 << 20
"""Bytes up to which the ratio is not looked at."""


def limit(variable: str, default: float) -> int:
    """Return a bound in bytes, as the environment says or by default.

    Args:
        variable: The environment variable that sets it, in GiB.
        default: What holds where it is not set, GiB.

    Raises:
        ConfigError: It is set to something that is no number above 0.
    """
    text = os.environ.get(variable, "").strip()
    try:
        size = float(text) if text else default
    except ValueError:
        size = 0.0
    if not 0 < size < float("inf"):
        raise ConfigError(f"{variable} is '{text}'; give it a number of GiB, for example 200.")
    return int(size * (1 << 30))


def unpacked_limit(packed: int) -> int:
    """Return how many bytes a compressed file may become.

    Args:
        packed: Its size, bytes.
    """
    # Somebody who sets a bound means it, whatever the ratio.
    bound = limit(LARGEST_UNPACKED, DEFAULT_UNPACKED)
    return bound if os.environ.get(LARGEST_UNPACKED) else min(bound, _FREE + _RATIO * packed)
