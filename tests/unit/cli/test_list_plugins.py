"""``matsciml list-plugins``, and the tables that all verbs share."""

from __future__ import annotations

import io
import json
import os
import re
import sys
from collections.abc import Callable
from typing import Any

import pytest
from packaging.requirements import Requirement

import matsciml_core
from matsciml_cli import console
from matsciml_cli.console import Row, write_heading, write_table
from matsciml_core.registry.known_plugins import known_components
from matsciml_core.registry.manager import build_registry

SUMMARY = "A summary that is much longer than eighty columns, so that anything that cuts it shows."


def dataset(*names: str, requires: str = "()") -> str:
    lines = "".join(
        f"    yield DatasetSpec(name={name!r}, summary={SUMMARY!r}, class_path='a:B', "
        f"requires={requires})\n"
        for name in names
    )
    return (
        "from matsciml_core import DatasetSpec, hookimpl\n\n"
        f"@hookimpl\ndef matsciml_datasets():\n{lines}"
    )


def encoder(name: str) -> str:
    return (
        "from matsciml_core import EncoderSpec, hookimpl\n\n@hookimpl\ndef matsciml_encoders():\n"
        f"    return [EncoderSpec(name={name!r}, summary='A network.', class_path='a:B')]\n"
    )


CORE = matsciml_core.__version__


def columns(line: str) -> list[str]:
    return re.split(r"  +", line.strip())


class TestText:
    def test_one_full_line_for_each_component(
        self, cli: Callable[..., Any], plugin_folder: Any
    ) -> None:
        plugin_folder.add("matsciml-data-one", dataset("b", "a"), version="1.0")
        plugin_folder.add("matsciml-model-two", encoder("net"), version="2.0")
        outcome = cli("list-plugins")
        assert (outcome.code, outcome.err) == (0, "")
        assert [columns(line) for line in outcome.out.splitlines()] == [
            ["kind", "name", "state", "distribution", "summary"],
            ["dataset", "a", "ok", "matsciml-data-one 1.0", SUMMARY],
            ["dataset", "b", "ok", "matsciml-data-one 1.0", SUMMARY],
            ["encoder", "net", "ok", "matsciml-model-two 2.0", "A network."],
            ["reader", "extxyz", "ok", f"matsciml {CORE}", "Extended XYZ, and plain XYZ."],
        ]

    def test_lines_have_no_trailing_blanks(
        self, cli: Callable[..., Any], plugin_folder: Any
    ) -> None:
        plugin_folder.add("matsciml-model-two", encoder("net"))
        for line in cli("list-plugins").out.splitlines():
            assert line == line.rstrip()

    def test_failed_and_blocked_plugins_with_their_reasons(
        self, cli: Callable[..., Any], plugin_folder: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        plugin_folder.add("matsciml-data-bad", "raise ValueError('so bad')", version="0.2")
        plugin_folder.add("matsciml-data-left", dataset("left"))
        monkeypatch.setenv("MATSCIML_PLUGINS", "bad")
        outcome = cli("list-plugins")
        _, _, bad, left = map(columns, outcome.out.splitlines())
        assert bad[:4] == ["plugin", "bad", "failed", "matsciml-data-bad 0.2"]
        assert "so bad" in bad[4]
        assert left[:3] == ["plugin", "left", "blocked"]
        assert "MATSCIML_PLUGINS" in left[4]
        assert outcome.code == 0
        assert outcome.err == "Not everything can be used; 'matsciml doctor' says how to fix it.\n"

    def test_duplicates_name_each_other(self, cli: Callable[..., Any], plugin_folder: Any) -> None:
        plugin_folder.add("matsciml-data-one", dataset("same"))
        plugin_folder.add("matsciml-data-two", dataset("same"))
        _, one, two, _ = map(columns, cli("list-plugins").out.splitlines())
        assert one[2] == two[2] == "duplicate"
        assert one[4].endswith(" (also offered by matsciml-data-two 0.1.0)")
        assert two[4].endswith(" (also offered by matsciml-data-one 0.1.0)")

    def test_same_name_in_two_kinds_is_no_duplicate(
        self, cli: Callable[..., Any], plugin_folder: Any
    ) -> None:
        plugin_folder.add("matsciml-data-one", dataset("same"))
        plugin_folder.add("matsciml-model-two", encoder("same"))
        assert "duplicate" not in cli("list-plugins").out

    def test_missing_requirement_of_one_component(
        self, cli: Callable[..., Any], plugin_folder: Any
    ) -> None:
        plugin_folder.add("matsciml-data-one", dataset("a", requires="('no-such-dist>=3',)"))
        line = columns(cli("list-plugins").out.splitlines()[1])
        assert line[2] == "incomplete"
        assert "needs no-such-dist>=3, which is not installed" in line[4]

    def test_nothing_installed(self, cli: Callable[..., Any]) -> None:
        outcome = cli("list-plugins")
        assert outcome.code == 0
        assert outcome.err == (
            "No plugin is installed; 'matsciml list-plugins --available' shows known ones.\n"
        )


class TestOptions:
    def test_kind(self, cli: Callable[..., Any], plugin_folder: Any) -> None:
        plugin_folder.add("matsciml-data-one", dataset("a"))
        plugin_folder.add("matsciml-model-two", encoder("net"))
        plugin_folder.add("matsciml-model-bad", "1 / 0")
        listed = [
            columns(line)[:2]
            for line in cli("list-plugins", "--kind", "encoder").out.split("\n")[1:-1]
        ]
        assert listed == [["encoder", "net"], ["plugin", "bad"]]

    @pytest.mark.parametrize("kind", build_registry(path=[]).kinds)
    def test_every_kind_is_known_and_named_in_the_help(
        self, cli: Callable[..., Any], kind: str
    ) -> None:
        assert cli("list-plugins", "--kind", kind).code == 0
        assert kind in cli("list-plugins", "--help").out

    def test_unknown_kind(self, cli: Callable[..., Any]) -> None:
        outcome = cli("list-plugins", "--kind", "encoders")
        assert outcome.code == 2
        assert outcome.error.startswith("There is no kind 'encoders'. Did you mean 'encoder'?")

    def test_strict(self, cli: Callable[..., Any], plugin_folder: Any) -> None:
        plugin_folder.add("matsciml-data-bad", "1 / 0")
        outcome = cli("list-plugins", "--strict")
        assert outcome.code == 2
        assert outcome.error.startswith("The plugin 'bad' of matsciml-data-bad 0.1.0 cannot be")

    def test_strict_by_environment(
        self, cli: Callable[..., Any], plugin_folder: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        plugin_folder.add("matsciml-data-bad", "1 / 0")
        monkeypatch.setenv("MATSCIML_STRICT", "1")
        assert cli("list-plugins").code == 2

    def test_strict_with_good_plugins(self, cli: Callable[..., Any], plugin_folder: Any) -> None:
        plugin_folder.add("matsciml-data-one", dataset("a"))
        assert cli("list-plugins", "--strict").code == 0


class TestJson:
    def test_documented_keys(self, cli: Callable[..., Any], plugin_folder: Any) -> None:
        plugin_folder.add("matsciml-data-one", dataset("a"))
        plugin_folder.add("matsciml-data-bad", "1 / 0")
        data = cli("list-plugins", "--json").data
        text = " ".join(cli("list-plugins", "--help").out.split())
        assert list(data) == ["schema", "components", "plugins"]
        assert data["schema"] == 1
        for key in (*data, *data["components"][0], *data["plugins"][0]):
            assert f"`{key}`" in text, key

    def test_components(self, cli: Callable[..., Any], plugin_folder: Any) -> None:
        plugin_folder.add("matsciml-data-one", dataset("a"), version="1.0")
        *components, own = cli("list-plugins", "--json").data["components"]
        assert (own["kind"], own["name"], own["distribution"]) == ("reader", "extxyz", "matsciml")
        assert components == [
            {
                "kind": "dataset",
                "name": "a",
                "summary": SUMMARY,
                "distribution": "matsciml-data-one",
                "version": "1.0",
                "state": "ok",
                "reason": "",
                "environment": None,
            }
        ]

    def test_plugins(self, cli: Callable[..., Any], plugin_folder: Any) -> None:
        package = plugin_folder.add("matsciml-data-one", dataset("a"))
        plugin_folder.add("matsciml-data-bad", "1 / 0")
        bad, one = cli("list-plugins", "--json").data["plugins"]
        assert one == {
            "entry_point": "one",
            "distribution": "matsciml-data-one",
            "version": "0.1.0",
            "module": f"{package}.plugin",
            "state": "ok",
            "reason": "",
            "fix": "",
            "components": [{"kind": "dataset", "name": "a"}],
        }
        assert bad["state"] == "failed"
        assert "ZeroDivisionError" in bad["reason"]
        assert "pip uninstall matsciml-data-bad" in bad["fix"]
        assert bad["components"] == []

    def test_is_json_even_where_a_plugin_prints(
        self, cli: Callable[..., Any], plugin_folder: Any
    ) -> None:
        plugin_folder.add("matsciml-data-loud", "print('hello')\n" + dataset("a"))
        names = [entry["name"] for entry in cli("list-plugins", "--json").data["components"]]
        assert names == ["a", "extxyz"]


class TestAvailable:
    def test_shows_the_index(self, cli: Callable[..., Any]) -> None:
        outcome = cli("list-plugins", "--available")
        assert (outcome.code, outcome.err) == (0, "")
        lines = [columns(line) for line in outcome.out.splitlines()[1:]]
        assert len(lines) == len(known_components())
        assert {line[2] for line in lines} == {"available"}
        assert ["encoder", "egnn", "available", "matsciml-model-egnn"] in [
            line[:4] for line in lines
        ]

    def test_what_is_installed_has_its_state(
        self, cli: Callable[..., Any], plugin_folder: Any
    ) -> None:
        plugin_folder.add("matsciml-model-egnn", encoder("egnn"), version="2.0")
        plugin_folder.add("matsciml-model-gala", "1 / 0", version="3.0")
        plugin_folder.add("matsciml-model-mine", encoder("mine"))
        out = cli("list-plugins", "--available", "--kind", "encoder").out
        rows = {columns(line)[1]: columns(line)[2:5] for line in out.splitlines()}
        assert rows["egnn"] == ["ok", "matsciml-model-egnn 2.0", "A network."]
        assert rows["gala"][:2] == ["failed", "matsciml-model-gala 3.0"]
        assert "ZeroDivisionError" in rows["gala"][2]
        assert rows["nequip"][0] == "available"
        assert "mine" not in rows

    def test_says_what_a_component_needs(self, cli: Callable[..., Any]) -> None:
        (line,) = [
            line
            for line in cli("list-plugins", "--available").out.splitlines()
            if columns(line)[1] == "mpnn-dgl"
        ]
        assert "(needs dgl==1.1.3; dgl 1.1.3 has wheels" in line

    def test_json(self, cli: Callable[..., Any]) -> None:
        data = cli("list-plugins", "--available", "--kind", "strategy", "--json").data
        assert {row["state"] for row in data["components"]} == {"available"}
        assert data["plugins"] == []

    def test_unknown_kind(self, cli: Callable[..., Any]) -> None:
        assert "no kind 'model'" in cli("list-plugins", "--available", "--kind", "model").error


class TestRequirements:
    def lines(self, cli: Callable[..., Any]) -> list[str]:
        outcome = cli("list-plugins", "--requirements")
        assert (outcome.code, outcome.err) == (0, "")
        lines: list[str] = outcome.out.splitlines()
        for line in lines:
            Requirement(line.partition(" #")[0])
        return lines

    def test_exact_versions_sorted_by_name(
        self, cli: Callable[..., Any], plugin_folder: Any
    ) -> None:
        plugin_folder.add("matsciml-model-two", encoder("net"), version="2.0")
        plugin_folder.add("matsciml-data-one", dataset("a", "b"), version="1.0")
        plugin_folder.add("matsciml-data-bad", "1 / 0", version="0.1")
        core, *others = self.lines(cli)
        assert core.startswith(f"matsciml=={matsciml_core.__version__}")
        assert others == [
            "matsciml-data-bad==0.1  # failed",
            "matsciml-data-one==1.0",
            "matsciml-model-two==2.0",
        ]

    @pytest.mark.parametrize(
        ("source", "expected"),
        [
            (
                {"url": "file:///h/ada/one", "dir_info": {"editable": True}},
                "matsciml-data-one==1.0  # editable: installed from a folder of sources",
            ),
            (
                {"url": "file:///h/ada/one", "dir_info": {}},
                "matsciml-data-one==1.0  # installed from a folder or file of this machine",
            ),
            (
                {"url": "https://a.org/one", "vcs_info": {"vcs": "git", "commit_id": "abc"}},
                "matsciml-data-one @ git+https://a.org/one@abc",
            ),
            (
                {"url": "https://a.org/one.whl", "archive_info": {}},
                "matsciml-data-one @ https://a.org/one.whl",
            ),
            ([], "matsciml-data-one==1.0"),
        ],
    )
    def test_where_it_was_installed_from(
        self, cli: Callable[..., Any], plugin_folder: Any, source: Any, expected: str
    ) -> None:
        plugin_folder.add("matsciml-data-one", dataset("a"), version="1.0")
        folder = "matsciml_data_one-1.0.dist-info"
        plugin_folder.write(f"{folder}/direct_url.json", json.dumps(source))
        assert self.lines(cli)[1] == expected

    @pytest.mark.parametrize("option", ["--json", "--available", "--kind=dataset"])
    def test_stands_alone(self, cli: Callable[..., Any], option: str) -> None:
        outcome = cli("list-plugins", "--requirements", option)
        assert outcome.code == 2
        assert "leave the other options away" in outcome.error


class TestTables:
    @pytest.fixture
    def terminal(self, monkeypatch: pytest.MonkeyPatch) -> Callable[[int], io.StringIO]:
        def make(width: int) -> io.StringIO:
            stream = io.StringIO()
            monkeypatch.setattr(stream, "isatty", lambda: True, raising=False)
            monkeypatch.setattr(sys, "stdout", stream)
            monkeypatch.setenv("COLUMNS", str(width))
            monkeypatch.setenv("TERM", "xterm-256color")
            monkeypatch.delenv("NO_COLOR", raising=False)
            return stream

        return make

    ROWS = (Row(("a-name", "x", "word " * 20)), Row(("b", "failed", "short"), "red"))

    def test_wide_terminal_draws_columns(self, terminal: Callable[[int], io.StringIO]) -> None:
        stream = terminal(100)
        write_table(self.ROWS, header=("name", "state", "prose"))
        text = re.sub(r"\x1b\[[0-9;]*m", "", stream.getvalue())
        lines = [line.rstrip() for line in text.splitlines()]
        assert columns(lines[0]) == ["name", "state", "prose"]
        assert lines[1].startswith("a-name  x       word word")
        assert lines[2].startswith(" " * 16 + "word")  # wrapped within its column
        assert "\x1b[31m" in stream.getvalue()

    def test_narrow_terminal_puts_prose_on_lines_of_its_own(
        self, terminal: Callable[[int], io.StringIO]
    ) -> None:
        stream = terminal(50)
        write_table(self.ROWS, header=("name", "state", "prose"), indent=2)
        text = re.sub(r"\x1b\[[0-9;]*m", "", stream.getvalue())
        lines = [line.rstrip() for line in text.splitlines()]
        assert lines[0] == "  a-name  x"
        assert lines[1].startswith("    word word")
        assert lines[-2:] == ["  b  failed", "    short"]
        assert max(map(len, lines)) <= 50

    @pytest.mark.parametrize("width", [20, 60, 200])
    def test_no_word_is_lost_at_any_width(
        self, terminal: Callable[[int], io.StringIO], width: int
    ) -> None:
        stream = terminal(width)
        write_table(self.ROWS)
        text = re.sub(r"\x1b\[[0-9;]*m", "", stream.getvalue())
        assert text.split().count("word") == 20
        assert {"a-name", "failed", "short"} <= set(text.split())

    def test_square_brackets_are_text(self, terminal: Callable[[int], io.StringIO]) -> None:
        stream = terminal(80)
        write_table([Row(("[red]", "list[int]"))])
        assert "[red]  list[int]" in re.sub(r"\x1b\[[0-9;]*m", "", stream.getvalue())

    def test_heading(self, terminal: Callable[[int], io.StringIO]) -> None:
        stream = terminal(80)
        write_heading("title")
        assert "title" in stream.getvalue()

    def test_dumb_terminals_get_plain_text(
        self, terminal: Callable[[int], io.StringIO], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        stream = terminal(30)
        monkeypatch.setenv("TERM", "dumb")
        write_table(self.ROWS)
        assert "\x1b" not in stream.getvalue()
        assert len(stream.getvalue().splitlines()) == 2

    def test_plain_table_of_nothing(self, capsys: pytest.CaptureFixture[str]) -> None:
        write_table([])
        write_table([], header=("a", "b"))
        assert capsys.readouterr().out == "a  b\n"

    def test_empty_table_on_a_terminal(self, terminal: Callable[[int], io.StringIO]) -> None:
        stream = terminal(80)
        write_table([], header=("a", "b"))
        assert "a" in stream.getvalue()

    def test_states_have_colours(self) -> None:
        assert set(console.STYLES) >= {"ok", "warning", "failed", "blocked", "duplicate"}


@pytest.mark.skipif(not hasattr(os, "openpty"), reason="needs pseudo-terminals")
def test_on_a_real_terminal_failed_plugins_are_red(plugin_folder: Any) -> None:
    import subprocess

    plugin_folder.add("matsciml-data-zz-bad", "1 / 0")
    controller, terminal = os.openpty()
    environment = {
        **os.environ,
        "PYTHONPATH": str(plugin_folder.path),
        "TERM": "xterm-256color",
        "COLUMNS": "200",
    }
    environment.pop("NO_COLOR", None)
    with subprocess.Popen(
        [sys.executable, "-m", "matsciml_cli", "list-plugins"],
        stdout=terminal,
        stderr=subprocess.DEVNULL,
        env=environment,
    ) as process:
        os.close(terminal)
        output = b""
        while True:
            try:
                chunk = os.read(controller, 65536)
            except OSError:
                break
            if not chunk:
                break
            output += chunk
    os.close(controller)
    assert process.returncode == 0
    red = [line for line in output.decode().splitlines() if "\x1b[31m" in line]
    assert any("matsciml-data-zz-bad" in line for line in red)
