"""The ``matsciml`` command: its commands, and what happens when one of them fails."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Annotated, Any, NoReturn

import typer

from matsciml_cli import failures
from matsciml_cli._light import LightCommand, LightGroup
from matsciml_cli.commands import COMMANDS, GROUPS
from matsciml_cli.console import on_terminal, write_line
from matsciml_cli.state import registry_of
from matsciml_core import __version__
from matsciml_core.errors import ConfigError, OtherEnvironmentError, PluginLoadError
from matsciml_core.registry.installed import CORE
from matsciml_core.registry.specs import CommandSpec

PROGRAM = "matsciml"
_COMPLETING = f"_{PROGRAM.upper()}_COMPLETE"
_HELP_OPTIONS = {"help_option_names": ["--help", "-h"]}
_RUN = "run"
_BUILTIN = {spec.name: spec for spec in COMMANDS}


class Commands(LightGroup):
    """All commands, each imported when it is used: the core's own, then those of plugins."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the names of all commands."""
        return list(self._listed(ctx))

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Return a command that can be listed but not run; None for an unknown name."""
        entry = self._listed(ctx).get(cmd_name)
        return None if entry is None else LightCommand(cmd_name, help=entry[0].summary)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the commands in groups, each with the distribution that offers it."""
        listed = self._listed(ctx)
        names = max(map(len, listed))
        owners = max(len(distribution) for _, distribution in listed.values())
        groups: dict[str, list[tuple[str, str]]] = {group: [] for group in GROUPS}
        for name, (spec, distribution) in listed.items():
            line = (f"{name:{names}}  {distribution:{owners}}", spec.summary)
            groups.setdefault(spec.group, []).append(line)
        if not on_terminal():
            formatter.width = sys.maxsize  # one line for each command, which grep finds whole
        for group, lines in groups.items():
            if lines:
                with formatter.section(group):
                    formatter.write_dl(lines, col_max=names + owners + 2)
        from matsciml_core.registry.known_plugins import known_components

        absent = [item.name for item in known_components("command") if item.name not in listed]
        if absent:
            formatter.write_paragraph()
            formatter.write_text(
                f"Not installed: {', '.join(absent)}; see 'matsciml list-plugins --available'."
            )

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Import and return the command that the arguments ask for.

        Raises:
            UnknownNameError: There is no such command.
            DuplicateNameError: Two plugins offer the command.
            PluginLoadError: The command cannot be imported, or a plugin fails in strict mode.
        """
        name, rest = args[0], args[1:]
        if name == _RUN:
            name, rest = self._handed_on(ctx, rest)
        spec = _BUILTIN.get(name)
        if spec is None:
            registry = registry_of(ctx)
            if not any(command.name == name for command in registry.specs("command")):
                if ctx.resilient_parsing:  # the shell asks for completions
                    return None, None, rest
                raise registry.unknown(name, "command", builtin=list(_BUILTIN))
            spec = registry.get("command", name)
        command = as_command(name, spec.load())
        if name == _RUN and (offers := self._run_options(ctx)):
            listed = (f"{option}, see matsciml {spec.name}" for option, spec in offers.items())
            command.epilog = f"Further options: {'; '.join(listed)}."
        return name, command, rest

    def _run_options(self, ctx: Any) -> dict[str, CommandSpec]:
        """Return the options of ``run`` that are commands of plugins, by how they are written."""
        try:
            specs = registry_of(ctx).specs("command")
        except PluginLoadError:
            return {}  # in strict mode; the run says which plugin fails
        return {f"--{one.name}": one for one in specs if one.run_option}

    def _handed_on(self, ctx: Any, words: list[str]) -> tuple[str, list[str]]:
        """Return the command that is meant, ``run`` or one of its options, and its words."""
        offers = self._run_options(ctx)
        for index, word in enumerate(words):
            option, equals, value = word.partition("=")
            if option in offers:
                spec = offers[option]
                return spec.name, [
                    *words[:index],
                    f"{spec.run_option}{equals}{value}",
                    *words[index + 1 :],
                ]
        return _RUN, words

    def invoke(self, ctx: Any) -> Any:
        """Run the command.

        Raises:
            Stopped: The user pressed Ctrl-C.
            ConfigError: An option was given that does not exist, and has the name of a command.
            UnknownNameError: The same, and the command is of a plugin that is not installed.
        """
        try:
            return super().invoke(ctx)
        except failures.NoSuchOption as error:
            self._point_to_command(ctx, str(error.option_name))
            raise
        except KeyboardInterrupt as stop:
            raise failures.Stopped from stop

    def _point_to_command(self, ctx: Any, option: str) -> None:
        """Raise an error that names the command that an unknown option is called like, if any."""
        from matsciml_core.registry.known_plugins import known_components

        name = option.lstrip("-")
        if name in self._listed(ctx):
            raise ConfigError(
                f"'{option}' is no option here; there is a command for it, see "
                f"'{PROGRAM} {name} --help'."
            )
        if any(item.name == name for item in known_components("command")):
            raise registry_of(ctx).unknown(name, "command", builtin=list(_BUILTIN))

    def _listed(self, ctx: Any) -> dict[str, tuple[CommandSpec, str]]:
        """Return record and distribution of each command; a plugin cannot replace the core's."""
        listed = {name: (spec, CORE) for name, spec in _BUILTIN.items()}
        try:
            components = registry_of(ctx).components("command")
        except PluginLoadError:
            return listed  # in strict mode the core's own commands still have their --help
        for spec, plugin in components:
            if isinstance(spec, CommandSpec):
                listed.setdefault(spec.name, (spec, plugin.distribution))
        for offer, environment in registry_of(ctx).elsewhere("command"):
            there = CommandSpec(
                name=offer.name,
                summary=f"{offer.summary} (environment {environment.name})",
                class_path=environment.class_path,
            )
            listed.setdefault(offer.name, (there, offer.distribution))
        return listed


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
    for stream in (sys.stdout, sys.stderr):
        # Where the encoding of a terminal has no Å, a question mark is better than an exception.
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    remaining, debug = _take_debug(list(arguments))
    app = typer.Typer(
        name=PROGRAM,
        cls=Commands,
        invoke_without_command=True,
        # typer's rich help imports a Markdown parser, which doubles the time that --help takes.
        rich_markup_mode=None,
        context_settings={**_HELP_OPTIONS, "max_content_width": 120},
    )
    app.callback()(_program)
    program = typer.main.get_command(app)
    try:
        outcome = program(remaining, prog_name=PROGRAM, standalone_mode=False)
        sys.stdout.flush()  # a reader that has gone is noticed here, not when Python exits
    except (Exception, KeyboardInterrupt) as error:
        if os.environ.get(_COMPLETING):
            return failures.FAULT  # the shell is waiting for completions, not for prose
        if isinstance(error, OtherEnvironmentError):
            return _run_elsewhere(error.environment, list(arguments), debug=debug)
        return failures.report(error, debug=debug)
    return outcome if isinstance(outcome, int) and not isinstance(outcome, bool) else 0


def _run_elsewhere(environment: Any, arguments: list[str], *, debug: bool) -> int:
    """Run the whole command line in an environment, which takes the place of this process."""
    try:
        code: int = environment.load()(environment, arguments)
    except Exception as error:
        return failures.report(error, debug=debug)
    return code


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
    del debug  # taken from the arguments beforehand, so that it may follow the command
    if version:
        write_line(PROGRAM, __version__)
        raise typer.Exit
    if context.invoked_subcommand is None:
        write_line(context.get_help())


def as_command(name: str, target: Any) -> Any:
    """Make a command of a function, a ``typer.Typer``, or what is a command already."""
    if hasattr(target, "make_context"):
        return target
    if isinstance(target, typer.Typer):
        return typer.main.get_command(target)
    app = typer.Typer(add_completion=False, rich_markup_mode=None, context_settings=_HELP_OPTIONS)
    app.command(name, cls=LightCommand)(target)
    return typer.main.get_command(app)


def _take_debug(arguments: list[str]) -> tuple[list[str], bool]:
    """Take ``--debug`` out of the arguments wherever it stands, up to a ``--``."""
    end = arguments.index("--") if "--" in arguments else len(arguments)
    remaining = [argument for argument in arguments[:end] if argument != "--debug"]
    return remaining + arguments[end:], len(remaining) < end
