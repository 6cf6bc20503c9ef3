"""The program around the commands: options, errors, exit codes, plugins, completion."""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

import matsciml_core
from matsciml_cli import app, failures
from matsciml_cli._completion import complete_kinds, complete_names
from matsciml_cli._light import LightCommand
from matsciml_cli.commands import COMMANDS, GROUPS
from matsciml_core.errors import ConfigError

COMMAND = """
    from matsciml_core import CommandSpec, hookimpl

    @hookimpl
    def matsciml_commands():
        yield CommandSpec(
            name="NAME", summary="Greet a crystal.", class_path="{package}.command:greet"
        )
"""
GREET = """
    import typer

    def greet(who: str, times: int = 1, shout: bool = False) -> None:
        '''Greet a crystal, at length.'''
        for _ in range(times):
            print(f"hello {who}" + "!" * shout)
"""


def add_command(folder: Any, distribution: str, name: str, source: str = GREET) -> str:
    package: str = folder.add(
        distribution, COMMAND.replace("NAME", name), modules={"command": source}
    )
    return package


class TestProgram:
    def test_version(self, cli: Callable[..., Any]) -> None:
        outcome = cli("--version")
        assert (outcome.code, outcome.out) == (0, f"matsciml {matsciml_core.__version__}\n")

    @pytest.mark.parametrize("arguments", [["--help"], ["-h"], []])
    def test_help_lists_every_command_once_with_its_distribution(
        self, cli: Callable[..., Any], arguments: list[str]
    ) -> None:
        outcome = cli(*arguments)
        assert outcome.code == 0
        for spec in COMMANDS:
            line = rf"^  {spec.name} +matsciml +{re.escape(spec.summary)}$"
            assert len(re.findall(line, outcome.out, re.MULTILINE)) == 1
        assert "--install-completion" in outcome.out

    def test_help_groups_commands(self, cli: Callable[..., Any]) -> None:
        headings = re.findall(r"^(\w.*):$", cli("--help").out, re.MULTILINE)
        assert headings == ["Options", "Train", "Use a model", "Data", "Plugins"]
        assert {spec.group for spec in COMMANDS} <= set(GROUPS)

    def test_help_ends_with_what_can_be_installed(self, cli: Callable[..., Any]) -> None:
        last = cli("--help").out.splitlines()[-1]
        assert last.startswith("Not installed: ")
        assert "benchmark, " in last
        assert "matsciml list-plugins --available" in last

    @pytest.mark.parametrize("name", [spec.name for spec in COMMANDS])
    def test_every_command_has_help(self, cli: Callable[..., Any], name: str) -> None:
        outcome = cli(name, "--help")
        assert outcome.code == 0
        assert f"Usage: matsciml {name}" in outcome.out

    def test_unknown_command(self, cli: Callable[..., Any]) -> None:
        outcome = cli("list-plugin")
        assert outcome.code == 2
        assert outcome.error.startswith(
            "There is no command 'list-plugin'. Did you mean 'list-plugins'? Installed commands: "
            "run, "
        )

    def test_command_that_is_not_installed(self, cli: Callable[..., Any]) -> None:
        outcome = cli("benchmark", "table2", "--jobs", "2")
        assert outcome.code == 2
        assert outcome.error.endswith(
            "matsciml-tool-benchmark offers it. To install it: pip install matsciml-tool-benchmark"
        )

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (["--nonsense"], "No such option: --nonsense. See 'matsciml --help'."),
            (["list-plugins", "--jason"], "See 'matsciml list-plugins --help'."),
            (["info"], "Missing argument 'NAME'. See 'matsciml info --help'."),
            (["doctor", "extra"], "unexpected extra argument"),
            (["list-plugins", "--kind"], "requires an argument"),
        ],
    )
    def test_usage_errors_are_one_sentence(
        self, cli: Callable[..., Any], arguments: list[str], message: str
    ) -> None:
        outcome = cli(*arguments)
        assert outcome.code == 2
        assert message in outcome.error
        assert outcome.out == ""

    def test_misspelt_option_names_the_closest(self, cli: Callable[..., Any]) -> None:
        assert "--json" in cli("list-plugins", "--jason").error.replace("--jason", "")

    def test_as_a_module(self) -> None:
        done = subprocess.run(
            [sys.executable, "-m", "matsciml_cli", "--version"],
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout == f"matsciml {matsciml_core.__version__}\n"

    def test_characters_that_the_terminal_lacks(self, monkeypatch: pytest.MonkeyPatch) -> None:
        stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
        monkeypatch.setattr(sys, "stdout", stream)
        assert app.execute(["--version"]) == 0
        print("5 Å")
        stream.flush()
        assert stream.buffer.getvalue().endswith(b"5 ?\n")  # type: ignore[attr-defined]


class TestErrors:
    @pytest.fixture
    def raising(self, cli: Callable[..., Any], plugin_folder: Any) -> Callable[..., Any]:
        def run(statement: str, *options: str) -> Any:
            source = f"def greet():\n    {statement}\n"
            add_command(plugin_folder, "matsciml-greet", "greet", source)
            before = [option for option in options if option.startswith("<")]
            after = [option for option in options if not option.startswith("<")]
            return cli(*(option[1:] for option in before), "greet", *after)

        return run

    def test_what_the_user_can_mend(self, raising: Callable[..., Any]) -> None:
        outcome = raising(
            "from matsciml_core.errors import ConfigError\n"
            "    raise ConfigError('The key [a] is wrong;\\n  write [b].')"
        )
        assert outcome.code == 2
        assert outcome.error == "The key [a] is wrong; write [b]."

    def test_long_sentences_stay_on_one_line(self, raising: Callable[..., Any]) -> None:
        outcome = raising(
            "from matsciml_core.errors import ConfigError\n    raise ConfigError('word ' * 100)"
        )
        assert len(outcome.error) > 400

    def test_the_unexpected(self, raising: Callable[..., Any]) -> None:
        outcome = raising("raise ValueError('odd.\\nmore')")
        assert outcome.code == 1
        assert outcome.error == (
            "Something unexpected went wrong: ValueError: odd. Run again with --debug for the "
            "traceback."
        )

    def test_the_unexpected_without_a_message(self, raising: Callable[..., Any]) -> None:
        assert "wrong: ValueError. Run" in raising("raise ValueError").error

    @pytest.mark.parametrize("option", ["--debug", "<--debug"])
    def test_debug_shows_the_traceback(self, raising: Callable[..., Any], option: str) -> None:
        outcome = raising("raise ValueError('odd')", option)
        assert outcome.code == 1
        assert "Traceback (most recent call last)" in outcome.err
        assert "in greet" in outcome.err
        assert outcome.err.endswith("Error: Something unexpected went wrong: ValueError: odd.\n")

    def test_debug_keeps_the_exit_code(self, raising: Callable[..., Any]) -> None:
        outcome = raising(
            "from matsciml_core.errors import DataError\n    raise DataError('No.')", "--debug"
        )
        assert outcome.code == 2
        assert "Traceback" in outcome.err

    def test_debug_shows_no_traceback_of_a_usage_error(self, cli: Callable[..., Any]) -> None:
        assert "Traceback" not in cli("info", "--debug").err

    def test_ctrl_c(self, raising: Callable[..., Any]) -> None:
        outcome = raising("raise KeyboardInterrupt")
        assert (outcome.code, outcome.error) == (130, "Stopped.")

    def test_ctrl_c_where_a_command_says_how_to_go_on(self, raising: Callable[..., Any]) -> None:
        outcome = raising(
            "from matsciml_cli.failures import telling_on_stop\n"
            "    with telling_on_stop('Go on.'): raise KeyboardInterrupt"
        )
        assert (outcome.code, outcome.error) == (130, "Stopped. Go on.")

    def test_what_is_said_first_is_kept(self, raising: Callable[..., Any]) -> None:
        outcome = raising(
            "from matsciml_cli.failures import telling_on_stop\n"
            "    with telling_on_stop('Go on.'): raise KeyboardInterrupt('while reading')"
        )
        assert outcome.error == "Stopped while reading."

    def test_abort(self, raising: Callable[..., Any]) -> None:
        outcome = raising("import typer\n    raise typer.Abort")
        assert (outcome.code, outcome.error) == (1, "Stopped.")

    def test_exit(self, raising: Callable[..., Any]) -> None:
        outcome = raising("import typer\n    raise typer.Exit(7)")
        assert (outcome.code, outcome.err) == (7, "")

    def test_returned_number_is_the_exit_code(self, raising: Callable[..., Any]) -> None:
        assert raising("return 5").code == 5

    @pytest.mark.parametrize("value", ["True", "'text'", "None"])
    def test_other_return_values_are_no_exit_code(
        self, raising: Callable[..., Any], value: str
    ) -> None:
        assert raising(f"return {value}").code == 0

    def test_bad_value(self, raising: Callable[..., Any]) -> None:
        outcome = raising("import typer\n    raise typer.BadParameter('not that')")
        assert outcome.code == 2
        assert outcome.error.startswith("Invalid value: not that.")

    def test_report_on_ctrl_c(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert failures.report(KeyboardInterrupt()) == 130
        assert capsys.readouterr().err == "Error: Stopped.\n"

    def test_main_leaves_the_process(self, capsys: pytest.CaptureFixture[str]) -> None:
        with pytest.raises(SystemExit) as caught:
            app.main(["nonsense"])
        assert caught.value.code == 2
        assert "nonsense" in capsys.readouterr().err

    def test_errors_of_the_core_are_told_from_others(self) -> None:
        assert failures.report(ConfigError("x")) == failures.USAGE
        assert failures.report(RuntimeError("x")) == failures.FAULT


@pytest.mark.parametrize(
    ("arguments", "kept", "debug"),
    [
        (["run"], ["run"], False),
        (["--debug", "run"], ["run"], True),
        (["run", "--debug", "-x", "--debug"], ["run", "-x"], True),
        (["run", "--", "--debug"], ["run", "--", "--debug"], False),
        (["run", "--debugger", "--set=--debug"], ["run", "--debugger", "--set=--debug"], False),
    ],
)
def test_debug_is_taken_from_anywhere(arguments: list[str], kept: list[str], debug: bool) -> None:
    assert app._take_debug(arguments) == (kept, debug)


class TestPluginCommands:
    def test_are_listed_without_being_imported(
        self, cli: Callable[..., Any], plugin_folder: Any
    ) -> None:
        package = add_command(plugin_folder, "matsciml-greet", "greet", "raise RuntimeError")
        outcome = cli("--help")
        other = outcome.out.partition("\nOther:\n")[2]
        assert re.match(r"  greet +matsciml-greet +Greet a crystal\.\n", other)
        assert f"{package}.command" not in sys.modules

    def test_run_with_converted_values(self, cli: Callable[..., Any], plugin_folder: Any) -> None:
        add_command(plugin_folder, "matsciml-greet", "greet")
        outcome = cli("greet", "NaCl", "--times", "2", "--shout")
        assert (outcome.code, outcome.out) == (0, "hello NaCl!\nhello NaCl!\n")

    def test_show_their_own_help(self, cli: Callable[..., Any], plugin_folder: Any) -> None:
        add_command(plugin_folder, "matsciml-greet", "greet")
        assert "Greet a crystal, at length." in cli("greet", "--help").out

    def test_wrong_values_are_usage_errors(
        self, cli: Callable[..., Any], plugin_folder: Any
    ) -> None:
        add_command(plugin_folder, "matsciml-greet", "greet")
        outcome = cli("greet", "NaCl", "--times", "many")
        assert outcome.code == 2
        assert "'--times'" in outcome.error

    def test_may_be_a_typer_program(self, cli: Callable[..., Any], plugin_folder: Any) -> None:
        add_command(
            plugin_folder,
            "matsciml-greet",
            "greet",
            """
            import typer

            greet = typer.Typer()

            @greet.command()
            def one(): print("one")

            @greet.command()
            def two(): print("two")
            """,
        )
        assert cli("greet", "two").out == "two\n"

    def test_may_be_a_finished_command(self, cli: Callable[..., Any], plugin_folder: Any) -> None:
        add_command(
            plugin_folder,
            "matsciml-greet",
            "greet",
            """
            import typer

            app = typer.Typer()

            @app.command()
            def one(): print("one")

            greet = typer.main.get_command(app)
            """,
        )
        assert cli("greet").out == "one\n"

    def test_that_cannot_be_loaded(self, cli: Callable[..., Any], plugin_folder: Any) -> None:
        add_command(plugin_folder, "matsciml-greet", "greet", "import no_such_module")
        outcome = cli("greet")
        assert outcome.code == 2
        assert "The command 'greet' could not be loaded" in outcome.error

    def test_offered_twice(self, cli: Callable[..., Any], plugin_folder: Any) -> None:
        for name in ("one", "two"):
            add_command(plugin_folder, f"matsciml-{name}", "greet")
        assert cli("--help").out.count("\n  greet ") == 1
        outcome = cli("greet")
        assert outcome.code == 2
        assert "matsciml-one 0.1.0 and by matsciml-two 0.1.0" in outcome.error

    def test_cannot_replace_a_command_of_the_core(
        self, cli: Callable[..., Any], plugin_folder: Any
    ) -> None:
        add_command(plugin_folder, "matsciml-greet", "doctor")
        assert cli("--help").out.count("\n  doctor ") == 1
        assert "Check Python, packages" in cli("doctor", "--help").out

    def test_help_works_in_strict_mode_too(
        self, cli: Callable[..., Any], plugin_folder: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        plugin_folder.add("matsciml-bad", "1 / 0")
        monkeypatch.setenv("MATSCIML_STRICT", "1")
        assert cli("--help").code == 0
        assert "matsciml-bad" in cli("greet").error

    def test_a_group_of_its_own_follows(self, cli: Callable[..., Any], plugin_folder: Any) -> None:
        source = COMMAND.replace("NAME", "greet").replace("summary=", "group='Manners', summary=")
        plugin_folder.add("matsciml-greet", source)
        headings = re.findall(r"^(\w.*):$", cli("--help").out, re.MULTILINE)
        assert headings[-1] == "Manners"


class TestLightParameters:
    """Values must come out as typer itself would convert them."""

    @staticmethod
    def program() -> typer.Typer:
        program = typer.Typer(add_completion=False)

        @program.command(cls=LightCommand)
        def show(
            text: str,
            option: str | None = None,
            number: int = 3,
            ratio: float | None = None,
            several: list[str] | None = None,
            path: Path | None = None,
            upper: str = typer.Option("x", parser=str.upper),
            loud: bool = False,
        ) -> None:
            print([text, option, number, ratio, several, path, upper, loud])

        return program

    @pytest.mark.parametrize(
        ("arguments", "expected"),
        [
            (["a"], ["a", None, 3, None, None, None, "X", False]),
            (["5", "--option", "6"], ["5", "6", 3, None, None, None, "X", False]),
            (["a", "--number", "7", "--ratio", ".5"], ["a", None, 7, 0.5, None, None, "X", False]),
            (
                ["a", "--several", "b", "--several", "c", "--loud"],
                ["a", None, 3, None, ["b", "c"], None, "X", True],
            ),
            (
                ["a", "--path", "p", "--upper", "u"],
                ["a", None, 3, None, None, Path("p"), "U", False],
            ),
        ],
    )
    def test_values(self, arguments: list[str], expected: list[Any]) -> None:
        result = CliRunner().invoke(self.program(), arguments)
        assert result.output == f"{expected}\n"

    def test_missing_argument(self) -> None:
        assert CliRunner().invoke(self.program(), []).exit_code == 2


class TestCompletion:
    def complete(self, words: str, position: int, **environment: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "matsciml_cli"],
            env={
                **os.environ,
                "_MATSCIML_COMPLETE": "complete_bash",
                "COMP_WORDS": words,
                "COMP_CWORD": str(position),
                **environment,
            },
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.stderr == ""
        return done.stdout

    def test_verbs(self) -> None:
        assert self.complete("matsciml list-p", 1).split() == ["list-plugins"]

    def test_options(self) -> None:
        assert "--json" in self.complete("matsciml doctor --", 2).split()

    def test_kinds(self) -> None:
        assert self.complete("matsciml list-plugins --kind e", 3).split() == [
            "encoder",
            "environment",
        ]

    def test_component_names(self, plugin_folder: Any) -> None:
        plugin_folder.add(
            "matsciml-data-mine",
            "from matsciml_core import DatasetSpec, hookimpl\n"
            "@hookimpl\ndef matsciml_datasets():\n"
            "    yield DatasetSpec(name='zz-mine', summary='s', class_path='a:B')\n",
        )
        found = self.complete("matsciml info zz", 2, PYTHONPATH=str(plugin_folder.path))
        assert found.split() == ["zz-mine"]

    def test_broken_plugins_leave_the_line_alone(self, plugin_folder: Any) -> None:
        plugin_folder.add("matsciml-data-bad", "1 / 0")
        path = str(plugin_folder.path)
        assert self.complete("matsciml info zz", 2, PYTHONPATH=path, MATSCIML_STRICT="1") == "\n"

    def test_unknown_verb_completes_to_nothing(self) -> None:
        assert self.complete("matsciml nonsense --k", 2).split() == []

    def test_names_of_one_kind(self, cli: Callable[..., Any], plugin_folder: Any) -> None:
        plugin_folder.add(
            "matsciml-data-mine",
            "from matsciml_core import DatasetSpec, EncoderSpec, hookimpl\n"
            "@hookimpl\ndef matsciml_datasets():\n"
            "    yield DatasetSpec(name='ab', summary='data', class_path='a:B')\n"
            "@hookimpl\ndef matsciml_encoders():\n"
            "    yield EncoderSpec(name='ac', summary='model', class_path='a:B')\n",
        )
        del cli  # only its plugins are wanted
        assert complete_names("dataset")("a") == [("ab", "data")]
        assert complete_names()("a") == [("ab", "data"), ("ac", "model")]
        assert complete_names("encoder")("x") == []
        assert complete_kinds("t") == ["task-head"]

    def test_installation(self, tmp_path: Path) -> None:
        done = subprocess.run(
            [sys.executable, "-m", "matsciml_cli", "--install-completion", "bash"],
            env={
                **os.environ,
                "HOME": str(tmp_path),
                "_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1",
            },
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        script = tmp_path / ".bash_completions" / "matsciml.sh"
        assert "_MATSCIML_COMPLETE=complete_bash" in script.read_text()
        assert "matsciml.sh" in (tmp_path / ".bashrc").read_text()


@pytest.mark.parametrize("arguments", [["--help"], ["doctor"], ["list-plugins", "--json"]])
def test_reader_that_leaves_early_is_no_error(arguments: list[str]) -> None:
    # What the shell does for "matsciml doctor | true".
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [sys.executable, "-m", "matsciml_cli", *arguments],
        stdout=writer,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    os.close(writer)
    assert "Traceback" not in done.stderr
    assert "BrokenPipe" not in done.stderr
    assert done.returncode in (0, 1)


@pytest.mark.parametrize("path", [None, "", os.pathsep])
def test_the_current_folder_is_not_searched_for_plugins(tmp_path, path):
    """A folder of somebody's data could hold a package that calls itself a plugin."""
    code = "raise SystemExit('the module of the current folder was imported')"
    for name in ("typer", "matsciml_stranger"):
        (tmp_path / f"{name}.py").write_text(code)
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    if path is not None:
        environment["PYTHONPATH"] = path
    done = subprocess.run(
        [sys.executable, "-m", "matsciml_cli", "--version"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "matsciml" in done.stdout
