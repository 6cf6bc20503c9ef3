"""The pages of all commands, in a real browser: they fit a telephone, and can be read."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

LONG = "a-crystal-with_quite_a_long_file_name_that_was_made_by_a_script_2026-12-03.extxyz"
CHEAP = ("--relax", "none", "--steps", "2")
COMMANDS = {
    "eos": ("--points", "5", *CHEAP),
    "elastic": ("--clamped", *CHEAP),
    "phonons": ("--supercell", "2", "--mesh", "10", *CHEAP),
    "surface": ("--miller", "1,0,0", "--thickness", "4", *CHEAP),
    "vacancy": ("--supercell", "2", *CHEAP),
}


@pytest.mark.parametrize("name", [*COMMANDS, "barrier"])
def test_a_page_fits_and_can_be_read(run, browser, tmp_path, name):
    shutil.copy("copper.extxyz", LONG)
    files = ("hop-a.extxyz", "hop-b.extxyz") if name == "barrier" else (LONG,)
    options = COMMANDS.get(name, ("--keep-ends", "--images", "1", "--steps", "2"))
    code, _, err = run(name, *files, *options, "--output", "results")
    assert code == 0 or "not converged" in err, err
    page = Path(tmp_path, "results", f"{name}.html")
    for width in (390, 1280):
        browser.open(page, width=width)
        assert browser.run("document.documentElement.scrollWidth") <= width
    for dark in (False, True):
        browser.open(page, dark=dark)
        ratio, text = browser.worst_contrast()
        assert ratio >= 4.5, text
    assert browser.troubles == []
