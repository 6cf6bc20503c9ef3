"""Members of archives are unpacked under the caller's names, whole, and once."""

from __future__ import annotations

import io
import tarfile
import zipfile
from types import SimpleNamespace

import pytest

from matsciml_core.errors import DataError, FetchError
from matsciml_util_sources import archive as archive_module
from matsciml_util_sources.archive import unpack

CONTENT = bytes(range(256)) * 500


def pack_zip(path, members):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)


def pack_tar(path, members):
    with tarfile.open(path, "w:xz") as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
        link = tarfile.TarInfo("evil.lmdb")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)


@pytest.fixture(params=[pack_zip, pack_tar], ids=["zip", "tar"])
def archive(request, tmp_path):
    path = tmp_path / "archive"
    request.param(path, {"../../up.lmdb": CONTENT, "in/read.me": b"x", "in/b.lmdb": b"b"})
    return path


def rename(member):
    return member.replace("/", "-").lstrip(".-") if member.endswith(".lmdb") else None


def test_members_stay_in_the_folder_and_links_are_left_out(archive, tmp_path):
    folder = tmp_path / "out"
    files = unpack(archive, folder, rename)
    assert [file.name for file in files] == ["in-b.lmdb", "up.lmdb"]
    assert {file.name for file in folder.iterdir()} == {"in-b.lmdb", "unpacked.json", "up.lmdb"}
    assert (folder / "up.lmdb").read_bytes() == CONTENT
    assert not list(tmp_path.parent.glob("up.lmdb"))


def test_what_is_there_is_left_alone_and_what_was_cut_off_is_not(archive, tmp_path):
    folder = tmp_path / "out"
    unpack(archive, folder, rename)
    before = (folder / "in-b.lmdb").stat().st_mtime_ns
    (folder / "up.lmdb").write_bytes(CONTENT[:7])
    unpack(archive, folder, rename)
    assert (folder / "in-b.lmdb").stat().st_mtime_ns == before
    assert (folder / "up.lmdb").read_bytes() == CONTENT


def test_an_archive_is_not_read_a_second_time(archive, tmp_path, monkeypatch):
    folder = tmp_path / "out"
    files = unpack(archive, folder, rename)
    monkeypatch.setattr("matsciml_util_sources.archive._members", None)
    assert unpack(archive, folder, rename) == files
    (folder / "up.lmdb").unlink()
    with pytest.raises(TypeError):
        unpack(archive, folder, rename)


def test_a_caller_cannot_lead_out_of_the_folder_either(archive, tmp_path):
    unpack(archive, tmp_path / "out", lambda member: f"../{member}")
    assert {file.name for file in (tmp_path / "out").iterdir()} >= {"up.lmdb", "b.lmdb"}


def test_a_damaged_archive_is_one_sentence(archive, tmp_path):
    archive.write_bytes(archive.read_bytes()[:200])
    with pytest.raises(FetchError, match="cannot be unpacked"):
        unpack(archive, tmp_path / "out", rename)


def test_a_member_that_is_larger_than_it_says_is_refused(tmp_path):
    path = tmp_path / "bomb.zip"
    pack_zip(path, {"a.lmdb": b"0" * 5000})
    # The sizes in the two headers of the member, four bytes each, become 10.
    content = path.read_bytes().replace((5000).to_bytes(4, "little"), (10).to_bytes(4, "little"))
    path.write_bytes(content)
    with pytest.raises(FetchError, match="cannot be unpacked"):
        unpack(path, tmp_path / "out", rename)
    assert not (tmp_path / "out" / "a.lmdb").exists()


def test_a_disk_that_is_too_small_is_noticed_before(archive, tmp_path, monkeypatch):
    usage = SimpleNamespace(free=10)
    monkeypatch.setattr("matsciml_util_sources.archive.shutil.disk_usage", lambda path: usage)
    with pytest.raises(FetchError, match=r"GB free, but .* needs"):
        unpack(archive, tmp_path / "out", rename)


def pack_members(path, members):
    """Write a zip that holds names as they are, duplicates included."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members:
            archive.writestr(name, content)


def test_an_archive_replaced_under_the_same_name_and_size_is_unpacked_anew(tmp_path):
    path, folder = tmp_path / "a.zip", tmp_path / "out"
    pack_members(path, [("a.lmdb", b"old"), ("b.lmdb", b"one")])
    unpack(path, folder, rename)
    size = path.stat().st_size
    pack_members(path, [("a.lmdb", b"new"), ("b.lmdb", b"two")])
    assert path.stat().st_size == size
    unpack(path, folder, rename)
    assert (folder / "a.lmdb").read_bytes() == b"new"
    assert (folder / "b.lmdb").read_bytes() == b"two"


def test_files_of_an_unknown_archive_are_replaced(tmp_path):
    path, folder = tmp_path / "a.zip", tmp_path / "out"
    folder.mkdir()
    (folder / "a.lmdb").write_bytes(b"old")
    pack_members(path, [("a.lmdb", b"new")])
    unpack(path, folder, rename)
    assert (folder / "a.lmdb").read_bytes() == b"new"


def test_an_interrupted_call_continues_with_the_same_archive_only(tmp_path, monkeypatch):
    path, folder = tmp_path / "a.zip", tmp_path / "out"

    def stop(stream, target, size, write=archive_module._write):
        if target.name == "b.lmdb":
            raise KeyboardInterrupt
        write(stream, target, size)

    pack_members(path, [("a.lmdb", b"old"), ("b.lmdb", b"one")])
    with monkeypatch.context() as patch:
        patch.setattr(archive_module, "_write", stop)
        with pytest.raises(KeyboardInterrupt):
            unpack(path, folder, rename)
    before = (folder / "a.lmdb").stat().st_mtime_ns
    unpack(path, folder, rename)
    assert (folder / "a.lmdb").stat().st_mtime_ns == before
    assert not (folder / "unpacking.jsonl").exists()


@pytest.mark.parametrize(
    "name", ["..", ".hidden", "x.part", "unpacked.json", "unpacking.jsonl", "a\x1b[2J", "a.lock"]
)
def test_names_of_our_own_bookkeeping_are_refused(tmp_path, name):
    path = tmp_path / "a.zip"
    pack_members(path, [("member", b"x")])
    with pytest.raises(FetchError, match="no name for data") as error:
        unpack(path, tmp_path / "out", lambda member: name)
    assert "\x1b" not in str(error.value)


def test_a_link_that_waits_for_the_unpacked_file_is_refused(archive, tmp_path):
    outside, folder = tmp_path / "outside", tmp_path / "out"
    outside.write_bytes(b"mine")
    folder.mkdir()
    (folder / "up.lmdb").symlink_to(outside)
    with pytest.raises(DataError, match="link"):
        unpack(archive, folder, rename)
    assert outside.read_bytes() == b"mine"
