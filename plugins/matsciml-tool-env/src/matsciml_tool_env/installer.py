"""pip, or uv where it is installed: what is asked for, from the pins of the main environment."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from packaging.utils import canonicalize_name

from matsciml_core.errors import ConfigError
from matsciml_core.files import write_whole
from matsciml_tool_env.index import PluginEnvironment
from matsciml_tool_env.launch import own_variables

Say = Callable[[str], None]
"""Is told, in a few words, what is being done."""
_SHOWN = 8
"""Lines of the installer's complaint that an error repeats."""
_PIN = re.compile(r"([A-Za-z0-9][\w.-]*)==([\w.!+-]+)")


def make_folder(environment: PluginEnvironment, python: str) -> None:
    """Make an empty environment.

    Raises:
        ConfigError: It cannot be made.
    """
    uv = shutil.which("uv")
    if uv is not None:
        command = [uv, "venv", "--quiet", "--allow-existing", "--python", python]
    else:
        command = [python, "-m", "venv", "--without-pip"]
    code, lines = _run([*command, str(environment.folder)], lambda text: None)
    if code:
        raise ConfigError(
            f"No environment can be made with '{python}': {_last(lines)} Name another with "
            "--python, or install uv."
        )


def needs_pip(environment: PluginEnvironment) -> bool:
    """Return whether an environment lacks what installs into it."""
    return shutil.which("uv") is None and not (environment.site / "pip").is_dir()


def bring_pip(environment: PluginEnvironment) -> None:
    """Install the pip that comes with Python.

    Raises:
        ConfigError: It does not come with this Python.
    """
    code, lines = _run([str(environment.python), "-m", "ensurepip"], lambda text: None)
    if code:
        raise ConfigError(
            f"'{environment.name}' has no pip: {_last(lines)} Install uv, or on Debian and Ubuntu "
            "'apt install python3-venv'; then the same command goes on."
        )


def install(
    environment: PluginEnvironment,
    requirements: Sequence[str],
    pins: Mapping[str, str],
    constraints: Path,
    say: Say,
) -> None:
    """Install requirements, each package in the version of the main environment where that fits.

    What the resolver chooses without any pin is found first: otherwise it would go back to a
    release of years ago whose requirements do not contradict the pins. Then these contradictions,
    which it quotes, decide which pins are left out.

    Args:
        environment: Where to install.
        requirements: As for pip.
        pins: Versions of the main environment by name.
        constraints: A file that may be written.
        say: Is told what is being done.

    Raises:
        ConfigError: The requirements cannot be installed.
    """
    command = _installer(environment)
    code, lines = _run([*command, "--dry-run", *requirements], say)
    newest = _chosen(lines)
    exact = {**newest, **pins}
    while not code:
        text = "".join(f"{name}=={version}\n" for name, version in exact.items())
        write_whole(constraints, text.encode())
        failed, lines = _run([*command, "--constraint", str(constraints), *requirements], say)
        if not failed:
            return
        contradicting = [name for name, pin in exact.items() if (name, pin) in _quoted(lines)]
        if not any(exact.pop(name) != newest.get(name) for name in contradicting):
            break
        exact.update({name: newest[name] for name in contradicting if name in newest})
    raise ConfigError(
        f"{' '.join(requirements)} cannot be installed: {_last(lines)} Once that is fixed, the "
        "same command goes on."
    )


def _chosen(lines: Sequence[str]) -> dict[str, str]:
    """Return name and version of what a dry run would have installed."""
    words = [line for line in lines if line.startswith("Would install ")]
    pairs = [word.rpartition("-")[::2] for line in words for word in line.split()[2:]]
    pairs += [
        (match[1], match[2]) for line in lines if (match := re.fullmatch(r"\+ (\S+)==(\S+)", line))
    ]
    return {canonicalize_name(name): version for name, version in pairs}


def _quoted(lines: Sequence[str]) -> set[tuple[str, str]]:
    """Return the pins that a resolver gives as reasons why it has failed."""
    # pip says which lines come from the constraints; uv says all in one sentence.
    reasons = [line for line in lines if "(constraint)" in line] or lines
    pins = (pair for line in reasons for pair in _PIN.findall(line))
    return {(canonicalize_name(name), pin.rstrip(".")) for name, pin in pins}


def contradictions(environment: PluginEnvironment) -> str:
    """Return what is wrong among the packages of an environment; empty: nothing."""
    if needs_pip(environment):
        return ""  # nothing was installed into it, but linked from an environment that works
    uv = shutil.which("uv")
    python = str(environment.python)
    pip = [python, "-m", "pip", "check"]
    command = pip if uv is None else [uv, "pip", "check", "--python", python]
    code, lines = _run(command, lambda text: None)
    return _last(lines) if code else ""


def _installer(environment: PluginEnvironment) -> list[str]:
    uv = shutil.which("uv")
    python = str(environment.python)
    if uv is not None:
        return [uv, "pip", "install", "--no-progress", "--python", python]
    options = ["--disable-pip-version-check", "--no-input", "--progress-bar", "off"]
    return [python, "-m", "pip", "install", *options]


def _run(command: Sequence[str], say: Say) -> tuple[int, list[str]]:
    """Run a program to its end, and return exit code and last lines of its output."""
    lines: deque[str] = deque(maxlen=200)
    with subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        env=own_variables(os.environ),
    ) as process:
        try:
            for line in process.stdout or ():
                lines.append(line.strip())
                say(line.strip())
        except BaseException:
            process.terminate()  # Ctrl-C reaches it by itself; another error does not
            # After Ctrl-C Popen waits for a moment only, and whoever repeats the command would
            # find this one still writing.
            process.wait()
            raise
    return process.returncode, list(lines)


def _last(lines: Sequence[str]) -> str:
    """Bring the errors of a program's output into one sentence, or its end where it names none."""
    errors = [line.removeprefix("ERROR: ") for line in lines if line.startswith("ERROR: ")]
    telling = errors or [
        line for line in lines if line and not line.startswith(("WARNING", "[notice]"))
    ]
    text = " ".join(telling[-_SHOWN:])
    return text if text.endswith(".") or not text else f"{text}."


def interpreter(name: str | None) -> str:
    """Return the path of an interpreter.

    Args:
        name: A path, or a name such as ``python3.11``; None: the one that runs.

    Raises:
        ConfigError: There is none of that name.
    """
    if name is None:
        return sys.executable
    path = shutil.which(name)
    if path is None:
        raise ConfigError(f"There is no Python '{name}'; give the path of one, or install it.")
    return path
