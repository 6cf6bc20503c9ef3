"""Make an environment, in steps that can be cut off anywhere and are then repeated."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from filelock import FileLock, Timeout
from packaging.requirements import Requirement

from matsciml_core.errors import ConfigError
from matsciml_core.files import read_object, write_json
from matsciml_core.guarded import parse_json
from matsciml_core.registry.environments import EnvironmentSpec
from matsciml_core.registry.folders import environments_folder
from matsciml_core.registry.installed import CORE
from matsciml_tool_env.filling import Filling
from matsciml_tool_env.index import FORMAT, VERSION, PluginEnvironment, spec_of
from matsciml_tool_env.installer import Say, make_folder
from matsciml_tool_env.launch import own_variables
from matsciml_tool_env.packages import Packages, discard_unfinished
from matsciml_tool_env.sources import Source, requirement_or_source

_REQUEST = "request.json"
_NAME = re.compile(r"[a-z0-9][a-z0-9+._-]*")


@dataclass(frozen=True, kw_only=True)
class Request:
    """What an environment is made for."""

    name: str
    requirements: Sequence[str]
    python: str
    """Path of the interpreter that makes it."""
    alone: bool = False
    """Whether it gets what was asked for only, and not the other plugins that get along with it."""


@dataclass(kw_only=True)
class Outcome:
    """What came of it."""

    spec: EnvironmentSpec
    left_out: dict[str, str] = field(default_factory=dict)
    """Plugins of the main environment that do not get along with it, each with the reason."""


def environment_named(name: str) -> PluginEnvironment:
    """Return the environment of a name; its folder need not exist.

    Raises:
        ConfigError: An environment cannot have this name.
    """
    if not _NAME.fullmatch(name):
        raise ConfigError(
            f"'{name}' is no name for an environment; use lower-case letters, digits, '-', '_', "
            "'.' and '+', beginning with a letter or digit."
        )
    return PluginEnvironment(environments_folder() / name)


def existing_environment(name: str) -> PluginEnvironment:
    """Return the environment of a name, whole or not.

    Raises:
        ConfigError: There is none.
    """
    environment = environment_named(name)
    if not environment.folder.is_dir():
        raise ConfigError(
            f"There is no environment '{name}'; 'matsciml env list' shows those that exist."
        )
    return environment


def make_environment(request: Request, say: Say) -> Outcome:
    """Make an environment; where that was cut off before, go on.

    Args:
        request: What is asked for.
        say: Is told what is being done.

    Returns:
        What it offers, and what did not get along.

    Raises:
        ConfigError: It exists, is being made, or cannot be made.
    """
    environment = environment_named(request.name)
    requirements = [requirement_or_source(text) for text in request.requirements]
    # Paths become absolute: the same is meant when the command is repeated elsewhere.
    pairs = zip(requirements, request.requirements, strict=True)
    texts = [str(one) if isinstance(one, Source) else text for one, text in pairs]
    request = replace(request, requirements=texts)
    filling = Filling(environment, say)
    needs = [Requirement(CORE), *requirements]
    filling.check(needs)
    with working_on(environment):
        if environment.index.exists():
            raise ConfigError(
                f"The environment '{request.name}' exists; remove it first with 'matsciml env "
                f"remove {request.name}', or choose another name."
            )
        _begin(environment, request, say)
        filling.bring(needs)
        left_out = {} if request.alone else filling.bring_what_gets_along()
        say("Listing what it offers")
        write_index(environment, request.requirements)
    spec = spec_of(environment)
    if spec is None:
        raise ConfigError(
            f"The environment '{request.name}' could not be read after it was made; remove it with "
            f"'matsciml env remove {request.name}', and make it again."
        )
    return Outcome(spec=spec, left_out=left_out)


def write_index(environment: PluginEnvironment, requirements: Sequence[str]) -> list[str]:
    """Ask an environment what it offers, and write that down, which makes it whole.

    Args:
        environment: The environment.
        requirements: What it was made for.

    Returns:
        A sentence for each plugin in it that cannot be used.

    Raises:
        ConfigError: Its command line does not work.
    """
    command = [str(environment.python), "-m", "matsciml_cli", "list-plugins", "--json"]
    variables = {**own_variables(os.environ), "MATSCIML_STRICT": ""}
    variables.pop("MATSCIML_PLUGINS", None)
    try:
        done = subprocess.run(command, capture_output=True, text=True, env=variables, check=True)
        listed: dict[str, Any] = parse_json(done.stdout)
    except (OSError, ValueError, subprocess.CalledProcessError) as error:
        detail = (getattr(error, "stderr", "") or str(error)).strip().splitlines()[-1:]
        raise ConfigError(
            f"The environment '{environment.name}' does not work ({' '.join(detail)}); remove it "
            f"with 'matsciml env remove {environment.name}', and make it again."
        ) from error
    offers = [
        {key: item[key] for key in ("kind", "name", "summary", "distribution", "version")}
        for item in listed["components"]
        if item["state"] == "ok"
        and not item["environment"]
        and item["kind"] != EnvironmentSpec.kind
        and item["distribution"] != CORE
    ]
    here = Packages().versions()
    there = Packages([str(environment.site)]).versions()
    data = {
        "format": FORMAT,
        "version": VERSION,
        "requirements": list(requirements),
        "versions": {name: there[name] for name in there if here.get(name) != there[name]},
        "offers": offers,
    }
    write_json(environment.index, data)
    return [
        f"The plugin '{plugin['entry_point']}' {plugin['reason']}."
        for plugin in listed["plugins"]
        if plugin["state"] == "failed"
    ]


def requirements_of(environment: PluginEnvironment) -> list[str]:
    """Return what an environment is made for, whole or not; nothing where that is not known."""
    request = read_object(environment.folder / _REQUEST) or {}
    return [str(text) for text in request.get("requirements", ())]


def making_of(environment: PluginEnvironment) -> str:
    """Return the command that makes an environment, or makes it again, for a shell."""
    request = read_object(environment.folder / _REQUEST) or {}
    options = ["--alone"] if request.get("alone") else []
    if (python := request.get("python", sys.executable)) != sys.executable:
        options += ["--python", str(python)]
    asked = shlex.join([*requirements_of(environment), *options])
    return f"matsciml env create {environment.name} {asked or 'REQUIREMENT'}"


def remove_environment(environment: PluginEnvironment) -> None:
    """Remove an environment; one that is cut off leaves an environment that is not whole.

    Raises:
        ConfigError: It is being made, or cannot be removed.
    """
    with working_on(environment):
        try:
            environment.index.unlink(missing_ok=True)
            shutil.rmtree(environment.folder)
        except OSError as error:
            raise ConfigError(
                f"'{environment.folder}' cannot be removed ({error.strerror}: {error.filename}); "
                "remove it by hand."
            ) from error


@contextmanager
def working_on(environment: PluginEnvironment) -> Iterator[None]:
    """Keep two processes from making or removing one environment at a time.

    Raises:
        ConfigError: Another process is at it, or the data folder cannot be written.
    """
    parent = environment.folder.parent
    lock = FileLock(parent / f".{environment.name}.lock", timeout=0)
    try:
        parent.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except Timeout as error:
        raise ConfigError(
            f"Another process is making or removing '{environment.name}'; wait for it."
        ) from error
    except OSError as error:
        raise ConfigError(
            f"'{parent}' cannot be written ({error.strerror}); set MATSCIML_DATA to a folder that "
            "you may write to."
        ) from error
    try:
        yield
    finally:
        lock.release()


def _begin(environment: PluginEnvironment, request: Request, say: Say) -> None:
    """Make the empty environment, or take up one that was made for the same.

    The note of what is asked for is written when the interpreter is in place.
    """
    asked = asdict(request)
    del asked["name"]
    if read_object(environment.folder / _REQUEST) != asked:
        if environment.folder.exists():
            say("Removing what is left of another one")
            shutil.rmtree(environment.folder)
        say("Making an empty environment")
        make_folder(environment, request.python)
        write_json(environment.folder / _REQUEST, asked)
    discard_unfinished(environment.site)
