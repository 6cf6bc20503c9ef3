"""Test plugins alone: each in a fresh environment with the core, itself and its requirements.

``make test-alone`` runs it for all folders of ``plugins/``, ``python .ci/test_alone.py NAME…`` for
some, with or without ``matsciml-`` in front. A test that passes only because another plugin is
installed, and a requirement that a ``pyproject.toml`` forgets, fail here and nowhere else.

One environment, made once, holds torch, the core and the tools of testing; each plugin gets an
environment of its own on top, which sees nothing else. Exit code 1 where a plugin fails.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
PLUGINS = ROOT / "plugins"
PINS = ROOT / "constraints.txt"
TOOLS = ("pytest", "pytest-timeout", "hypothesis")
NOTHING_COLLECTED = 5
"""Exit code of pytest where there is no test."""


@dataclass(frozen=True)
class Outcome:
    """Result of one plugin's tests."""

    name: str
    passed: bool
    summary: str
    """Last line of pytest, or what failed before it ran."""
    seconds: float


def main(arguments: Sequence[str] | None = None) -> int:
    """Test the plugins that are named, or all, and print a line for each."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="plugins; default: all")
    parser.add_argument("--folder", type=Path, default=ROOT / "build" / "test-alone")
    parser.add_argument("--keep", action="store_true", help="keep the plugins' environments")
    options = parser.parse_args(arguments)
    names = [find_plugin(name) for name in options.names] or list(all_plugins())
    base = make_base(options.folder.resolve())
    outcomes = []
    for name in names:
        outcomes.append(check_plugin(name, base, options.folder.resolve(), keep=options.keep))
        print(describe(outcomes[-1]), flush=True)
    failed = [outcome.name for outcome in outcomes if not outcome.passed]
    print(f"{len(outcomes) - len(failed)} of {len(outcomes)} plugins pass alone.")
    return 1 if failed else 0


def all_plugins() -> Iterator[str]:
    """Yield the names of all plugins' folders."""
    for project in sorted(PLUGINS.glob("*/pyproject.toml")):
        yield project.parent.name


def find_plugin(name: str) -> str:
    """Return the folder that a name on the command line means."""
    for candidate in (name, f"matsciml-{name}"):
        if (PLUGINS / candidate / "pyproject.toml").is_file():
            return candidate
    raise SystemExit(f"There is no plugin '{name}' in {PLUGINS}.")


def make_base(folder: Path) -> Path:
    """Make the environment with torch, the core and the test tools, unless it is there already.

    Args:
        folder: Where environments are kept.

    Returns:
        The environment.
    """
    base, stamp = folder / "base", folder / "base" / "made-from"
    made_from = hashlib.sha256(PINS.read_bytes() + (ROOT / "pyproject.toml").read_bytes())
    if stamp.is_file() and stamp.read_text() == made_from.hexdigest():
        return base
    shutil.rmtree(base, ignore_errors=True)
    folder.mkdir(parents=True, exist_ok=True)
    run([sys.executable, "-m", "venv", str(base)])
    # torch comes first, alone: its pin keeps other packages from pulling another build.
    pip(base, "torch")
    pip(base, "--editable", str(ROOT), *TOOLS)
    stamp.write_text(made_from.hexdigest())
    return base


def check_plugin(name: str, base: Path, folder: Path, *, keep: bool = False) -> Outcome:
    """Install one plugin on top of the base, and run its tests.

    Args:
        name: The plugin's folder.
        base: The environment with the core.
        folder: Where environments are kept.
        keep: Whether to leave the plugin's environment behind.
    """
    start = time.monotonic()
    environment = folder / name
    shutil.rmtree(environment, ignore_errors=True)
    try:
        run([sys.executable, "-m", "venv", "--without-pip", str(environment)])
        # A line of a .pth file is a folder in which Python looks behind the environment's own: the
        # plugin sees the base, and the base is never written to.
        below = site_packages(base)
        (site_packages(environment) / "base.pth").write_text(
            f"import site; site.addsitedir({str(below)!r})\n"
        )
        pip(environment, *(word for path in needed_plugins(name) for word in ("--editable", path)))
        passed, summary = run_tests(name, environment)
    except subprocess.CalledProcessError as error:
        passed, summary = False, f"could not be installed: {last_line(error.output)}"
    if not keep:
        shutil.rmtree(environment, ignore_errors=True)
    return Outcome(name, passed, summary, time.monotonic() - start)


def needed_plugins(name: str) -> list[str]:
    """Return the paths of a plugin and of the libraries of this repository that it requires.

    A plugin whose tests need more than the plugin does says so in an extra called ``test``.
    """
    extra = "[test]" if "test" in project_of(name).get("optional-dependencies", ()) else ""
    libraries = dict.fromkeys(required_libraries(name))
    return [*(str(PLUGINS / library) for library in libraries), f"{PLUGINS / name}{extra}"]


def required_libraries(name: str) -> Iterator[str]:
    """Yield the libraries of this repository that a plugin requires, also those of its own."""
    for requirement in project_of(name).get("dependencies", ()):
        library = re.match(r"[\w.-]+", requirement)
        if library and (PLUGINS / library[0]).is_dir():
            yield from required_libraries(library[0])
            yield library[0]


def project_of(name: str) -> dict[str, Any]:
    """Return what a plugin's ``pyproject.toml`` says of the project."""
    text = (PLUGINS / name / "pyproject.toml").read_text(encoding="utf-8")
    project: dict[str, Any] = tomllib.loads(text)["project"]
    return project


def run_tests(name: str, environment: Path) -> tuple[bool, str]:
    """Run a plugin's tests and doctests, and return whether they pass and pytest's last line."""
    with tempfile.TemporaryDirectory() as data:
        # Not ``python -m pytest``, which would let the repository's folders be imported. No dataset
        # of this machine may help, and plugins that failed to load are failures.
        variables = {"MATSCIML_DATA": data, "MATSCIML_STRICT": "1", "OMP_NUM_THREADS": "1"}
        done = subprocess.run(
            [str(environment / "bin" / "python"), "-P", "-m", "pytest", "-q", f"plugins/{name}"],
            cwd=ROOT,
            env=clean_environment() | variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
    if done.returncode not in (0, NOTHING_COLLECTED):
        print(done.stdout)
    # The last line alone may speak of success, where the process was killed after it.
    status = "" if done.returncode == 0 else f" (exit status {done.returncode})"
    return done.returncode == 0, f"{last_line(done.stdout)}{status}"


def site_packages(environment: Path) -> Path:
    """Return the folder in which an environment's packages lie."""
    return next(environment.glob("lib/python*/site-packages"))


def pip(environment: Path, *arguments: str) -> None:
    """Install into an environment, at the pinned versions."""
    python = str(environment / "bin" / "python")
    run([python, "-m", "pip", "install", "--quiet", "--constraint", str(PINS), *arguments])


def run(command: Sequence[str]) -> None:
    """Run a command; its output is shown only where it fails."""
    done = subprocess.run(
        command,
        env=clean_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode:
        print(done.stdout)
        raise subprocess.CalledProcessError(done.returncode, command, done.stdout)


def clean_environment() -> dict[str, str]:
    """Return the process's variables without those that let other packages be imported."""
    unwanted = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "MATSCIML_PLUGINS")
    return {name: value for name, value in os.environ.items() if name not in unwanted}


def last_line(text: str) -> str:
    """Return the last line of an output that says something."""
    lines = [line for line in text.splitlines() if line.strip()]
    return lines[-1].strip() if lines else ""


def describe(outcome: Outcome) -> str:
    """Return a line about a plugin."""
    word = "passed" if outcome.passed else "FAILED"
    return f"{outcome.name:<32} {word}  {outcome.seconds:5.0f} s  {outcome.summary}"


if __name__ == "__main__":
    sys.exit(main())
