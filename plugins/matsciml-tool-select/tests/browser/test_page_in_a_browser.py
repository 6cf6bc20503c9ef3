"""The page of selections in a real browser."""

from __future__ import annotations

from matsciml_core.data.readers.extxyz import write_frames
from matsciml_tool_select.folder_pages import selections
from matsciml_util_pages.folder_pages import PageSubject
from matsciml_util_pages.pages import write_page


def test_it_fits_and_can_be_read(browser, cli, registry, ensemble, crystals, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_frames(tmp_path / "known.extxyz", crystals[:4])
    name = "candidates-of-quite-a-long-name-that-was-made-by-a-script-2026-12-03.extxyz"
    write_frames(tmp_path / name, crystals[4:])
    outcome = cli("select", "2", str(ensemble), name, "--known", "known.extxyz")
    assert outcome.code == 0, outcome.err
    subject = PageSubject(folder=tmp_path, runs=(), registry=None, address=lambda _: "")
    page = write_page(selections(subject), tmp_path / "selections.html")
    assert browser.faults(page) == []
    assert browser.run("document.querySelectorAll('svg.plot').length") == 1
