"""How long ``matsciml`` takes to start, beside the packages that it is made of.

Run ``python benchmarks/startup.py``; ``--check`` exits with 1 where a command takes more than
twice as long as ``python -c "import typer, rich, pluggy"``. The commands take turns, so that
a noisy machine slows them all alike, and medians are compared. A command beside five environments
of plugins may take 1.2 times as long as without any. All of them find their modules
compiled, in a cache that the first, untimed turn fills. What the plugins of tools add to
``--help`` is printed beside 10 %: it is 9 % where packages are installed as users do it, and 12 %
in an editable installation, whose import path has a folder for each. ``--terminal`` runs them on a
pseudo-terminal, where tables are drawn by rich, instead of into a pipe.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from matsciml_core.registry.environments import INDEX
from matsciml_core.registry.manager import build_registry

YARDSTICK = "import typer, rich, pluggy"
LIMIT = 2.0
"""Most that a command may take, in units of the yardstick."""

ENVIRONMENTS = 5
OFFERS = 80
"""Components that each environment offers: all that the plugins of this repository have."""
WITHOUT_TOOLS = "matsciml --help, without tools"
WITHOUT, WITH = "no environment", f"{ENVIRONMENTS} environments"
TOOLS = "matsciml-tool-"
"""Beginning of the distributions that are tools."""
TOOLS_LIMIT = 1.1
"""Most that ``--help`` should take with them, in units of the time without."""
ENVIRONMENTS_LIMIT = 1.2
"""Most that a command may take beside environments, in units of one without."""

_MATSCIML = ("-c", "import sys; from matsciml_cli.app import main; main(sys.argv[1:])")


def main() -> int:
    """Measure, print the table, and return the exit code."""
    options = _options()
    commands = _commands(options.name or _any_name())
    run = _run_on_terminal if options.terminal else _run_in_pipe
    with tempfile.TemporaryDirectory() as cache, tempfile.TemporaryDirectory() as data:
        beside = _with_environments(Path(data), options.name or _any_name())
        commands |= {f"{name}, {part}": line for (name, part), line in beside.items()}
        runner = partial(run, environment=_environment(cache))
        times = measure(commands, repeats=options.repeats, runner=runner)
    medians = {name: statistics.median(seconds) for name, seconds in times.items()}
    _print(times, medians)
    slow = [name for name, median in medians.items() if median > LIMIT * medians[YARDSTICK]]
    if slow:
        print(f"Slower than {LIMIT:g} x the yardstick: {', '.join(slow)}.")
    share = medians["matsciml --help"] / medians[WITHOUT_TOOLS]
    print(f"With the plugins of tools --help takes {share:.2f} x the time, of {TOOLS_LIMIT:g} x.")
    for name in dict.fromkeys(name for name, _ in beside):
        ratio = medians[f"{name}, {WITH}"] / medians[f"{name}, {WITHOUT}"]
        print(
            f"Beside {ENVIRONMENTS} environments {name} takes {ratio:.2f} x the time without any."
        )
        if ratio > ENVIRONMENTS_LIMIT:
            slow.append(f"{name}, {WITH}")
    return 1 if slow and options.check else 0


def measure(
    commands: dict[str, Sequence[str]], *, repeats: int, runner: Callable[[Sequence[str]], None]
) -> dict[str, list[float]]:
    """Time the commands in turns.

    Args:
        commands: What to call them → the arguments for the Python interpreter.
        repeats: How often each is timed, after one run that only warms the caches.
        runner: Runs one command to its end.

    Returns:
        The wall times of each, s.
    """
    times: dict[str, list[float]] = {name: [] for name in commands}
    for arguments in commands.values():
        runner([sys.executable, *arguments])
    for _ in range(repeats):
        for name, arguments in commands.items():
            start = time.perf_counter()
            runner([sys.executable, *arguments])
            times[name].append(time.perf_counter() - start)
    return times


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--repeats", type=int, default=11, help="at least 11 for a fair median")
    parser.add_argument("--name", help="component for 'info'; default: the first that exists")
    parser.add_argument("--terminal", action="store_true", help="run on a pseudo-terminal")
    parser.add_argument("--check", action="store_true", help="exit with 1 where one is too slow")
    return parser.parse_args()


def _any_name() -> str:
    offers = build_registry().components()
    if not offers:
        sys.exit("Install at least one plugin: 'info' needs something to show.")
    return offers[0][0].name


def _commands(name: str) -> dict[str, Sequence[str]]:
    return {
        YARDSTICK: ("-c", YARDSTICK),
        "matsciml list-plugins": (*_MATSCIML, "list-plugins"),
        "matsciml --help": (*_MATSCIML, "--help"),
        WITHOUT_TOOLS: ("-c", f"{_only_plugins()}{_MATSCIML[1]}", "--help"),
        f"matsciml info {name}": (*_MATSCIML, "info", name),
        "matsciml doctor": (*_MATSCIML, "doctor"),
        "matsciml --version": (*_MATSCIML, "--version"),
    }


def _only_plugins() -> str:
    """Return the beginning of a program that leaves out the plugins of tools."""
    names = {plugin.distribution for plugin in build_registry().plugins if plugin.module}
    others = ",".join(sorted(name for name in names if not name.startswith(TOOLS)))
    return f"import os; os.environ['MATSCIML_PLUGINS'] = {others!r}; "


def _with_environments(data: Path, name: str) -> dict[tuple[str, str], Sequence[str]]:
    """Write environments that could be used, and return commands beside them, and without any."""
    offer = {"kind": "encoder", "summary": "A network.", "distribution": "d", "version": "0.1.0"}
    for number in range(ENVIRONMENTS):
        folder = data / "some" / "environments" / f"e{number}"
        (folder / "bin").mkdir(parents=True)
        (folder / "bin" / "python").symlink_to(sys.executable)
        index = {
            "format": "matsciml-environment",
            "version": 1,
            "requirements": ["matsciml-model-theirs"],
            "versions": {"e3nn": "0.4.4"},
            "offers": [{**offer, "name": f"n{number}-{one}"} for one in range(OFFERS)],
        }
        (folder / INDEX).write_text(json.dumps(index))
    code = "import os, sys; os.environ['MATSCIML_DATA'] = {!r}; from matsciml_cli.app import main; "
    return {
        (arguments[0], part): (
            "-c",
            f"{code.format(str(data / folder))}main(sys.argv[1:])",
            *arguments,
        )
        for arguments in (("list-plugins",), ("--help",), ("info", name))
        for part, folder in ((WITHOUT, "none"), (WITH, "some"))
    }


def _environment(cache: str) -> dict[str, str]:
    """Let every command read compiled modules, also where this computer writes none."""
    kept = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    return {**kept, "PYTHONPYCACHEPREFIX": cache}


def _run_in_pipe(command: Sequence[str], *, environment: dict[str, str]) -> None:
    done = subprocess.run(command, capture_output=True, check=False, env=environment)
    _expect_success(command, done.returncode)


def _run_on_terminal(command: Sequence[str], *, environment: dict[str, str]) -> None:
    controller, terminal = os.openpty()
    try:
        with subprocess.Popen(
            command, stdout=terminal, stderr=terminal, env=environment
        ) as process:
            os.close(terminal)
            _drain(controller)
        _expect_success(command, process.returncode)
    finally:
        os.close(controller)


def _drain(controller: int) -> None:
    try:
        while os.read(controller, 65536):
            pass
    except OSError:
        return  # Linux reports the end of a terminal as an input/output error


def _expect_success(command: Sequence[str], code: int) -> None:
    # doctor returns 1 where it finds something broken; its time is as good as any.
    if code not in ((0, 1) if command[-1] == "doctor" else (0,)):
        sys.exit(f"{' '.join(command)} failed with exit code {code}.")


def _print(times: dict[str, list[float]], medians: dict[str, float]) -> None:
    width = max(map(len, times))
    print(f"{'command'.ljust(width)}  median/ms  fastest/ms  ratio")
    for name, seconds in times.items():
        ratio = medians[name] / medians[YARDSTICK]
        print(
            f"{name.ljust(width)}  {medians[name] * 1000:9.0f}  {min(seconds) * 1000:10.0f}  "
            f"{ratio:5.2f}"
        )


if __name__ == "__main__":
    sys.exit(main())
