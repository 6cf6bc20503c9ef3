"""Faults of plugins: what is wrong, as the end of a sentence, and how it is fixed."""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
import traceback
from collections.abc import Iterator
from typing import NoReturn

from matsciml_core.errors import MatSciMLError
from matsciml_core.registry.scan import EntryPoint

_REGISTRY = os.path.dirname(__file__) + os.sep


class Fault(Exception):
    """A plugin cannot be used."""

    def __init__(self, reason: str, fix: str) -> None:
        """Keep the reason, as the end of a sentence that begins with the plugin, and the fix."""
        super().__init__(reason)
        self.reason = reason
        self.fix = fix


def blame(entry: EntryPoint, reason: str) -> NoReturn:
    """Raise a fault of the plugin's own code.

    Raises:
        Fault: Always.
    """
    raise Fault(reason.removesuffix("."), _fix_code(entry))


@contextlib.contextmanager
def guarded(entry: EntryPoint, what: str) -> Iterator[None]:
    """Run code of a plugin: turn what it raises into a fault, and keep it off stdout.

    Args:
        entry: The plugin's entry point.
        what: What is run, as the begin of the reason, for example ``cannot be imported: mine``.

    Raises:
        Fault: The code raised an exception of any kind, or ended the process.
        KeyboardInterrupt: The same, with where it happened.
    """
    try:
        # A plugin that prints must not spoil the JSON that a command writes.
        with contextlib.redirect_stdout(sys.stderr):
            yield
    except Fault:
        raise
    except MatSciMLError as error:
        blame(entry, f"{what} says: {clause(str(error))}")
    except KeyboardInterrupt as stop:
        # Nobody can tell Ctrl-C from a plugin that raises it; so it is said where it came from.
        raise KeyboardInterrupt(
            f"while the plugin '{entry.distribution}' was being loaded; if nobody pressed Ctrl-C, "
            f"uninstall it: pip uninstall {entry.distribution}"
        ) from stop
    except BaseException as error:  # SystemExit, and what extensions in Rust raise when they panic
        raise Fault(
            f"{what} raises {type(error).__name__}{_at(error)}: {clause(str(error))}",
            _fix_exception(error, entry),
        ) from error


def clause(text: str) -> str:
    """Return a message on one line, without its full stop."""
    return " ".join(text.split()).removesuffix(".") or "no message"


def _fix_exception(error: BaseException, entry: EntryPoint) -> str:
    if not isinstance(error, ModuleNotFoundError) or error.name is None:
        return _fix_code(entry)
    package = entry.module.partition(".")[0]
    if error.name.partition(".")[0] == package:
        return f"Reinstall it: pip install --force-reinstall {entry.distribution}"
    return (
        f"Install the package that provides '{error.name}' (the plugin should have declared it), "
        f"or uninstall the plugin: pip uninstall {entry.distribution}"
    )


def _fix_code(entry: EntryPoint) -> str:
    return f"Fix {entry.module}, or uninstall the plugin: pip uninstall {entry.distribution}"


def _at(error: BaseException) -> str:
    """Return the file and line in which an exception was raised, as the middle of a sentence."""
    # Our own frames and those of the import system say nothing about the plugin.
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if frame.filename != importlib.__file__
        and not frame.filename.startswith((_REGISTRY, "<frozen"))
    ]
    return f" in {frames[-1].filename}, line {frames[-1].lineno}" if frames else ""
