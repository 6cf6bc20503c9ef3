"""The page of selections, as tools show it that serve folders."""

from __future__ import annotations

import json
import os

import pytest

from matsciml_core.errors import DataError
from matsciml_tool_select.folder_pages import selections
from matsciml_tool_select.plugin import matsciml_folder_pages
from matsciml_util_pages.folder_pages import PageSubject
from matsciml_util_pages.pages import render


@pytest.fixture
def select(cli, registry, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return lambda *arguments: cli("select", *map(str, arguments))


def show(folder):
    return selections(PageSubject(folder=folder, runs=(), registry=None, address=lambda _: ""))


def test_it_shows_what_was_selected_among_which_candidates(
    select, ensemble, candidates, crystals, tmp_path
):
    known = tmp_path / "known.extxyz"
    known.write_text(candidates.read_text())
    outcome = select(
        3, ensemble, candidates, "--by", "spread", "--known", known, "--min-distance", 0
    )
    assert outcome.code == 0, outcome.err
    page = show(tmp_path)
    assert page.title == "3 structures to compute next"
    text = render(page)
    for crystal in json.loads((tmp_path / "selected.selection.json").read_text())["rows"]:
        assert crystal[2] in text
    assert "largest spread first" in text
    assert "Compared with no training structures" in text
    assert "0 unusable" in text


def test_the_figure_has_every_candidate_once(select, ensemble, crystals, tmp_path):
    from matsciml_core.data.readers.extxyz import write_frames

    write_frames(tmp_path / "known.extxyz", crystals[:4])
    write_frames(tmp_path / "new.extxyz", crystals[4:])
    outcome = select(
        2, ensemble, tmp_path / "new.extxyz", "--known", tmp_path / "known.extxyz", "--seed", 3
    )
    assert outcome.code == 0, outcome.err
    record = json.loads((tmp_path / "selected.selection.json").read_text())
    assert (len(record["selected"]), len(record["others"])) == (2, 6)
    assert all(point["distance"] > 0 and point["spread"] > 0 for point in record["others"])
    assert "2 selected candidates among 6 others" in render(show(tmp_path))


def test_several_selections_stand_on_one_page_the_newest_first(
    select, ensemble, candidates, tmp_path
):
    for name in ("first", "second"):
        assert select(1, ensemble, candidates, "-o", f"{name}.extxyz").code == 0
    os.utime(tmp_path / "first.selection.json", (1, 1))
    assert [section.title for section in show(tmp_path).sections] == ["second", "first"]
    assert select(1, ensemble, candidates, "-o", "first.extxyz").code == 2


@pytest.mark.parametrize(
    "text", ["[]", "{}", '{"format": "matsciml-selection", "version": 2}', "{", '"text"']
)
def test_a_record_of_another_kind_is_one_sentence(tmp_path, text):
    (tmp_path / "mine.selection.json").write_text(text)
    with pytest.raises(DataError, match="not what matsciml select writes"):
        show(tmp_path)


def test_names_in_a_record_are_text(select, ensemble, candidates, tmp_path):
    assert select(1, ensemble, candidates).code == 0
    file = tmp_path / "selected.selection.json"
    record = json.loads(file.read_text())
    record["rows"][0][2] = "<script>alert(1)</script>"
    file.write_text(json.dumps(record))
    assert "<script>alert" not in render(show(tmp_path))


def test_folders_of_runs_are_no_parts_of_a_selection():
    (spec,) = matsciml_folder_pages()
    assert spec.files == ("*.selection.json",)
    assert not spec.holds_runs
