"""What jobs that run ``matsciml`` have in common: program, variables, and how they end."""

from __future__ import annotations

import os
import re
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

INTERRUPTED = (130, -signal.SIGINT, -signal.SIGTERM)
"""Exit codes of a run that was stopped: its own after Ctrl-C, and those of the signals."""
_OURS = "MATSCIML_"


def program() -> tuple[str, ...]:
    """Return the words that run ``matsciml`` in this environment.

    Not the one that happens to come first in ``PATH``.
    """
    script = Path(sys.executable).with_name("matsciml")
    return (str(script),) if script.is_file() else (sys.executable, "-m", "matsciml_cli")


def own_variables() -> Mapping[str, str]:
    """Return the variables that the user has set for us, which other machines do not know."""
    return {name: os.environ[name] for name in os.environ if name.startswith(_OURS)}


def wait_until_free(lock: Path, tell: Callable[[], object]) -> None:
    """Wait until no job of an earlier call holds its lock.

    What a call has started ends soon after it, with a checkpoint, even where it was killed.

    Args:
        lock: The file that a job locks; need not exist.
        tell: Called where there is something to wait for.
    """
    if not lock.is_file():
        return
    held = FileLock(lock)
    try:
        held.acquire(timeout=0)
    except Timeout:
        tell()
        held.acquire()
    held.release()


def failure_sentence(code: int, log: Path) -> str:
    """Return in one sentence why a job failed.

    Args:
        code: Its exit code; negative: the number of the signal that ended it.
        log: File with its output; need not exist.

    >>> failure_sentence(-9, Path("no such file"))
    'It was ended by the signal SIGKILL; most likely the memory was full.'
    """
    if code < 0:
        name = signal.Signals(-code).name if -code in set(signal.Signals) else str(-code)
        likely = "; most likely the memory was full" if name == "SIGKILL" else ""
        return f"It was ended by the signal {name}{likely}."
    text = log.read_text(encoding="utf-8", errors="replace") if log.is_file() else ""
    # The command line ends with the sentence of the error; a foreign program with anything.
    errors = re.findall(r"^Error: (.*)$", text, re.MULTILINE)
    if errors:
        return str(errors[-1]).strip()
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else f"It ended with the code {code} and printed nothing."


@contextmanager
def stoppable() -> Iterator[None]:
    """Let SIGTERM, by which queues and shells end a process, stop the jobs as Ctrl-C does."""
    if threading.current_thread() is not threading.main_thread():
        yield  # Python lets only the main thread set handlers
        return
    previous = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)
