"""Options that every command which trains takes, and what is said of one that is a command."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import fields
from typing import Any

import pytest
import typer

from matsciml_cli.option_records import takes_options
from matsciml_cli.run_options import RunOptions
from matsciml_core.errors import ConfigError, SettingError
from matsciml_core.training.config import build_config

PLUGIN = """
    from matsciml_core import CommandSpec, hookimpl

    @hookimpl
    def matsciml_commands():
        yield CommandSpec(name="sing", summary="s", class_path="{package}.sing:sing")
"""
SING = """
    from matsciml_cli.option_records import takes_options
    from matsciml_cli.run_options import RunOptions

    @takes_options
    def sing(options: RunOptions, loud: bool = False) -> None:
        print(options.flags(), options.overrides, loud)
"""


@pytest.fixture
def sing(plugin_folder: Any, cli: Callable[..., Any]) -> Callable[..., Any]:
    plugin_folder.add("matsciml-tool-sing", PLUGIN, modules={"sing": SING})
    return cli


def test_a_command_has_the_options_of_a_run_beside_its_own() -> None:
    def command(context: typer.Context, options: RunOptions, last: int = 3) -> None: ...

    names = list(inspect.signature(takes_options(command)).parameters)
    assert names == ["context", *(item.name for item in fields(RunOptions)), "last"]


def test_options_reach_the_command_by_section(sing: Callable[..., Any]) -> None:
    out = sing(
        "sing", "-d", "one", "-d", "two", "--epochs", "3", "--no-baselines", "-s", "a.b=1", "--loud"
    ).out
    assert "'datasets': ['one', 'two']" in out
    assert "'training': {'epochs': 3, 'baseline_crystals': 0}" in out
    assert out.rstrip().endswith("['a.b=1'] True")


def test_an_option_that_a_command_has_itself_is_its_own(
    plugin_folder: Any, cli: Callable[..., Any]
) -> None:
    own = SING.replace("loud: bool = False", "minutes: float = 2.0")
    own = own.replace("overrides, loud", "minutes, minutes")
    plugin_folder.add("matsciml-tool-sing", PLUGIN, modules={"sing": own})
    out = cli("sing", "--minutes", "7").out
    assert "'training': {}" in out
    assert out.rstrip().endswith("None 7.0")


def test_two_lengths_contradict_each_other() -> None:
    with pytest.raises(ConfigError, match="--epochs or --minutes"):
        RunOptions(epochs=1, minutes=1.0).flags()


def test_an_option_that_is_a_command_names_it(sing: Callable[..., Any]) -> None:
    error = sing("run", "--sing", "5").error
    assert (
        error
        == "'--sing' is no option here; there is a command for it, see 'matsciml sing --help'."
    )


def test_an_option_that_is_a_command_of_another_plugin_says_what_to_install(
    cli: Callable[..., Any],
) -> None:
    assert "pip install matsciml-tool-report" in cli("run", "--report", "5").error


def test_an_option_that_is_nothing_names_the_help(sing: Callable[..., Any]) -> None:
    assert sing("run", "--sung").error.endswith("See 'matsciml run --help'.")


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("epochs", 0),
        ("minutes", 0.0),
        ("early_stop", 0),
        ("batch_size", -1),
        ("seed", -1),
        ("devices", 0),
    ],
)
def test_an_error_names_the_option_that_was_typed(option: str, value: float) -> None:
    options = RunOptions(dataset=["one"], encoder="net", **{option: value})
    words = f"^'--{option.replace('_', '-')}' is {value}:"
    with pytest.raises(SettingError, match=words), options.naming_flags():
        build_config(options.flags())


def test_an_error_about_a_setting_of_a_file_names_the_setting() -> None:
    raw = {"dataset": "one", "encoder": "net", "training": {"patience": 0}}
    words = r"^'training\.patience' is 0:"
    with pytest.raises(SettingError, match=words), RunOptions(epochs=3).naming_flags():
        build_config(raw)


@pytest.mark.parametrize(
    ("datasets", "section"), [(["one"], "dataset"), (["one", "two"], "datasets.one")]
)
def test_settings_of_the_only_dataset_are_called_as_they_are_typed(
    datasets: list[str], section: str
) -> None:
    config = build_config({"datasets": datasets, "encoder": "net"})
    assert config.section_of(config.datasets[0]) == section


WEIGH = """
    from typing import Annotated
    import typer

    def sing(
        lowest: Annotated[float, typer.Option("--from", "-f")] = 1.0, count: int = 1
    ) -> None:
        print(lowest, count)
"""


@pytest.mark.parametrize(
    ("option", "value", "words"),
    [
        ("--from", "nan", "'--from' is nan; give a finite number."),
        ("-f", "inf", "'--from' is inf; give a finite number."),
        ("--count", str(10**20), f"'--count' is {10**20}; give a number below 2^63."),
    ],
)
def test_numbers_that_nothing_can_hold_are_refused_by_the_option_of_the_user(
    plugin_folder: Any, cli: Callable[..., Any], option: str, value: str, words: str
) -> None:
    plugin_folder.add("matsciml-tool-sing", PLUGIN, modules={"sing": WEIGH})
    outcome = cli("sing", option, value)
    assert (outcome.code, words in outcome.error) == (2, True)
