"""An environment from its making to its end, as a user has it: whole processes, no network."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from matsciml_tool_env.index import PluginEnvironment, spec_of

pytestmark = pytest.mark.slow  # two dozen processes, and thousands of files linked twice

PLUGIN = """
from dataclasses import replace

from matsciml_core import CommandSpec, hookimpl
from matsciml_core.testing import examples

@hookimpl
def matsciml_encoders():
    yield replace(examples.ENCODER, name="theirs", summary="Needs what is not here.")

@hookimpl
def matsciml_commands():
    yield CommandSpec(name="greet", summary="Greets.", class_path="matsciml_theirs.greet:greet")
"""
GREET = """
import os, sys, time
import conflicting

def greet(how: str, wait: bool = False):
    print(how, conflicting.RELEASE, os.getpid(), sys.prefix, flush=True)
    if wait:
        time.sleep(60)
    if how == "badly":
        raise ValueError("no manners")
"""


@dataclass(frozen=True)
class Shell:
    """A shell with a data folder of its own."""

    data: Path

    def variables(self, path: Sequence[Path] = ()) -> dict[str, str]:
        kept = {name: text for name, text in os.environ.items() if name != "MATSCIML_STRICT"}
        searched = os.pathsep.join(map(str, path))
        return {**kept, "MATSCIML_DATA": str(self.data), "PYTHONPATH": searched}

    def start(self, *arguments: str, path: Sequence[Path] = ()) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "matsciml_cli", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=self.variables(path),
        )

    def run(self, *arguments: str, path: Sequence[Path] = ()) -> subprocess.CompletedProcess[str]:
        with self.start(*arguments, path=path) as process:
            out, err = process.communicate(timeout=300)
        return subprocess.CompletedProcess(arguments, process.returncode, out, err)


@pytest.fixture(scope="module")
def shell(near) -> Shell:
    return Shell(near / "data")


@pytest.fixture(scope="module")
def theirs(near, write_installed) -> Path:
    """A folder with a plugin, and with a release of a package that this environment lacks."""
    write_installed(near / "site", "conflicting", "2.0", modules={"conflicting.py": "RELEASE = 2"})
    write_installed(
        near / "site",
        "matsciml-theirs",
        requires=["matsciml", "conflicting==2.0"],
        entry="theirs = matsciml_theirs.plugin",
        modules={
            "matsciml_theirs/__init__.py": "",
            "matsciml_theirs/plugin.py": PLUGIN,
            "matsciml_theirs/greet.py": GREET,
        },
    )
    write_installed(
        near / "site",
        "matsciml-old",
        requires=["matsciml", "conflicting==1.0"],
        entry="old = matsciml_old",
        modules={"matsciml_old.py": ""},
    )
    return near / "site"


@pytest.fixture(scope="module")
def environment(shell, theirs) -> PluginEnvironment:
    """An environment whose making was killed half-way, and then repeated."""
    environment = PluginEnvironment(shell.data / "environments" / "mine")
    make = ("env", "create", "mine", "matsciml-theirs")
    process = shell.start(*make, path=[theirs])
    while process.poll() is None and not list(environment.folder.glob("lib/*/*/*.dist-info")):
        time.sleep(0.01)
    process.kill()
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert not environment.index.exists()
    # What lies there harms nobody.
    done = shell.run("info", "theirs")
    assert done.returncode == 2
    assert done.stderr.startswith("Error: There is nothing called 'theirs'")
    assert shell.run("env", "list").stdout.split()[-3:] == ["mine", "incomplete", "matsciml-theirs"]
    assert shell.run("env", "check").returncode == 1
    done = shell.run(*make, path=[theirs])
    assert done.returncode == 0, done.stderr
    assert "Left out: matsciml-old needs conflicting==1.0, and 2.0 is installed." in done.stderr
    assert f"Environment: {environment.folder}\n" in done.stdout
    assert "Other than here: " in done.stdout
    return environment


def test_it_offers_what_is_not_here(environment, shell):
    spec = spec_of(environment)
    assert spec is not None
    offers = {(offer.kind, offer.name) for offer in spec.offers}
    assert {("encoder", "theirs"), ("command", "greet")} <= offers
    assert "torch" not in spec.versions
    listed = shell.run("list-plugins").stdout
    assert "matsciml-theirs 1.0 (environment mine)" in listed
    assert shell.run("env", "list").stdout.split()[-3:] == ["mine", "ok", "matsciml-theirs"]


def test_files_are_shared_with_the_main_environment(environment):
    import torch

    assert (environment.site / "torch" / "__init__.py").samefile(torch.__file__)


def test_it_cannot_be_made_twice(environment, shell):
    done = shell.run("env", "create", environment.name, "matsciml-theirs")
    assert done.returncode == 2
    assert "matsciml env remove mine" in done.stderr


def test_info_shows_what_is_there(environment, shell):
    done = shell.run("info", "theirs", "--json")
    (component,) = json.loads(done.stdout)["components"]
    assert (component["name"], component["environment"]) == ("theirs", "mine")


def test_a_command_is_run_there_in_the_same_process(environment, shell):
    with shell.start("greet", "kindly") as process:
        how, release, pid, prefix = process.communicate()[0].split()
    assert (how, release, pid) == ("kindly", "2", str(process.pid))
    assert prefix == str(environment.folder)


@pytest.mark.parametrize("debug", [[], ["--debug"]])
def test_an_error_there_is_told_as_here(environment, shell, debug):
    done = shell.run("greet", "badly", *debug)
    assert done.returncode == 1
    assert ("Traceback" in done.stderr) == bool(debug)
    assert "Error: Something unexpected went wrong: ValueError: no manners." in done.stderr


def test_ctrl_c_reaches_it(environment, shell):
    with shell.start("greet", "long", "--wait") as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("long 2")
        process.send_signal(signal.SIGINT)
        process.communicate()
    assert process.returncode == 130


def test_check_notes_anew_what_is_offered(environment, shell, write_installed):
    write_installed(
        environment.site,
        "matsciml-broken",
        requires=["matsciml"],
        entry="broken = matsciml_broken",
        modules={"matsciml_broken.py": "1 / 0"},
    )
    done = shell.run("env", "check", "mine")
    assert done.returncode == 1
    assert "The plugin 'broken' cannot be imported" in done.stderr
    assert "1 problem" in done.stdout


def test_one_that_is_broken_takes_nothing_down(environment, shell):
    python = environment.python
    python.rename(python.with_name("gone"))
    try:
        assert shell.run("list-plugins").returncode == 0
        done = shell.run("greet", "kindly")
        assert done.returncode == 2
        assert "'greet'" in done.stderr
        assert "is damaged" in shell.run("doctor").stdout
    finally:
        python.with_name("gone").rename(python)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["create", "No Name", "x"], "'No Name' is no name for an environment"),
        (["create", "other", "--", "-r x.txt"], "is neither a requirement"),
        (["create", "other", "x", "--python", "python2.1"], "There is no Python 'python2.1'"),
        (["remove", "other"], "There is no environment 'other'"),
        (["check", "other"], "There is no environment 'other'"),
    ],
)
def test_mistakes_are_said_in_a_sentence(environment, shell, arguments, sentence):
    done = shell.run("env", *arguments)
    assert done.returncode == 2
    assert sentence in done.stderr
    assert not (shell.data / "environments" / "other").exists()


def test_removing(environment, shell):
    assert shell.run("env", "remove", "mine").returncode == 0
    assert not environment.folder.exists()
    assert "There is no environment" in shell.run("env", "list").stderr
