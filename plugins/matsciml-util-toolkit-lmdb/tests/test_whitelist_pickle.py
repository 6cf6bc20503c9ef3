"""Other toolkits' pickles: plain data comes out, everything else is an error and nothing is run."""

from __future__ import annotations

import collections
import os
import pickle
import struct
import subprocess
from pathlib import Path

import lmdb
import numpy as np
import pytest
import torch

from matsciml_core.errors import DataError
from matsciml_util_toolkit_lmdb import pickle_machine
from matsciml_util_toolkit_lmdb.records import count_records, lmdb_files, read_records
from matsciml_util_toolkit_lmdb.whitelist_pickle import InertObject, load_plain


class Reduces:
    """Pickles as a call of any function."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


class Library:
    """Stands for a class of a foreign library."""

    def __init__(self, value=None):
        self.value = value


PROTOCOLS = range(pickle.HIGHEST_PROTOCOL + 1)


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize(
    "array",
    [
        np.arange(6.0).reshape(2, 3),
        np.asfortranarray(np.arange(6, dtype=np.int32).reshape(2, 3)),
        np.arange(4, dtype=">f4"),
        np.array([True, False]),
        np.array(["Fe", "Na"]),
        np.zeros((0, 3)),
        np.array(2.5),
        np.arange(24.0).reshape(4, 6)[::2, ::3],
    ],
)
def test_arrays(array, protocol):
    found = load_plain(pickle.dumps({"x": array}, protocol))["x"]
    assert found.shape == array.shape
    np.testing.assert_array_equal(found, array)


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize(
    "tensor",
    [
        torch.arange(6.0).reshape(2, 3),
        torch.arange(6).reshape(2, 3).T,
        torch.arange(10, dtype=torch.float64)[3:7],
        torch.tensor(1.5),
        torch.zeros(0, 3),
    ],
)
def test_tensors_become_arrays(tensor, protocol):
    found = load_plain(pickle.dumps([tensor], protocol))[0]
    assert isinstance(found, np.ndarray)
    np.testing.assert_array_equal(found, tensor.numpy())


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_plain_values(protocol):
    data = {
        "a": [1, 2.5, None, True, "Å", b"raw"],
        "t": (1, (2,)),
        "s": {1, 2},
        "o": collections.OrderedDict(x=1),
        "n": np.float64(-357.05872304),
        "i": np.int64(7),
        3: 4,
    }
    assert load_plain(pickle.dumps(data, protocol)) == data


@pytest.mark.parametrize(
    "function", [os.system, subprocess.call, eval, exec, open, __import__, getattr, print]
)
def test_no_function_is_called(tmp_path: Path, function):
    marker = tmp_path / "was-run"
    hostile = pickle.dumps({"pos": Reduces(function, f"touch {marker}")})
    with pytest.raises(
        DataError, match=r"asks for '.*', which is no plain data; nothing of it was"
    ):
        load_plain(hostile)
    assert not marker.exists()


def test_a_hostile_part_of_harmless_data_is_rejected_too(tmp_path: Path):
    marker = tmp_path / "was-run"
    data = [np.zeros(3), {"deep": [Reduces(os.system, f"touch {marker}")]}]
    with pytest.raises(DataError, match=r"'posix\.system'|'nt\.system'"):
        load_plain(pickle.dumps(data), where="Record 7")
    assert not marker.exists()


def test_arrays_of_objects_are_rejected(tmp_path: Path):
    marker = tmp_path / "was-run"
    array = np.array([Reduces(os.system, f"touch {marker}")], dtype=object)
    with pytest.raises(DataError):
        load_plain(pickle.dumps(array))
    assert not marker.exists()


def test_a_pickle_inside_a_tensor_is_rejected(tmp_path: Path):
    marker = tmp_path / "was-run"
    inside = pickle.dumps(Reduces(os.system, f"touch {marker}"))
    hostile = b"\x80\x02ctorch.storage\n_load_from_bytes\n(B" + struct.pack("<I", len(inside))
    with pytest.raises(DataError):
        load_plain(hostile + inside + b"tR.")
    assert not marker.exists()


def test_objects_of_libraries_are_rejected_unless_named():
    data = pickle.dumps(Library(3))
    module = Library.__module__.partition(".")[0]
    with pytest.raises(DataError, match="Library"):
        load_plain(data)
    found = load_plain(data, inert=[module])
    assert isinstance(found, InertObject)
    assert found.name.endswith("Library")
    assert found.state == {"value": 3}
    assert not isinstance(found, Library)


def test_inert_objects_hold_plain_data():
    data = pickle.dumps([Library(torch.ones(2))])
    (found,) = load_plain(data, inert=[Library.__module__.partition(".")[0]])
    np.testing.assert_array_equal(found.state["value"], np.ones(2))


def test_what_inert_classes_do_is_not_run(tmp_path: Path):
    marker = tmp_path / "was-run"
    data = pickle.dumps(Reduces(os.system, f"touch {marker}"))
    found = load_plain(data, inert=["posix", "nt"])
    assert isinstance(found, InertObject)
    assert found.arguments == (f"touch {marker}",)
    assert not marker.exists()


def tensor_pickle(offset, size, stride):
    class Rebuilds:
        def __reduce__(self):
            storage = torch.ones(4).storage()
            arguments = (storage, offset, size, stride, False, collections.OrderedDict())
            return torch._utils._rebuild_tensor_v2, arguments

    return pickle.dumps(Rebuilds())


@pytest.mark.filterwarnings("ignore:TypedStorage is deprecated")
@pytest.mark.parametrize(
    ("offset", "size", "stride"),
    [
        (2, (3,), (1,)),
        (0, (2,), (4,)),
        (-1, (2,), (1,)),
        (0, (1000, 1000), (0, 0)),
        (9, (1,), (1,)),
    ],
)
def test_tensors_that_reach_beyond_their_values_are_rejected(offset, size, stride):
    with pytest.raises(DataError, match=r"impossible shape|beyond its values"):
        load_plain(tensor_pickle(offset, size, stride))


class TestCrafted:
    """What a crafted pickle asks for beyond its own bytes is refused; none of these does harm."""

    def refuse(self, data, match):
        with pytest.raises(DataError, match=match):
            load_plain(data, inert=["library"])

    def test_a_stand_in_is_no_storage(self):
        """An object with the attributes of one would say itself where its values lie."""
        stand_in = b"clibrary\nStorage\n)\x81}(X\x05\x00\x00\x00valueK\x01ub"
        data = b"ctorch._utils\n_rebuild_tensor_v2\n(" + stand_in + b"K\x00K\x01\x85K\x01\x85tR."
        self.refuse(data, "without values of its own")

    def test_an_array_is_no_storage(self):
        """It could have any number of dimensions, and any order."""
        array = pickle.dumps(np.ones((2, 2)), 2)[2:-1]
        data = b"ctorch._utils\n_rebuild_tensor_v2\n(" + array + b"K\x00K\x01\x85K\x01\x85tR."
        self.refuse(data, "without values of its own")

    @pytest.mark.parametrize("kind", ["storage", "type", "array"])
    @pytest.mark.filterwarnings("ignore:TypedStorage is deprecated")
    def test_a_state_changes_no_shell(self, kind):
        """``value`` is what the shells call what they hold."""
        targets = {"type": np.dtype("f8"), "array": np.ones(2)}
        target = torch.ones(2).storage() if kind == "storage" else targets[kind]
        data = pickle.dumps(target, 2)[:-1] + b"}X\x05\x00\x00\x00valueK\x07sb."
        self.refuse(data, "a state of something|no tuple|filled twice")

    @pytest.mark.parametrize("value", [b"]", b"}", b"K\x01", b")"])
    def test_a_state_changes_no_container_either(self, value):
        self.refuse(b"\x80\x02" + value + b"}b.", "a state of something that has none")

    @pytest.mark.parametrize("kind", ["LongStorage", "BoolStorage"])
    def test_values_are_of_the_declared_type_and_number(self, kind):
        """Four halves that are declared as wider values would reach into what lies behind them."""
        data = pickle.dumps(torch.ones(4, dtype=torch.float16), 2)
        self.refuse(data.replace(b"HalfStorage\n", kind.encode() + b"\n"), "number of values")

    def test_a_storage_of_objects_is_refused(self):
        data = pickle.dumps(torch.ones(4, dtype=torch.float16), 2)
        self.refuse(data.replace(b"HalfStorage\n", b"SomeStorage\n"), "a tensor of 'torch.Som")

    @pytest.mark.parametrize("shape", [(3,), (-1,), (2**62, 2**62), (1,) * 33, (True,)])
    def test_the_bytes_of_an_array_fill_its_shape(self, shape):
        data = pickle.dumps(Reduces(np._core.numeric._frombuffer, b"12345678", np.dtype("f8")), 4)
        arguments = pickle.dumps((b"12345678", np.dtype("f8"), shape, "C"), 4)
        name = data[: data.index(b"\x93") + 1]
        self.refuse(name + arguments[11:-1] + b"R.", "fill its shape|impossible shape|dimensions")

    def test_memory_is_counted(self):
        """One text of a thousand bytes, and a hundred arrays of it."""
        array = b"cnumpy.core.numeric\n_frombuffer\n(h\x01h\x02M\xe8\x03X\x01\x00\x00\x00CtR"
        content = b"T\xe8\x03\x00\x00" + b"x" * 1000 + b"q\x01"
        kind = b"cnumpy\ndtype\n(X\x02\x00\x00\x00u1K\x00K\x01tRq\x02"
        few = b"\x80\x02](" + content + kind + 4 * array + b"e."
        assert len(load_plain(few)) == 6
        many = b"\x80\x02](" + content + kind + 1000 * array + b"e."
        self.refuse(many, "many times the memory")

    def test_shared_lists_are_counted_as_often_as_they_are_named(self, monkeypatch):
        """Fifty lists of two lists would be a million billion values."""
        data = b"\x80\x02]" + b"q\x00](h\x00h\x00e" * 50 + b"."
        self.refuse(data, "too many values")

    def test_shared_values_stay_shared(self):
        shared = [1.5]
        first, second = load_plain(pickle.dumps((shared, shared)))
        assert first is second

    def test_a_list_that_holds_itself_is_refused(self):
        data = []
        data.append(data)
        self.refuse(pickle.dumps(data), "nested too deeply")

    @pytest.mark.parametrize("put", [b"r", b"p2147483647\n"])
    def test_an_index_costs_nothing(self, put):
        """Python's own reader makes room for every index up to this one."""
        put += b"\xff\xff\xff\x7f" if put == b"r" else b""
        get = b"j\xff\xff\xff\x7f"
        assert load_plain(b"\x80\x02K\x05" + put + b"0" + get + b".") == 5

    def test_instructions_are_counted(self, monkeypatch):
        monkeypatch.setattr(pickle_machine, "MOST_STEPS", 100)
        self.refuse(pickle.dumps([[] for _ in range(200)]), "too many instructions")


def test_the_memory_of_old_records_suffices():
    """Tensors of one storage are each a copy; no record of a toolkit comes near the bound."""
    record = {"pos": torch.ones(50, 3), "z": np.arange(50), "cell": torch.eye(3)[None]}
    assert load_plain(pickle.dumps(record, 2))["pos"].shape == (50, 3)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"not a pickle",
        pickle.dumps([1, 2])[:-3],
        b"\x80\x04\x95" + bytes(8) + b"r\xff\xff\xff\x7f.",
        b"cos\nsystem\n(S'true'\ntR.",
        b"(S'true'\nios\nsystem\n.",
        b"\x82\x01.",
        b"Pname\n.",
        b"\x80\x02]" + b"]" * 500 + b"a" * 500 + b".",
    ],
)
def test_damaged_and_strange_pickles_are_one_sentence(data):
    with pytest.raises(DataError, match=r"^Record 3 is a (damaged )?pickle"):
        load_plain(data, where="Record 3")


def write(path: Path, records: dict[bytes, bytes]) -> Path:
    environment = lmdb.open(str(path), subdir=False, lock=False)
    with environment, environment.begin(write=True) as transaction:
        for key, value in records.items():
            transaction.put(key, value)
    return path


class TestFiles:
    def test_records_come_in_numerical_order_without_what_is_no_record(self, tmp_path: Path):
        records = {str(k).encode(): pickle.dumps(k) for k in range(12)}
        records[b"length"] = pickle.dumps(12)
        file = write(tmp_path / "a.lmdb", records)
        assert [value for _, value in read_records([file])] == list(range(12))
        assert [key for key, _ in read_records([file], start=10)] == ["10", "11"]
        assert count_records([file]) == 12

    def test_a_folder_of_files_is_read_file_by_file(self, tmp_path: Path):
        for name in ("b", "a"):
            write(tmp_path / f"{name}.lmdb", {b"0": pickle.dumps(name), b"1": pickle.dumps(1)})
        files = lmdb_files(tmp_path)
        assert [key for key, _ in read_records(files, start=1)] == ["a/1", "b/0", "b/1"]

    def test_a_hostile_record_is_named(self, tmp_path: Path):
        marker = tmp_path / "was-run"
        hostile = pickle.dumps(Reduces(os.system, f"touch {marker}"))
        file = write(tmp_path / "a.lmdb", {b"0": pickle.dumps(1), b"1": hostile})
        with pytest.raises(DataError, match=r"Record 1 of '.*a\.lmdb' is a pickle that asks for"):
            list(read_records([file]))
        assert not marker.exists()

    def test_nothing_to_read(self, tmp_path: Path):
        with pytest.raises(DataError, match="holds no LMDB file"):
            lmdb_files(tmp_path)

    def test_a_file_that_is_no_lmdb(self, tmp_path: Path):
        file = tmp_path / "a.lmdb"
        file.write_bytes(b"x" * 9000)
        with pytest.raises(DataError, match="cannot be read as LMDB"):
            list(read_records([file]))
