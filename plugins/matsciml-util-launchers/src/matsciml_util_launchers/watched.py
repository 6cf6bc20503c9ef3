"""Runs the commands of a job as long as the process that wants them lives.

    python -I watched.py LOCK PATIENCE COMMANDS

The watcher's input is a pipe whose other end that process alone holds: it ends when the process
does, however that ends, SIGKILL included, on every system that has pipes. The commands are then
interrupted as by Ctrl-C, so that they write a checkpoint, and killed if they take too long.

``LOCK`` is a file that stays locked while the watcher or one of its commands lives: the commands
inherit it, so that it tells of them even where the watcher itself was killed. ``COMMANDS`` is a
list of lists of words, as JSON; the first command that fails ends the job.

A script of its own that imports nothing of the package, so that it starts in hundredths of a second
and takes a few megabytes beside the run.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
import subprocess
import sys
import threading

BUSY = 75
"""Exit code where another process holds the lock; ``EX_TEMPFAIL`` of sysexits.h."""


def main(lock: str, patience: float, commands: list[list[str]]) -> int:
    """Run the commands; return the exit code of the last, negative for a signal.

    Args:
        lock: The file to lock.
        patience: Seconds that a command may take to write a checkpoint.
        commands: What to run.
    """
    # Without O_CREAT: the folder may be one that another process has just removed.
    held = os.open(lock, os.O_RDWR | os.O_NOFOLLOW)
    try:
        # The lock that filelock takes, too, on systems with fcntl.
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        print("Error: Another process works on this run; try again when it has ended.")
        return BUSY
    # A handler, and not SIG_IGN, which the commands would inherit.
    signal.signal(signal.SIGINT, lambda *_: None)
    orphaned = threading.Event()
    threading.Thread(target=_watch, args=(orphaned, patience), daemon=True).start()
    for words in commands:
        if orphaned.is_set():
            return -signal.SIGINT
        code = subprocess.call(words, stdin=subprocess.DEVNULL, pass_fds=(held,))
        if code:
            return code
    return 0


def _watch(orphaned: threading.Event, patience: float) -> None:
    """Stop this session once the other end of the input is closed."""
    os.read(0, 1)
    orphaned.set()
    group = os.getpgrp()
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, signal.SIGINT)
    threading.Event().wait(patience)
    os.killpg(group, signal.SIGKILL)


def _leave(code: int) -> None:
    """End this process as the command ended: with its code, or by its signal."""
    if code < 0:
        with contextlib.suppress(OSError):  # SIGKILL cannot be handled, and needs no default
            signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    # Not sys.exit, which would wait for the standard streams that the watching thread reads.
    sys.stdout.flush()
    os._exit(code)


if __name__ == "__main__":
    _leave(main(sys.argv[1], float(sys.argv[2]), json.loads(sys.argv[3])))
