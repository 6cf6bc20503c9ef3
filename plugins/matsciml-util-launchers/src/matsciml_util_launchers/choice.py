"""The launchers by name, each imported when it is used."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module

from matsciml_core.errors import ConfigError, did_you_mean
from matsciml_util_launchers.launcher import Launcher

LAUNCHERS: Mapping[str, str] = {
    "local": "local:LocalLauncher",
    "ray": "ray_cluster:RayLauncher",
    "slurm": "slurm:SlurmLauncher",
}
"""Name → module and class."""


def open_launcher(name: str, *, jobs: int | None = None, folder: str = ".") -> Launcher:
    """Return a launcher.

    Args:
        name: One of ``LAUNCHERS``.
        jobs: Most jobs at a time; None: as many as fit.
        folder: Where the launcher may keep files of its own.

    Returns:
        The launcher; entering its context connects it.

    Raises:
        ConfigError: There is no launcher of that name.
        MissingPackageError: The package it needs is not installed.
    """
    if name not in LAUNCHERS:
        raise ConfigError(
            f"There is no launcher '{name}'.{did_you_mean(name, LAUNCHERS)}"
            f" Launchers: {', '.join(LAUNCHERS)}."
        )
    module, _, class_name = LAUNCHERS[name].partition(":")
    package = __name__.rpartition(".")[0]
    launcher: Launcher = getattr(import_module(f"{package}.{module}"), class_name)(
        jobs=jobs, folder=folder
    )
    return launcher
