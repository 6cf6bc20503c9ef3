"""Checks of ``matsciml doctor``: what one finds, and the record by which plugins add some."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from matsciml_core.registry.specs import Spec

CheckState = Literal["ok", "warning", "failed"]


@dataclass(frozen=True, kw_only=True)
class Check:
    """Something that was checked, and its result."""

    area: str
    """Heading under which ``doctor`` shows it."""
    name: str
    state: CheckState = "ok"
    detail: str = ""
    fix: str = ""
    """What to do about it; empty where the state is ``ok``."""


@dataclass(frozen=True, kw_only=True)
class CheckSpec(Spec):
    """Checks of the installation; ``class_path`` names a function of the registry.

    It returns an iterable of :class:`Check`, and imports nothing of what it looks at.
    """

    kind: ClassVar[str] = "check"
