"""``matsciml env``: environments for plugins whose requirements contradict each other."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from matsciml_cli.console import STYLES, Row, warn, write_json, write_line, write_table
from matsciml_cli.options import Json

if TYPE_CHECKING:
    from matsciml_tool_env.index import PluginEnvironment

SCHEMA = 1
"""Grows when a key of the JSON output changes its meaning or goes away."""
_WIDTH = 100
"""Characters of a line of progress."""

env = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    no_args_is_help=True,
    help="Make environments for plugins whose requirements contradict those of others.",
)


def complete_environments(incomplete: str) -> list[str]:
    """Complete the name of an environment."""
    from matsciml_tool_env.index import environments

    return [one.name for one in environments() if one.name.startswith(incomplete)]


Name = Annotated[
    str,
    typer.Argument(
        metavar="NAME", help="Name of the environment.", autocompletion=complete_environments
    ),
]


@env.command("create")
def create(
    name: Annotated[str, typer.Argument(metavar="NAME", help="What to call the environment.")],
    requirements: Annotated[
        list[str],
        typer.Argument(
            metavar="REQUIREMENT...",
            help="Plugins and packages as pip takes them, by name or as ./mine[extra] or mine.whl.",
        ),
    ],
    alone: Annotated[
        bool,
        typer.Option("--alone", help="Leave out the other plugins that get along with it."),
    ] = False,
    python: Annotated[
        str | None,
        typer.Option(help="Python that makes it, such as python3.11; default: the one that runs."),
    ] = None,
) -> None:
    """Make an environment, beside the data, that holds the core and what is asked for.

    What the main environment has in a version that fits is linked, and not downloaded again; its
    other plugins come along as far as they get along. Cut off, the same command goes on. What is
    offered there is listed and completed, and commands that name it are run there:

    matsciml env create mace 'matsciml-model-mace[mace]'
    """
    from matsciml_tool_env.installer import interpreter
    from matsciml_tool_env.making import Request, make_environment

    request = Request(name=name, requirements=requirements, python=interpreter(python), alone=alone)
    try:
        with _progress() as say:
            outcome = make_environment(request, say)
    except KeyboardInterrupt as stop:
        raise KeyboardInterrupt(
            f"while making the environment '{name}'; the same command goes on"
        ) from stop
    for plugin, reason in outcome.left_out.items():
        warn(f"Left out: {plugin} {reason}.")
    others = ", ".join(f"{key} {version}" for key, version in outcome.spec.versions.items())
    write_line(f"Environment: {outcome.spec.folder}")
    write_line(f"Other than here: {others or 'nothing'}")


@env.command("list")
def list_environments(as_json: Json = False) -> None:
    """List the environments, those that are damaged or half-made included.

    The JSON has the keys `schema` (1) and `environments`; an environment has `name`, `folder`,
    `state` (`ok` or `incomplete`), `requirements`, `versions` (what differs from the main
    environment) and `offers` (`kind`, `name`, `summary`, `distribution` and `version`).
    """
    from dataclasses import asdict

    from matsciml_tool_env.index import environments, spec_of
    from matsciml_tool_env.making import requirements_of

    data, rows = [], []
    for environment in environments():
        spec = spec_of(environment)
        state = "incomplete" if spec is None else "ok"
        asked = requirements_of(environment)
        data.append(
            {
                "name": environment.name,
                "folder": str(environment.folder),
                "state": state,
                "requirements": asked,
                "versions": {} if spec is None else dict(spec.versions),
                "offers": [] if spec is None else [asdict(offer) for offer in spec.offers],
            }
        )
        style = STYLES[state] if spec is None else ""
        rows.append(Row((environment.name, state, " ".join(asked)), style))
    if as_json:
        write_json({"schema": SCHEMA, "environments": data})
    elif rows:
        write_table(rows, header=("name", "state", "made for"))
    else:
        warn("There is no environment; 'matsciml env create' makes one.")


@env.command("remove")
def remove(name: Name) -> None:
    """Remove an environment; runs and data stay where they are."""
    from matsciml_tool_env.making import existing_environment, remove_environment

    remove_environment(existing_environment(name))
    write_line(f"Removed: {name}")


@env.command("check")
def check(
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="[NAME]",
            help="Name of the environment; default: all.",
            autocompletion=complete_environments,
        ),
    ] = None,
) -> None:
    """Start environments, and note anew what they offer; exit with 1 where one does not work."""
    from matsciml_tool_env.index import environments
    from matsciml_tool_env.making import existing_environment

    chosen = list(environments()) if name is None else [existing_environment(name)]
    problems = [problem for environment in chosen for problem in _check(environment)]
    for problem in problems:
        warn(problem)
    write_line(f"{len(chosen)} checked, {len(problems) or 'no'} problem{'s'[: len(problems) != 1]}")
    if problems:
        raise typer.Exit(1)


def _check(environment: PluginEnvironment) -> list[str]:
    """Return a sentence for everything that is wrong with an environment."""
    from matsciml_core.errors import ConfigError
    from matsciml_tool_env.installer import contradictions
    from matsciml_tool_env.making import making_of, requirements_of, write_index
    from matsciml_tool_env.packages import Packages

    if not environment.index.exists():
        return [f"'{environment.name}' is not whole; run: {making_of(environment)}"]
    try:
        problems = write_index(environment, requirements_of(environment))
    except ConfigError as error:
        return [str(error)]
    packages = Packages([str(environment.site)])
    problems += [
        f"'{environment.name}': files of {name} are missing; install it anew: {environment.python} "
        f"-m pip install --force-reinstall --no-deps {packages.exact(name)}"
        for name in packages.damaged()
    ]
    found = contradictions(environment)
    return [*problems, *([f"'{environment.name}': {found}"] if found else [])]


@contextmanager
def _progress() -> Iterator[Callable[[str], None]]:
    """Show on stderr what is being done: one line on a terminal, else a line for each step."""
    from rich.console import Console
    from rich.text import Text

    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda text: None
        return
    with console.status("") as status:
        yield lambda text: status.update(Text(text[:_WIDTH], no_wrap=True))
