"""Turn what goes wrong into one clear sentence and an exit code."""

from __future__ import annotations

import errno
import os
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import typer

from matsciml_core.errors import MatSciMLError, visible

SUCCESS = 0
FAULT = 1
"""Exit code of a fault in the program, or of a check that failed."""
USAGE = 2
"""Exit code of an error that the user can fix."""
INTERRUPTED = 130
"""Exit code after Ctrl-C, as shells expect it: 128 plus the number of the signal."""
NOTHING_WRITTEN = "Nothing was written; the same command starts anew."
"""What to say after Ctrl-C in commands that write all at their end."""

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_OUTPUT = (
    *_FULL,
    errno.EACCES,
    errno.EPERM,
    errno.EROFS,
    errno.ENOENT,
    errno.ENOTDIR,
    errno.EISDIR,
    errno.EEXIST,
    errno.ENAMETOOLONG,
    errno.ELOOP,
    errno.EINVAL,
)
"""What a machine answers to output that cannot be written; none of these is a fault of the program
that a traceback would explain."""

# typer's own copy of click, or click itself, depending on typer's version.
_UsageError: type[Exception] = typer.BadParameter.__bases__[0]
_ClickException: type[Exception] = _UsageError.__bases__[0]
NoSuchOption: type[Any] = vars(sys.modules[_UsageError.__module__])["NoSuchOption"]
"""What is raised about an unknown option; it has an ``option_name``."""


class Stopped(Exception):
    """Ctrl-C on its way out of a command; typer would end the program without a word."""


@contextmanager
def telling_on_stop(sentence: str) -> Iterator[None]:
    """Say what Ctrl-C leaves behind and how to go on.

    Args:
        sentence: What to say after "Stopped."; one that was set within the block is kept.

    Raises:
        KeyboardInterrupt: The user pressed Ctrl-C.
    """
    try:
        yield
    except KeyboardInterrupt as stop:
        if stop.args:
            raise
        raise KeyboardInterrupt(sentence) from stop


def report(error: BaseException, *, debug: bool = False) -> int:
    """Tell the user about an error, on stderr.

    Args:
        error: What was raised.
        debug: Whether to show the traceback first.

    Returns:
        The exit code: 2 for what the user can fix, 130 after Ctrl-C, 1 for everything else.
    """
    if isinstance(error, Stopped) and isinstance(error.__cause__, KeyboardInterrupt):
        error = error.__cause__
    if isinstance(error, BrokenPipeError):
        # The reader of the output, such as head, has gone. Python flushes stdout once more at
        # exit, and would complain then.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return SUCCESS
    if debug and not isinstance(error, _ClickException):
        print(visible("".join(traceback.format_exception(error))), end="", file=sys.stderr)
    if isinstance(error, KeyboardInterrupt):
        said = str(error)
        stopped = f"Stopped {said}." if said.startswith("while ") else f"Stopped. {said}"
        sentence, code = stopped.strip(), INTERRUPTED
    elif isinstance(error, typer.Abort):
        sentence, code = "Stopped.", FAULT
    elif isinstance(error, MatSciMLError):
        sentence, code = str(error), USAGE
    elif isinstance(error, OSError) and error.errno in _OUTPUT:
        sentence, code = _output_sentence(error), USAGE
    elif isinstance(error, _ClickException):
        sentence, code = _usage_sentence(error), int(getattr(error, "exit_code", USAGE))
    else:
        lines = str(error).strip().splitlines()
        detail = ": ".join([type(error).__name__, *lines[:1]]).removesuffix(".")
        advice = "" if debug else " Run again with --debug for the traceback."
        sentence, code = f"Something unexpected went wrong: {detail}.{advice}", FAULT
    _write(sentence)
    return code


def _output_sentence(error: OSError) -> str:
    """Say what cannot be written or read, and what to do about it."""
    place = f"'{error.filename2 or error.filename}'" if error.filename else "A file"
    if error.errno in _FULL:
        return (
            f"{place} cannot be written ({error.strerror}); free some space, or name a folder on "
            "another disk. What was there before is unchanged."
        )
    return f"{place} cannot be used ({error.strerror}); name another file or folder."


def _write(sentence: str) -> None:
    from rich.console import Console
    from rich.text import Text

    text = Text.assemble(("Error: ", "bold red"), visible(" ".join(sentence.split())))
    # Not wrapped, so that a path or command in it can be copied whole.
    Console(stderr=True).print(text, soft_wrap=True)


def _usage_sentence(error: Exception) -> str:
    """Return what click complains about as a sentence that names the help to read."""
    message = str(getattr(error, "format_message", error.__str__)()).strip()
    message = message.replace("Value error, ", "")  # how pydantic introduces typer's own sentence
    stop = "" if message.endswith((".", "?", "!")) else "."
    context = getattr(error, "ctx", None)
    see = f" See '{context.command_path} --help'." if context is not None else ""
    return f"{message}{stop}{see}"
