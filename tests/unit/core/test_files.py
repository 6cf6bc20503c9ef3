"""Files are written whole, and never through a link that somebody left in a folder."""

from __future__ import annotations

import os
import signal

import pytest

from matsciml_core import files
from matsciml_core.errors import DataError


@pytest.fixture
def secret(tmp_path):
    """A file outside the folder, which must stay as it is."""
    path = tmp_path / "secret"
    path.write_text("mine")
    yield path
    assert path.read_text() == "mine"


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "stranger"
    path.mkdir()
    return path


def write_lines(stream):
    with stream:
        stream.write("new")


WRITERS = {
    "whole": lambda path: files.write_whole(path, b"new"),
    "json": lambda path: files.write_json(path, {"a": 1}),
    "text": lambda path: write_through(files.open_whole_text(path), "new"),
    "bytes": lambda path: write_through(files.open_whole(path), b"new"),
    "path": lambda path: write_to_path(path),
}


def write_through(opened, content):
    with opened as stream:
        stream.write(content)


def write_to_path(path):
    with files.replacing(path) as part:
        part.write_text("new")


@pytest.mark.parametrize("write", WRITERS.values(), ids=WRITERS)
class TestWholeFiles:
    def test_a_link_is_replaced_and_not_followed(self, write, folder, secret):
        target = folder / "report.html"
        target.symlink_to(secret)
        write(target)
        assert target.is_file()
        assert not target.is_symlink()

    def test_a_link_under_the_name_of_an_unfinished_file_is_not_used(self, write, folder, secret):
        for name in ("run.json.part", ".run.json.part"):
            (folder / name).symlink_to(secret)
        write(folder / "run.json")
        assert (folder / "run.json.part").is_symlink()

    def test_nothing_else_is_left(self, write, folder):
        write(folder / "run.json")
        assert [path.name for path in folder.iterdir()] == ["run.json"]

    def test_it_has_the_rights_of_any_new_file(self, write, folder):
        (folder / "plain").write_text("")
        write(folder / "run.json")
        assert (folder / "run.json").stat().st_mode == (folder / "plain").stat().st_mode

    def test_a_folder_and_a_pipe_are_no_targets(self, write, folder):
        (folder / "sub").mkdir()
        os.mkfifo(folder / "pipe")
        for name in ("sub", "pipe"):
            with pytest.raises(OSError):  # noqa: PT011 - the reason is the system's
                write(folder / name)
        assert {path.name for path in folder.iterdir()} == {"sub", "pipe"}

    def test_a_name_may_be_long(self, write, folder):
        write(folder / ("x" * 250))
        assert len(list(folder.iterdir())) == 1


def test_an_error_leaves_the_old_file(folder):
    target = folder / "run.json"
    target.write_text("old")
    with pytest.raises(TypeError), files.open_whole_text(target) as stream:
        stream.writelines(["half", None])
    assert target.read_text() == "old"
    assert list(folder.iterdir()) == [target]


def test_unfinished_names_differ_each_time(folder):
    names = set()
    for _ in range(20):
        with files.replacing(folder / "a") as part:
            names.add(part.name)
    assert len(names) == 20


def test_what_killed_writers_left_is_removed(folder, secret):
    (folder / ".a.0123456789abcdef.part").write_text("half")
    (folder / ".b.part").symlink_to(secret)
    (folder / "data.part").write_text("a download, which goes on")
    (folder / ".0123456789abcdef.part").mkdir()
    (folder / ".0123456789abcdef.part" / "b").write_text("half")
    files.remove_unfinished(folder)
    files.remove_unfinished(folder / "missing")
    assert [path.name for path in folder.iterdir()] == ["data.part"]


def test_ctrl_c_waits_until_all_is_moved(folder, monkeypatch):
    move = files.os.replace

    def interrupted(source, target):
        signal.raise_signal(signal.SIGINT)
        move(source, target)

    monkeypatch.setattr(files.os, "replace", interrupted)

    def deliver():
        with files.delivering(folder) as part:
            for name in ("a", "b"):
                (part / name).write_text(name)

    with pytest.raises(KeyboardInterrupt):
        deliver()
    assert sorted(path.name for path in folder.iterdir()) == ["a", "b"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


class TestAppending:
    def test_it_continues(self, folder):
        for text in ("a\n", "b\n"):
            with files.open_appending_text(folder / "log") as stream:
                stream.write(text)
        with files.open_appending(folder / "log") as stream:
            stream.write(b"c\n")
        assert (folder / "log").read_text() == "a\nb\nc\n"

    @pytest.mark.parametrize("opened", [files.open_appending, files.open_appending_text])
    def test_a_link_is_refused(self, folder, secret, opened):
        (folder / "log").symlink_to(secret)
        with pytest.raises(OSError, match="symbolic"):
            opened(folder / "log")

    @pytest.mark.parametrize("opened", [files.open_appending, files.open_appending_text])
    def test_a_pipe_does_not_make_it_wait(self, folder, opened):
        os.mkfifo(folder / "log")
        with pytest.raises(OSError):  # noqa: PT011 - the reason is the system's
            opened(folder / "log")

    def test_cutting_refuses_a_link(self, folder, secret):
        (folder / "log").symlink_to(secret)
        with pytest.raises(OSError, match="symbolic"):
            files.cut(folder / "log", 1)

    def test_cutting(self, folder):
        (folder / "log").write_text("abc")
        files.cut(folder / "log", 1)
        files.cut(folder / "log", 5)
        assert (folder / "log").read_text() == "a"


class TestCopies:
    def test_a_copy(self, folder):
        (folder / "a").write_text("content")
        files.copy_whole(folder / "a", folder / "b")
        assert (folder / "b").read_text() == "content"

    def test_a_private_file_is_not_copied_by_way_of_a_link(self, folder, secret):
        (folder / "a").symlink_to(secret)
        with pytest.raises(OSError, match="symbolic"):
            files.copy_whole(folder / "a", folder / "b")
        assert not (folder / "b").exists()

    def test_a_pipe_is_not_waited_for(self, folder):
        os.mkfifo(folder / "a")
        with pytest.raises(OSError, match="regular"):
            files.copy_whole(folder / "a", folder / "b")
        assert not (folder / "b").exists()


class TestForeignFolders:
    def test_plain_files_and_folders_are_fine(self, folder):
        (folder / "checkpoints").mkdir()
        (folder / "checkpoints" / "last.ckpt").write_text("")
        files.refuse_links(folder)

    def test_a_folder_may_be_reached_by_a_link_of_the_user(self, folder, tmp_path):
        (tmp_path / "latest").symlink_to(folder)
        files.refuse_links(tmp_path / "latest")

    @pytest.mark.parametrize("kind", ["file", "folder", "nothing"])
    def test_links_are_refused_wherever_they_lie(self, folder, tmp_path, secret, kind):
        target = {"file": secret, "folder": tmp_path, "nothing": tmp_path / "absent"}[kind]
        (folder / "checkpoints").mkdir()
        (folder / "checkpoints" / "x").symlink_to(target)
        with pytest.raises(DataError, match="is a link"):
            files.refuse_links(folder)

    def test_pipes_are_refused(self, folder):
        os.mkfifo(folder / "run.json")
        with pytest.raises(DataError, match="pipe"):
            files.refuse_links(folder)


class TestDelivery:
    def test_everything_gets_its_place_at_the_end(self, folder):
        (folder / "system").mkdir()
        (folder / "system" / "old").write_text("old")
        with files.delivering(folder) as part:
            (part / "a.csv").write_text("1")
            (part / "system").mkdir()
            (part / "system" / "new").write_text("new")
            assert not (folder / "a.csv").exists()
        assert sorted(path.name for path in folder.iterdir()) == ["a.csv", "system"]
        assert [path.name for path in (folder / "system").iterdir()] == ["new"]

    def test_nothing_is_left_of_what_failed(self, folder):
        def write():
            with files.delivering(folder) as part:
                (part / "a.csv").write_text("1")
                raise ValueError("halfway")

        with pytest.raises(ValueError, match="halfway"):
            write()
        assert list(folder.iterdir()) == []

    def test_a_link_is_replaced_and_not_followed(self, folder, secret):
        (folder / "a").symlink_to(secret)
        (folder / "b").symlink_to(secret.parent)
        with files.delivering(folder) as part:
            (part / "a").write_text("theirs")
            (part / "b").mkdir()
        assert not (folder / "a").is_symlink()
        assert (folder / "b").is_dir()


@pytest.mark.parametrize("way", WRITERS)
def test_an_error_names_the_file_that_was_asked_for(way, tmp_path):
    path = tmp_path / "nowhere" / "new"
    with pytest.raises(FileNotFoundError) as caught:
        WRITERS[way](path)
    assert caught.value.filename == str(path)


def test_an_error_names_the_folder_that_was_asked_for(tmp_path):
    with pytest.raises(FileNotFoundError) as caught, files.delivering(tmp_path / "nowhere"):
        pass
    assert caught.value.filename == str(tmp_path / "nowhere")
