"""What the environments offer, read from a small file in each.

Every command reads these files, so that nothing is imported here which most commands do without.
A file that is missing or damaged belongs to an environment that is not used.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matsciml_core.registry.environments import (
    INDEX,
    EnvironmentSpec,
    OfferedComponent,
    current_environment,
)
from matsciml_core.registry.folders import environments_folder

FORMAT = "matsciml-environment"
VERSION = 1
_LAUNCHER = "matsciml_tool_env.launch:run_there"


@dataclass(frozen=True)
class PluginEnvironment:
    """The folder of an environment, whole or not."""

    folder: Path

    @property
    def name(self) -> str:
        """What users call it."""
        return self.folder.name

    @property
    def python(self) -> Path:
        """Its interpreter."""
        parts = ("Scripts", "python.exe") if sys.platform == "win32" else ("bin", "python")
        return self.folder.joinpath(*parts)

    @property
    def site(self) -> Path:
        """Its folder of packages; where it has an interpreter."""
        if sys.platform == "win32":
            return self.folder / "Lib" / "site-packages"
        return next(self.folder.glob("lib/python*/site-packages"))

    @property
    def index(self) -> Path:
        """The file that makes it whole."""
        return self.folder / INDEX


def environments() -> Iterator[PluginEnvironment]:
    """Yield the environments beside the data, those that are not whole included, by name."""
    try:
        names = sorted(os.listdir(environments_folder()))
    except OSError:  # there are none
        return
    for name in names:
        folder = environments_folder() / name
        if not name.startswith(".") and folder.is_dir():
            yield PluginEnvironment(folder)


def environment_specs() -> list[EnvironmentSpec]:
    """Return the records of the environments that can be used; none within one of them."""
    if current_environment() is not None:
        return []  # it has what it needs, and a chain of environments could have no end
    specs = (spec_of(environment) for environment in environments())
    return [spec for spec in specs if spec is not None]


def spec_of(environment: PluginEnvironment) -> EnvironmentSpec | None:
    """Return the record of an environment; None: it is not whole, or damaged."""
    if not environment.index.is_file() or not environment.python.exists():
        return None
    try:
        return _spec(environment)
    except Exception:  # whatever a file that anybody wrote leads to; env check says more
        return None


def _spec(environment: PluginEnvironment) -> EnvironmentSpec:
    from matsciml_core.guarded import read_json  # noqa: PLC0415 - most have no environment

    data: dict[str, Any] = read_json(environment.index)
    if data["format"] != FORMAT or data["version"] > VERSION:
        raise ValueError("written by a later release, or by something else")
    offers = tuple(
        OfferedComponent(**{key: str(offer[key]) for key in OfferedComponent.__annotations__})
        for offer in data["offers"]
    )
    return EnvironmentSpec(
        name=environment.name,
        summary=f"Made for {', '.join(map(str, data['requirements']))}.",
        class_path=_LAUNCHER,
        folder=str(environment.folder),
        offers=offers,
        versions={str(name): str(version) for name, version in data["versions"].items()},
    )
