"""What a terminal would obey is shown instead, wherever it comes from."""

from __future__ import annotations

import json

import pytest

from matsciml_cli import console, failures
from matsciml_core.errors import HIDDEN, DataError, visible

STRANGE = "mp-1\x1b[2J\x1b]0;title\x07 \u202eevil\u2066 \x9b31m \r\x08 \x7f"


def is_clean(text):
    return not {ord(one) for one in text} & (set(HIDDEN) - {10, 9})


def test_characters_are_escaped_one_by_one():
    assert visible(STRANGE).startswith(r"mp-1\x1b[2J\x1b]0;title\x07 \u202eevil\u2066 \x9b31m")
    assert is_clean(visible(STRANGE))
    assert visible("Fe₂O₃, Å: a\n\tb 🙂") == "Fe₂O₃, Å: a\n\tb 🙂"
    assert visible(visible(STRANGE)) == visible(STRANGE)


def test_every_error_of_ours_is_clean():
    error = DataError(f"'{STRANGE}' cannot be read.")
    assert is_clean(str(error))
    assert r"\x1b[2J" in str(error)


@pytest.mark.parametrize("on_terminal", [False, True])
@pytest.mark.parametrize(
    "write",
    [
        console.write_line,
        console.write_heading,
        console.warn,
        lambda text: console.write_table([console.Row((text, text))], header=("a", "b")),
    ],
    ids=["line", "heading", "warning", "table"],
)
def test_nothing_written_is_obeyed(capsys, monkeypatch, write, on_terminal):
    monkeypatch.setattr(console, "on_terminal", lambda: on_terminal)
    write(STRANGE)
    captured = capsys.readouterr()
    text = captured.out + captured.err
    assert r"\u202eevil" in text
    # What styles our own heading is all that may be left, and needs a terminal.
    assert is_clean(text.replace("\x1b[1m", "").replace("\x1b[0m", ""))


def test_json_holds_the_characters_and_shows_none(capsys):
    console.write_json({"id": STRANGE})
    text = capsys.readouterr().out
    assert is_clean(text)
    assert json.loads(text) == {"id": STRANGE}


@pytest.mark.parametrize("error", [ValueError(STRANGE), DataError(STRANGE), OSError(2, STRANGE)])
@pytest.mark.parametrize("debug", [False, True])
def test_errors_are_shown_clean(capsys, error, debug):
    failures.report(error, debug=debug)
    assert is_clean(capsys.readouterr().err)


def test_a_name_in_a_file_reaches_the_terminal_clean(cli, tmp_path):
    path = tmp_path / "a\x1b[2J.cif"
    result = cli("data", "import", str(path), "--name", "x", "--label", "energy=eV")
    assert result.code == 2
    assert is_clean(result.out + result.err)
