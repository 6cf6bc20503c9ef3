"""Members of archives are unpacked under the caller's names, whole, and once."""

from __future__ import annotations

import io
import tarfile
import zipfile
from types import SimpleNamespace

import pytest

from matsciml_core.errors import FetchError
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
