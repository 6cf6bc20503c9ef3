"""The environment variables that steer the registry."""

from __future__ import annotations

import os

_OFF = ("", "0", "false", "no", "off")


def flag(name: str) -> bool:
    """Return whether an environment variable is set to anything that does not mean no."""
    return os.environ.get(name, "").strip().lower() not in _OFF


def names(variable: str) -> tuple[str, ...] | None:
    """Return a comma-separated list of names; None where the variable is not set at all."""
    text = os.environ.get(variable)
    return None if text is None else tuple(filter(None, (part.strip() for part in text.split(","))))
