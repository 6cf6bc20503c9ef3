"""Commands that name what an environment offers, and checks that plugins bring."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from matsciml_cli import _completion
from matsciml_core.registry.environments import EnvironmentSpec

PLUGIN = """
    from matsciml_core import (
        CheckSpec, EncoderSpec, EnvironmentSpec, OfferedComponent, StrategySpec, hookimpl
    )

    def offer(kind, name):
        return OfferedComponent(
            kind=kind, name=name, summary="Theirs.", distribution="matsciml-theirs", version="2"
        )

    @hookimpl
    def matsciml_environments():
        yield EnvironmentSpec(
            name="theirs",
            summary="An environment.",
            class_path="{package}.launch:LAUNCHER",
            folder="/envs/theirs",
            offers=(
                offer("encoder", "theirs"), offer("encoder", "lacking"), offer("encoder", "sum"),
                offer("command", "greet"),
            ),
        )

    @hookimpl
    def matsciml_checks():
        yield CheckSpec(name="mine", summary="s", class_path="{package}.launch:checks")

    @hookimpl
    def matsciml_encoders():
        yield EncoderSpec(name="lacking", summary="s", class_path="a.b:C", requires=("no-such",))

    @hookimpl
    def matsciml_strategies():
        yield StrategySpec(name="sum", summary="s", class_path="a.b:C")
"""
LAUNCH = """
    from matsciml_core import Check
    from matsciml_core.errors import ConfigError

    def run_there(environment, arguments):
        print(environment.name, *arguments)
        return 7

    def broken(environment, arguments):
        raise ConfigError("The environment is gone; make it again.")

    def checks(registry):
        CHECKS
"""
CHECK = 'yield Check(area="mine", name="server", state="failed", detail="is off", fix="Turn it on")'
Cli = Callable[..., Any]


@pytest.fixture
def add(plugin_folder: Any) -> Callable[..., None]:
    """Install the plugin above."""

    def add(launcher: str = "run_there", checks: str = "return []") -> None:
        modules = {"launch": LAUNCH.replace("CHECKS", checks)}
        source = PLUGIN.replace("LAUNCHER", launcher)
        plugin_folder.add("matsciml-tool-mine", source, modules=modules)

    return add


@pytest.mark.parametrize(
    "command",
    [
        "info theirs",
        "--debug check theirs --quick",
        "info lacking",
        "info sum --kind encoder",
        "greet --loudly you",
        "run --dataset mine --encoder theirs",
    ],
)
def test_a_command_is_handed_over_whole(
    cli: Cli, add: Callable[..., None], plugin_folder: Any, command: str
) -> None:
    add()
    plugin_folder.add(
        "matsciml-data-mine",
        """
        from matsciml_core import DatasetSpec, hookimpl

        @hookimpl
        def matsciml_datasets():
            yield DatasetSpec(name="mine", summary="s", class_path="a.b:C")
        """,
    )
    outcome = cli(*command.split())
    assert (outcome.code, outcome.out, outcome.err) == (7, f"theirs {command}\n", "")


def test_an_environment_that_is_gone_is_said_in_a_sentence(
    cli: Cli, add: Callable[..., None]
) -> None:
    add(launcher="broken")
    outcome = cli("info", "theirs")
    assert outcome.code == 2
    assert outcome.error == "The environment is gone; make it again."
    assert cli("list-plugins").code == 0


def test_what_has_a_name_here_is_shown_with_a_remark(cli: Cli, add: Callable[..., None]) -> None:
    add()
    outcome = cli("info", "sum")
    assert outcome.out.startswith("strategy sum\n")
    assert outcome.err == "The encoder 'sum' of the environment 'theirs' needs '--kind encoder'.\n"


def test_an_environment_itself_is_shown(cli: Cli, add: Callable[..., None]) -> None:
    add()
    lines = cli("info", "theirs", "--kind", EnvironmentSpec.kind).out.splitlines()
    assert lines[0] == "environment theirs"
    assert lines[lines.index("offers") + 1].split() == [
        "encoder", "theirs", "matsciml-theirs", "Theirs.",
    ]  # fmt: skip


def test_offers_are_listed_with_their_environment(cli: Cli, add: Callable[..., None]) -> None:
    add()
    rows = [line.split() for line in cli("list-plugins", "--kind", "encoder").out.splitlines()]
    theirs = ["matsciml-theirs", "2", "(environment", "theirs)", "Theirs."]
    # What lacks something here is listed once, as it can be used there.
    names = ("theirs", "lacking", "sum")
    own = ["reader", "extxyz"]
    assert rows[1:] == [["encoder", name, "ok", *theirs] for name in names], own
    data = cli("list-plugins", "--json").data
    found = {(row["name"], row["environment"]) for row in data["components"]}
    assert {("theirs", "theirs"), ("theirs", None), ("mine", None)} <= found


def test_commands_of_environments_are_in_the_help(cli: Cli, add: Callable[..., None]) -> None:
    add()
    assert "greet" in cli("--help").out
    assert "Theirs. (environment theirs)" in cli("--help").out


def test_offers_are_completed(cli: Cli, add: Callable[..., None]) -> None:
    add()
    complete = _completion.complete_names("encoder")
    assert complete("th") == [("theirs", "Theirs. (environment theirs)")]


def test_checks_of_plugins_are_part_of_doctor(cli: Cli, add: Callable[..., None]) -> None:
    add(checks=CHECK)
    outcome = cli("doctor")
    assert outcome.code == 1
    assert "mine\n  failed  server  is off\n                  Turn it on\n" in outcome.out


def test_a_check_that_fails_is_a_fault_of_its_plugin(cli: Cli, add: Callable[..., None]) -> None:
    add(checks="raise OSError('no server')")
    outcome = cli("doctor")
    assert outcome.code == 1
    assert "matsciml-tool-mine 0.1.0 cannot check: OSError: no server" in outcome.out
