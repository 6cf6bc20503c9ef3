"""Compressed files have bounds with a setting; here they are small, and the files harmless."""

from __future__ import annotations

import gzip

import pytest

from matsciml_core.data import limits
from matsciml_core.data.readers.input_file import COMPRESSIONS, InputFile
from matsciml_core.errors import ConfigError, DataError


@pytest.mark.parametrize("ending", sorted(COMPRESSIONS))
def test_a_file_that_unpacks_to_more_than_its_size_allows(tmp_path, monkeypatch, ending):
    monkeypatch.setattr(limits, "_FREE", 1000)
    monkeypatch.setattr(limits, "_RATIO", 2)
    path = tmp_path / f"a.xyz{ending}"
    with COMPRESSIONS[ending](path, "wb") as stream:
        stream.write(bytes(100_000))
    with InputFile(path).open() as stream, pytest.raises(DataError, match="times its size; if"):
        stream.read()
    with InputFile(path).open_text() as stream, pytest.raises(DataError, match="unpacks to more"):
        stream.read()


def test_no_more_is_unpacked_than_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr(limits, "_FREE", 1 << 21)
    monkeypatch.setattr(limits, "_RATIO", 0)
    path = tmp_path / "a.gz"
    path.write_bytes(gzip.compress(bytes(1 << 22)))
    with InputFile(path).open() as stream:
        assert stream.read(1000) == bytes(1000)


def test_a_setting_replaces_the_ratio(tmp_path, monkeypatch):
    monkeypatch.setattr(limits, "_FREE", 10)
    monkeypatch.setattr(limits, "_RATIO", 0)
    path = tmp_path / "a.gz"
    path.write_bytes(gzip.compress(bytes(5000)))
    monkeypatch.setenv(limits.LARGEST_UNPACKED, "1")
    with InputFile(path).open() as stream:
        assert len(stream.read()) == 5000
    monkeypatch.setenv(limits.LARGEST_UNPACKED, "0.000001")  # a kilobyte
    with InputFile(path).open() as stream, pytest.raises(DataError, match="MATSCIML_LARGEST"):
        stream.read()


def test_ordinary_files_of_numbers_are_far_from_the_bound(tmp_path):
    path = tmp_path / "a.gz"
    path.write_bytes(gzip.compress(b"1\nid=1\nH 0.0 0.0 0.0\n" * 100_000))
    with InputFile(path).open() as stream:
        assert len(stream.read()) == 2_100_000


@pytest.mark.parametrize("text", ["0", "-1", "many", "inf", "nan"])
def test_a_setting_that_is_no_size(monkeypatch, text):
    monkeypatch.setenv(limits.LARGEST_UNPACKED, text)
    with pytest.raises(ConfigError, match="number of GiB"):
        limits.limit(limits.LARGEST_UNPACKED, 1.0)
