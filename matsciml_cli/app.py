"""The ``matsciml`` command: its verbs, and what happens when one of them fails."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Annotated, Any, NoReturn

import typer

from matsciml_cli import failures
from matsciml_cli._light import LightCommand, LightGroup
from matsciml_cli.commands import VERBS
from matsciml_cli.state import registry_of
from matsciml_core import __version__
from matsciml_core.errors import PluginLoadError, UnknownNameError, did_you_mean

PROGRAM = "matsciml"
_COMPLETING = f"_{PROGRAM.upper()}_COMPLETE"
_HELP_OPTIONS = {"help_option_names": ["--help", "-h"]}


class Verbs(LightGroup):
    """The verbs, each imported when it is used; those of plugins follow the built-in ones."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the names of all verbs."""
        return [*VERBS, *(name for name in self._offered(ctx) if name not in VERBS)]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Return a stand-in that can be listed; None for an unknown verb."""
        if cmd_name in VERBS:
            return LightCommand(cmd_name, help=VERBS[cmd_name][1])
        summary = self._offered(ctx).get(cmd_name)
        return None if summary is None else LightCommand(cmd_name, help=summary)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Import and return the verb that the arguments ask for.

        Raises:
            UnknownNameError: There is no such verb.
            DuplicateNameError: Two plugins offer the verb.
        """
        name = args[0]
        if name in VERBS:
            module, _, function = VERBS[name][0].partition(":")
            target = getattr(import_module(f"matsciml_cli.commands.{module}"), function)
        elif name in self._offered(ctx):
            target = registry_of(ctx).get("command", name).load()
        elif ctx.resilient_parsing:
            return None, None, args[1:]
        else:
            raise _unknown_verb(name, self.list_commands(ctx))
        return name, _as_command(name, target), args[1:]

    def _offered(self, ctx: Any) -> dict[str, str]:
        try:
            specs = registry_of(ctx).specs("command")
        except PluginLoadError:
            return {}  # in strict mode the built-in verbs still have their --help
        return {spec.name: spec.summary for spec in specs}


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and leave the process.

    Args:
        arguments: What follows the program's name; None: ``sys.argv``.
    """
    sys.exit(execute(sys.argv[1:] if arguments is None else arguments))


def execute(arguments: Sequence[str]) -> int:
    """Run the command line.

    Args:
        arguments: What follows the program's name.

    Returns:
        The exit code: 0; 2 for what the user can fix; 130 after Ctrl-C; 1 for everything else.
    """
    _spare_encodings()
    given, debug = _take_debug(list(arguments))
    try:
        outcome = _build_program()(given, prog_name=PROGRAM, standalone_mode=False)
        sys.stdout.flush()  # a reader that has gone is noticed here, not when Python exits
    except (Exception, KeyboardInterrupt) as error:
        if os.environ.get(_COMPLETING):
            return failures.FAULT  # the shell is waiting for completions, not for prose
        return failures.report(error, debug=debug)
    return outcome if isinstance(outcome, int) and not isinstance(outcome, bool) else 0


def _build_program() -> Any:
    app = typer.Typer(
        name=PROGRAM,
        cls=Verbs,
        invoke_without_command=True,
        # typer's rich help imports a Markdown parser, which doubles the time that --help takes.
        rich_markup_mode=None,
        context_settings=_HELP_OPTIONS,
    )
    app.callback()(_program)
    return typer.main.get_command(app)


def _program(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", help="Show the version and leave.", is_eager=True)
    ] = False,
    debug: Annotated[
        bool, typer.Option("--debug", help="Show the traceback of an error; works anywhere.")
    ] = False,
) -> None:
    """Benchmark and plugin toolkit for machine learning on periodic crystals."""
    del debug  # taken from the arguments beforehand, so that it may follow the verb
    if version:
        print(PROGRAM, __version__)
        raise typer.Exit
    if context.invoked_subcommand is None:
        print(context.get_help())


def _as_command(name: str, target: Any) -> Any:
    """Make a command of a function, a ``typer.Typer``, or what is a command already."""
    if hasattr(target, "make_context"):
        return target
    if isinstance(target, typer.Typer):
        return typer.main.get_command(target)
    app = typer.Typer(add_completion=False, rich_markup_mode=None, context_settings=_HELP_OPTIONS)
    app.command(name, cls=LightCommand)(target)
    return typer.main.get_command(app)


def _unknown_verb(name: str, known: Sequence[str]) -> UnknownNameError:
    return UnknownNameError(
        f"There is no command '{name}'.{did_you_mean(name, known)} Commands: {', '.join(known)}."
    )


def _take_debug(arguments: list[str]) -> tuple[list[str], bool]:
    """Take ``--debug`` out of the arguments wherever it stands, up to a ``--``."""
    end = arguments.index("--") if "--" in arguments else len(arguments)
    kept = [argument for argument in arguments[:end] if argument != "--debug"]
    return kept + arguments[end:], len(kept) < end


def _spare_encodings() -> None:
    """Write ``?`` for Å where the terminal's encoding has none, rather than fail."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="replace")
