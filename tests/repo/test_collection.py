"""No test module disappears."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_a_test_module_that_cannot_be_imported_is_an_error(tmp_path):
    """With doctests of modules, pytest would skip it and say no more."""
    folder = tmp_path / "tests"
    folder.mkdir()
    (folder / "test_broken.py").write_text("from matsciml_core import no_such_name\n")
    (tmp_path / "conftest.py").write_text((ROOT / "conftest.py").read_text(encoding="utf-8"))
    options = ["--import-mode=importlib", "--doctest-modules", "--doctest-ignore-import-errors"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", *options, str(folder)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2, done.stdout
    assert "ImportError" in done.stdout


def test_doctests_of_sources_are_collected(tmp_path):
    (tmp_path / "source.py").write_text('"""Add.\n\n>>> 1 + 1\n2\n"""\n')
    (tmp_path / "conftest.py").write_text((ROOT / "conftest.py").read_text(encoding="utf-8"))
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "--doctest-modules", str(tmp_path / "source.py")],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "1 passed" in done.stdout
