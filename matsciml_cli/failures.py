"""Turn what goes wrong into one clear sentence and an exit code."""

from __future__ import annotations

import os
import sys
import traceback

import typer

from matsciml_core.errors import MatSciMLError

SUCCESS = 0
FAULT = 1
"""Exit code of a fault in the program, or of a check that failed."""
USAGE = 2
"""Exit code of an error that the user can fix."""
INTERRUPTED = 130
"""Exit code after Ctrl-C, as shells expect it: 128 plus the number of the signal."""

# typer's own copy of click, or click itself, depending on typer's version.
_UsageError: type[Exception] = typer.BadParameter.__bases__[0]
_ClickException: type[Exception] = _UsageError.__bases__[0]


def report(error: BaseException, *, debug: bool = False) -> int:
    """Tell the user about an error, on stderr.

    Args:
        error: What was raised.
        debug: Whether to show the traceback first.

    Returns:
        The exit code: 2 for what the user can fix, 130 after Ctrl-C, 1 for everything else.
    """
    if isinstance(error, BrokenPipeError):
        return _close_pipe()
    if debug and not isinstance(error, _ClickException):
        traceback.print_exception(error)
    if isinstance(error, KeyboardInterrupt):
        _write("Stopped.")
        return INTERRUPTED
    if isinstance(error, typer.Abort):
        _write("Stopped.")
        return FAULT
    if isinstance(error, MatSciMLError):
        _write(str(error))
        return USAGE
    if isinstance(error, _ClickException):
        _write(_usage_sentence(error))
        return int(getattr(error, "exit_code", USAGE))
    _write(_unexpected_sentence(error, debug))
    return FAULT


def _write(message: str) -> None:
    from rich.console import Console
    from rich.text import Text

    sentence = " ".join(message.split())
    text = Text.assemble(("Error: ", "bold red"), sentence)
    Console(stderr=True).print(text, soft_wrap=True)


def _usage_sentence(error: Exception) -> str:
    message = str(getattr(error, "format_message", error.__str__)()).strip()
    message = message.replace("Value error, ", "")  # how pydantic introduces typer's own sentence
    stop = "" if message.endswith((".", "?", "!")) else "."
    context = getattr(error, "ctx", None)
    see = f" See '{context.command_path} --help'." if context is not None else ""
    return f"{message}{stop}{see}"


def _unexpected_sentence(error: BaseException, debug: bool) -> str:
    what = str(error).strip().splitlines()
    detail = f"{type(error).__name__}: {what[0]}" if what else type(error).__name__
    advice = "" if debug else " Run again with --debug for the traceback."
    return f"Something unexpected went wrong: {detail.removesuffix('.')}.{advice}"


def _close_pipe() -> int:
    """Leave quietly when the reader of the output, such as ``head``, has gone."""
    # Python flushes stdout once more at exit and would complain then.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return SUCCESS
