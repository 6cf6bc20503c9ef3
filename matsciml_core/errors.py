"""Errors that a user can cause, each one sentence that says what is wrong and how to fix it."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class MatSciMLError(Exception):
    """Base of every error that a user can cause; the command line prints it and exits with 2."""


class ConfigError(MatSciMLError):
    """A configuration value is missing, unknown, or of the wrong type."""


class DataError(MatSciMLError):
    """A data file or dataset cannot be used as it is."""


class FetchError(DataError):
    """A source on the network did not give what was asked for."""


class GeometryError(DataError):
    """Positions and cell do not describe a crystal."""


class MissingPackageError(MatSciMLError):
    """An optional package that is needed here cannot be imported."""


class ShapeError(MatSciMLError):
    """A tensor does not have the documented shape."""


class SplitError(DataError):
    """A split does not belong to the dataset it is used with."""


class TrainingError(MatSciMLError):
    """Training cannot go on; what was trained before is saved."""


class UnitError(DataError):
    """A unit is unknown, or not one that the task head can train on."""


class RegistryError(MatSciMLError):
    """A plugin, or a name that a plugin should register, cannot be used."""


class DuplicateNameError(RegistryError):
    """Two plugins registered the same name for the same kind."""


class PluginLoadError(RegistryError):
    """A plugin could not be imported or registered."""


class UnknownNameError(RegistryError):
    """No plugin registered the requested name."""


def closest(name: str, names: Iterable[str], *, similarity: float = 0.5) -> str | None:
    """Return the most similar of some names, or None where none is similar enough.

    Args:
        name: What to compare with.
        names: What to choose from.
        similarity: The least that counts as similar, between 0 and 1.
    """
    # Ratcliff and Obershelp's similarity, which forgives transposed and missing letters.
    matches = difflib.get_close_matches(name, list(names), n=1, cutoff=similarity)
    return matches[0] if matches else None


def did_you_mean(name: str, names: Iterable[str]) -> str:
    """Return ``" Did you mean 'x'?"`` for the most similar name, or an empty string."""
    match = closest(name, names)
    return f" Did you mean '{match}'?" if match else ""
