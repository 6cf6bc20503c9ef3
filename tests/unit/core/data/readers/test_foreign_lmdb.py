"""LMDB files of others are read in a process of their own, whose end is a sentence."""

from __future__ import annotations

import os
import random

import lmdb
import pytest

from matsciml_core.data.readers import foreign_lmdb
from matsciml_core.data.readers.foreign_lmdb import count_lmdb, read_lmdb
from matsciml_core.errors import DataError


def write(path, records):
    with (
        lmdb.open(str(path), subdir=False, lock=False, map_size=1 << 26) as environment,
        environment.begin(write=True) as transaction,
    ):
        for key, value in records.items():
            transaction.put(key, value)
    return path


@pytest.fixture
def file(tmp_path):
    records = {str(key).encode(): bytes([key]) * 5000 for key in range(12)}
    return write(tmp_path / "a.lmdb", {**records, b"length": b"12"})


@pytest.fixture
def child(tmp_path, monkeypatch):
    """Give a function that replaces the child by lines of Python of ours."""

    def replace(code):
        path = tmp_path / "child.py"
        path.write_text(code)
        monkeypatch.setattr(foreign_lmdb, "_CHILD", path)

    return replace


def test_records_come_in_numerical_order_and_others_are_passed_over(file):
    assert [key for key, _ in read_lmdb(file)] == [str(key) for key in range(12)]
    assert dict(read_lmdb(file, start=10)) == {"10": b"\n" * 5000, "11": b"\x0b" * 5000}
    assert count_lmdb(file) == 12


def test_a_file_made_for_terabytes_is_no_trouble(tmp_path):
    path = tmp_path / "large.lmdb"
    with (
        lmdb.open(str(path), subdir=False, lock=False, map_size=1 << 40) as environment,
        environment.begin(write=True) as transaction,
    ):
        transaction.put(b"0", b"x")
    assert list(read_lmdb(path)) == [("0", b"x")]


def test_the_caller_may_stop_early(file):
    records = read_lmdb(file)
    assert next(records)[0] == "0"
    records.close()


@pytest.mark.parametrize("call", [count_lmdb, lambda file: list(read_lmdb(file))])
class TestDamage:
    def test_a_file_that_ends_within_a_page_is_not_opened(self, file, call, child):
        child("raise SystemExit('it was started')")
        os.truncate(file, file.stat().st_size - 1)
        with pytest.raises(DataError, match=r"no whole pages; it was cut off.* says that it has"):
            call(file)

    @pytest.mark.parametrize("content", [b"", b"x" * 9000, bytes(8192)])
    def test_what_is_no_lmdb_is_not_opened(self, tmp_path, call, child, content):
        child("raise SystemExit('it was started')")
        path = tmp_path / "a.lmdb"
        path.write_bytes(content)
        with pytest.raises(DataError, match="cannot be read as LMDB"):
            call(path)

    def test_a_child_that_dies_is_a_sentence(self, file, call, child):
        """As by the signal that reading behind the end of a mapped file gives."""
        child("import os, signal; os.kill(os.getpid(), signal.SIGBUS)")
        with pytest.raises(DataError, match=r"reading it ended a process by signal \d+.*; it is"):
            call(file)

    def test_a_child_that_refuses_says_why(self, file, call, child):
        child("import sys; sys.exit('MDB_CORRUPTED: a page was not found')")
        with pytest.raises(DataError, match="MDB_CORRUPTED: a page was not found"):
            call(file)


def test_a_child_that_dies_in_the_middle_is_noticed(file, child):
    child(
        "import os, struct, sys\n"
        "sys.stdout.buffer.write(struct.pack('<qQ', 1, 3) + b'0abc' + struct.pack('<qQ', 1, 9))\n"
        "sys.stdout.flush()\n"
        "os.abort()\n"
    )
    records = read_lmdb(file)
    assert next(records) == ("0", b"abc")
    with pytest.raises(DataError, match="by signal 6"):
        next(records)


def test_a_record_beyond_any_use_is_refused(file, monkeypatch):
    monkeypatch.setattr(foreign_lmdb, "LARGEST_RECORD", 4999)
    with pytest.raises(DataError, match="which none of a crystal does"):
        list(read_lmdb(file))


def test_the_memory_of_the_child_is_limited(tmp_path, monkeypatch):
    pytest.importorskip("resource")
    path = write(tmp_path / "many.lmdb", {str(key).encode(): b"" for key in range(100_000)})
    assert count_lmdb(path) == 100_000
    monkeypatch.setattr(foreign_lmdb, "_MEMORY", 1 << 20)
    with pytest.raises(DataError, match="cannot be read as LMDB"):
        count_lmdb(path)


def short_file(path):
    """Write a sound file that is shorter than its last page; pages were given back unwritten."""
    for seed in range(5000):
        path.unlink(missing_ok=True)
        numbers = random.Random(seed)
        with lmdb.open(str(path), subdir=False, lock=False, sync=False) as environment:
            for _ in range(numbers.randint(1, 4)):
                with environment.begin(write=True) as transaction:
                    for _ in range(numbers.randint(1, 60)):
                        key = str(numbers.randint(0, 99)).encode()
                        if numbers.random() < 0.45:
                            transaction.delete(key)
                        else:
                            transaction.put(key, bytes(numbers.choice((10, 500, 3000, 9000))))
            pages, size = environment.info()["last_pgno"] + 1, environment.stat()["psize"]
            count = environment.stat()["entries"]
        if path.stat().st_size < pages * size:
            return count
    pytest.skip("this LMDB writes every page")


def test_a_sound_file_may_be_shorter_than_its_last_page(tmp_path):
    path = tmp_path / "short.lmdb"
    count = short_file(path)
    assert count_lmdb(path) == count
    assert len(list(read_lmdb(path))) == count


def test_of_a_short_file_nothing_is_believed_before_all_of_it_was_read(tmp_path, child):
    path = tmp_path / "short.lmdb"
    short_file(path)
    child("import sys; sys.exit(f'asked to {sys.argv[2]}')")
    with pytest.raises(DataError, match="asked to check"):
        list(read_lmdb(path))
