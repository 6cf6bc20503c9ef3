"""Errors that a user can cause, each one sentence that says what is wrong and how to fix it."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any

HIDDEN = (
    *range(0x20), *range(0x7F, 0xA0), 0x61C, 0x200E, 0x200F, *range(0x2028, 0x202F),
    *range(0x2066, 0x206A), 0xFEFF, *range(0xD800, 0xE000),
)  # fmt: skip
"""Codes that move the cursor, change colours, turn the direction of text round, or are no
characters: control characters, Unicode's for bidirectional text and line breaks, surrogates."""
_ESCAPES = {
    code: f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
    for code in HIDDEN
    if chr(code) not in "\n\t"
}


def visible(text: str) -> str:
    r"""Return a text with the characters escaped that a terminal would obey instead of showing.

    Ids, file names and titles come from files of others; one that erases a line, or is read from
    right to left, could make a message say something else. Line breaks and tabs stay.

    >>> visible("mp-1\x1b[2J")
    'mp-1\\x1b[2J'
    """
    return text.translate(_ESCAPES)


class MatSciMLError(Exception):
    """Base of every error that a user can cause; the command line prints it and exits with 2."""

    def __init__(self, *arguments: object) -> None:
        """Make the characters of the message visible, whatever names it quotes."""
        super().__init__(*(visible(one) if isinstance(one, str) else one for one in arguments))


class ConfigError(MatSciMLError):
    """A configuration value is missing, unknown, or of the wrong type."""


class SettingError(ConfigError):
    """A setting is unknown, or has a value that it does not take.

    Args:
        key: Its name in a configuration, such as ``training.patience``.
        problem: The rest of the sentence, of which the quoted name is the subject.
    """

    def __init__(self, key: str, problem: str) -> None:
        """Make the sentence."""
        super().__init__(f"'{key}' {problem}")
        self.key = key
        self.problem = problem

    def named(self, name: str) -> SettingError:
        """Return the same error about the name under which the user gave the setting.

        Args:
            name: For example ``--early-stop``.
        """
        return SettingError(name, self.problem)


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


class OtherEnvironmentError(UnknownNameError):
    """The requested name is offered in an environment of its own.

    Args:
        message: What is wrong, and how to fix it.
        environment: The record of that environment, an ``EnvironmentSpec``.
    """

    def __init__(self, message: str, environment: Any) -> None:
        """Keep the record, for who can run a command there."""
        super().__init__(message)
        self.environment = environment


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
