"""Where data and settings of the user live. Torch-free, so that data can be listed at once."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

DATA_VARIABLE = "MATSCIML_DATA"
"""Environment variable that moves the data folder."""
CONFIG_VARIABLE = "MATSCIML_CONFIG"
"""Environment variable that names the configuration file."""
_NAME = "matsciml"


def data_folder(environment: Mapping[str, str] | None = None) -> Path:
    """Return the folder of everything that was fetched, imported or converted.

    ``MATSCIML_DATA`` wins; otherwise the platform's folder for data of applications:
    ``$XDG_DATA_HOME`` or ``~/.local/share`` on Linux, ``~/Library/Application Support`` on macOS,
    ``%LOCALAPPDATA%`` on Windows. The folder need not exist.

    Args:
        environment: Environment variables; None: those of this process.
    """
    variables = os.environ if environment is None else environment
    # Set but empty means the default, as the XDG specification has it for its own variables.
    chosen = variables.get(DATA_VARIABLE, "").strip()
    if chosen:
        return Path(chosen).expanduser().absolute()
    return _platform_folder(variables, "XDG_DATA_HOME", ".local/share") / _NAME


def config_file(environment: Mapping[str, str] | None = None) -> Path:
    """Return the path of the user's configuration file, ``config.toml``; it need not exist.

    ``MATSCIML_CONFIG`` wins; otherwise it lies in the platform's folder for settings.

    Args:
        environment: Environment variables; None: those of this process.
    """
    variables = os.environ if environment is None else environment
    chosen = variables.get(CONFIG_VARIABLE, "").strip()
    if chosen:
        return Path(chosen).expanduser().absolute()
    return _platform_folder(variables, "XDG_CONFIG_HOME", ".config") / _NAME / "config.toml"


def dataset_folder(name: str, environment: Mapping[str, str] | None = None) -> Path:
    """Return the folder that belongs to a dataset: what its plugin fetched, or what was imported.

    Args:
        name: Registry name of the dataset.
        environment: Environment variables; None: those of this process.
    """
    return data_folder(environment) / "datasets" / name


def environments_folder(environment: Mapping[str, str] | None = None) -> Path:
    """Return the folder whose folders are environments of plugins; it need not exist.

    Args:
        environment: Environment variables; None: those of this process.
    """
    return data_folder(environment) / "environments"


def _platform_folder(variables: Mapping[str, str], variable: str, fallback: str) -> Path:
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support"
    if sys.platform == "win32":
        return Path(variables.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    chosen = Path(variables.get(variable) or "")
    # The XDG specification: a relative path is invalid and must be ignored.
    return chosen if chosen.is_absolute() else Path.home() / fallback
