"""Environments of plugins that do not get along with those of the main one.

What such an environment offers is known from a record of data, so that it is listed and completed
without importing any of it; the interpreter of the environment runs whole commands.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, NamedTuple

from matsciml_core.registry.specs import Spec

INDEX = "environment.json"
"""In the folder of an environment that is whole: what it holds and offers."""


@dataclass(frozen=True, kw_only=True)
class OfferedComponent:
    """Something that a plugin within an environment offers."""

    kind: str
    name: str
    summary: str
    distribution: str
    """The plugin's distribution, as pip knows it."""
    version: str = ""


@dataclass(frozen=True, kw_only=True)
class EnvironmentSpec(Spec):
    """An environment; ``class_path`` names what runs a command line within it.

    That is a function of the record and the arguments of the program, a list of text. It takes the
    place of this process, or returns the exit code.
    """

    kind: ClassVar[str] = "environment"

    folder: str
    """Where the environment lies."""
    offers: tuple[OfferedComponent, ...] = ()
    """What its plugins offer, those that the main environment has, too, included."""
    versions: Mapping[str, str] = field(default_factory=dict)
    """Distributions within it that the main environment lacks, or has in another version."""


class Elsewhere(NamedTuple):
    """Something that an environment offers and this one does not."""

    offer: OfferedComponent
    environment: EnvironmentSpec


def current_environment() -> str | None:
    """Return the name of the environment that this interpreter belongs to; None: the main one."""
    # The file is written last: an environment that is being made, or was left half-made, is none.
    whole = os.path.isfile(os.path.join(sys.prefix, INDEX))
    return os.path.basename(sys.prefix) if whole else None


def environment_record() -> dict[str, Any] | None:
    """Return name and special versions of this environment, for runs; None: the main one."""
    name = current_environment()
    if name is None:
        return None
    from pathlib import Path  # only runs ask, and have everything imported

    from matsciml_core.files import read_object

    index = read_object(Path(sys.prefix, INDEX)) or {}
    return {"name": name, "versions": index.get("versions", {})}
