"""Output is never written over what is there unasked, nor over the input."""

from __future__ import annotations

import errno

import pytest

from matsciml_cli.failures import USAGE, report
from matsciml_cli.outputs import check_output
from matsciml_core.errors import ConfigError


class TestOutput:
    def test_that_exists_is_kept_unless_asked(self, tmp_path):
        file = tmp_path / "out.csv"
        file.write_text("mine")
        with pytest.raises(ConfigError, match=r"out\.csv' exists; give --replace, or name another"):
            check_output(file, replace=False)
        check_output(file, replace=True)
        assert file.read_text() == "mine"

    def test_that_is_the_input_is_never_replaced(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        (tmp_path / "in.extxyz").write_text("mine")
        (tmp_path / "link.extxyz").symlink_to("in.extxyz")
        from pathlib import Path

        for name in ("in.extxyz", "./in.extxyz", "link.extxyz", str(tmp_path / "in.extxyz")):
            for replace in (True, False):
                with pytest.raises(ConfigError, match="is what the command reads"):
                    check_output(Path(name), replace=replace, inputs=[tmp_path / "in.extxyz"])

    def test_what_a_killed_command_left_of_it_is_removed_and_nothing_else(self, tmp_path):
        random = "0123456789abcdef.part"
        site = tmp_path / "site"
        (site / f".{random}").mkdir(parents=True)
        others = [f".other.csv.{random}", f".{random}", "out.csv.part", ".out.csv.part"]
        for name in (f".out.csv.{random}", *others):
            (tmp_path / name).write_text("half")
        check_output(tmp_path / "out.csv", replace=False)
        check_output(site, replace=False)
        assert {path.name for path in tmp_path.iterdir()} == {"site", *others}
        assert not list(site.iterdir())

    def test_an_empty_folder_is_nothing(self, tmp_path):
        (tmp_path / "site").mkdir()
        check_output(tmp_path / "site", replace=False)
        (tmp_path / "site" / "index.html").write_text("mine")
        with pytest.raises(ConfigError, match="exists"):
            check_output(tmp_path / "site", replace=False)

    def test_that_cannot_be_written_is_one_sentence(self, tmp_path):
        (tmp_path / "file").write_text("")
        for place in (tmp_path / "file" / "out.csv", tmp_path / ("x" * 300) / "out.csv"):
            with pytest.raises(ConfigError, match="cannot be written"):
                check_output(place, replace=True)

    def test_makes_the_folders_above_it(self, tmp_path):
        check_output(tmp_path / "a" / "b" / "out.csv", replace=False)
        assert (tmp_path / "a" / "b").is_dir()


@pytest.mark.parametrize(
    "number", [errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.ENOTDIR, errno.EISDIR]
)
def test_what_a_disk_refuses_is_no_fault_of_the_program(capsys, number):
    import os

    assert report(OSError(number, os.strerror(number), "/data/out.csv")) == USAGE
    text = capsys.readouterr().err
    assert text.startswith("Error: '/data/out.csv' cannot be")
    assert text.count("\n") == 1
    assert "unexpected" not in text
