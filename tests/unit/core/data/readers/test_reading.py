"""One function reads whatever a plugin has a reader for; which reader that is follows a rule."""

from __future__ import annotations

import bz2
import gzip
import lzma
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from matsciml_core.data.ingestion.sources import Rejection
from matsciml_core.data.readers import Frame, InputFile, Naming, Record, name_of, read, to_crystals
from matsciml_core.data.readers.input_file import COMPRESSIONS, CompressedError
from matsciml_core.errors import ConfigError, DataError, DuplicateNameError, UnknownNameError
from matsciml_core.interfaces.crystal import Crystal
from matsciml_core.registry.manager import Registry, build_registry

PLUGIN = """
    from matsciml_core import ReaderSpec, hookimpl

    @hookimpl
    def matsciml_readers():
        yield ReaderSpec(
            name="{name}", summary="Lines.", class_path="{{package}}.lines:LinesReader", {fields}
        )
"""
LINES = """
    from functools import partial

    from matsciml_core import Config
    from matsciml_core.data.ingestion.sources import Rejection
    from matsciml_core.data.readers import Deferred, Frame, Reader

    class LinesConfig(Config):
        edge: float = 3.0

    def frame(name, symbol, edge):
        if symbol == "deferred-error":
            raise RuntimeError("no")
        cell = [[edge, 0, 0], [0, edge, 0], [0, 0, edge]]
        return Frame(name=name, atomic_numbers=[int(symbol)], positions=[[0, 0, 0]], cell=cell)

    def is_lines(path, head):
        return path.is_dir() and (path / "lines.index").exists() or head.startswith(b"LINES")

    def broken(path, head):
        raise RuntimeError("the detector is broken")

    class LinesReader(Reader):
        def read(self, file):
            edge = 3.0 if self.config is None else self.config.edge
            if file.path.is_dir():
                file = type(file)(file.path / "lines.index")
            with file.open_text() as stream:
                for index, line in enumerate(stream):
                    word, name = line.strip(), f"{file.stem}-{index:06d}"
                    if word == "LINES":
                        continue
                    if word == "error":
                        raise ValueError("a bad line")
                    if word == "reject":
                        yield Rejection(name, "It says so.")
                    else:
                        yield Deferred(name, partial(frame, name, word, edge))
"""


@pytest.fixture
def offer(plugin_folder: Any) -> Callable[..., Registry]:
    """Add a distribution that offers a reader, and return the registry of all that were added."""

    def add(name: str, fields: str = 'suffixes=(".lines",)', owner: str = "") -> Registry:
        distribution = f"matsciml-reader-{owner or name}"
        source = PLUGIN.format(name=name, fields=fields)
        plugin_folder.add(distribution, source, modules={"lines": LINES})
        return build_registry(path=plugin_folder.search)

    return add


def write(folder: Path, name: str, text: str = "11\n17\n") -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def numbers(records: Any) -> list[Any]:
    return [
        one.reason if isinstance(one, Rejection) else np.asarray(one.atomic_numbers).tolist()
        for one in records
    ]


class TestChoice:
    def test_by_suffix_whatever_its_case(self, offer: Any, tmp_path: Path) -> None:
        registry = offer("lines")
        for name in ("a.lines", "B.LINES"):
            assert numbers(read(write(tmp_path, name), registry=registry)) == [[11], [17]]

    def test_by_name_before_suffix(self, offer: Any, tmp_path: Path) -> None:
        offer("other", 'suffixes=(".lines",)')
        registry = offer("lines", 'file_names=("atoms*.lines",)')
        assert chosen(write(tmp_path, "Atoms-1.lines"), registry) == "lines"
        assert chosen(write(tmp_path, "x.lines"), registry) == "other"

    def test_by_the_longest_suffix(self, offer: Any, tmp_path: Path) -> None:
        offer("other", 'suffixes=(".json",)')
        registry = offer("lines", 'suffixes=(".lines.json",)')
        assert chosen(write(tmp_path, "x.lines.json"), registry) == "lines"
        assert chosen(write(tmp_path, "x.json"), registry) == "other"

    def test_by_content_before_name(self, offer: Any, tmp_path: Path) -> None:
        offer("general")
        registry = offer("lines", 'suffixes=(".lines",), detect="{package}.lines:is_lines"')
        assert chosen(write(tmp_path, "x.lines", "LINES\n11\n"), registry) == "lines"
        assert chosen(write(tmp_path, "y.lines"), registry) == "general"

    def test_by_content_where_the_name_says_nothing(self, offer: Any, tmp_path: Path) -> None:
        registry = offer("lines", 'detect="{package}.lines:is_lines"')
        assert chosen(write(tmp_path, "x.dat", "LINES\n11\n"), registry) == "lines"
        with pytest.raises(ConfigError, match=r"cannot be told from its name or content.*extxyz"):
            read(write(tmp_path, "y.dat"), registry=registry)

    def test_a_detector_that_fails_claims_nothing(self, offer: Any, tmp_path: Path) -> None:
        offer("general")
        registry = offer("lines", 'suffixes=(".lines",), detect="{package}.lines:broken"')
        assert chosen(write(tmp_path, "x.lines"), registry) == "general"

    def test_two_that_claim_a_file(self, offer: Any, tmp_path: Path) -> None:
        offer("one")
        registry = offer("two")
        path = write(tmp_path, "x.lines")
        with pytest.raises(ConfigError, match="may be of the formats one, two; name one of them"):
            read(path, registry=registry)
        assert numbers(read(path, "two", registry=registry)) == [[11], [17]]

    def test_two_of_one_name(self, offer: Any, tmp_path: Path) -> None:
        offer("lines", owner="a")
        registry = offer("lines", owner="b")
        with pytest.raises(DuplicateNameError, match=r"matsciml-reader-a .* matsciml-reader-b"):
            read(write(tmp_path, "x.lines"), registry=registry)

    def test_an_unknown_format(self, offer: Any, tmp_path: Path) -> None:
        registry = offer("lines")
        with pytest.raises(UnknownNameError, match=r"no reader 'line'. Did you mean 'lines'\?"):
            read(write(tmp_path, "x.lines"), "line", registry=registry)

    def test_nothing_there(self, offer: Any, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match="does not exist"):
            read(tmp_path / "absent.lines", registry=offer("lines"))

    def test_nothing_of_it_is_installed(self, offer: Any, tmp_path: Path) -> None:
        registry = offer("lines")
        with pytest.raises(ConfigError, match=r"pip install matsciml-reader-pymatgen"):
            read(write(tmp_path, "salt.cif"), registry=registry)
        with pytest.raises(ConfigError, match=r"pip install matsciml-reader-pymatgen"):
            read(write(tmp_path, "POSCAR_1"), registry=registry)

    def test_the_core_reads_extended_xyz_alone(self, tmp_path: Path) -> None:
        path = write(tmp_path, "x.xyz", "1\n\nH 0 0 0\n")
        assert numbers(read(path, registry=build_registry(only=[]))) == [[1]]


def chosen(path: Path, registry: Registry) -> str:
    from matsciml_core.data.readers import find_reader

    return find_reader(path, registry).name


class TestFolders:
    FIELDS = 'suffixes=(".lines",), folder_files=("*.lines", "*/LINES")'

    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        """Return a folder without the plugins of the test."""
        path = tmp_path / "files"
        path.mkdir()
        return path

    def test_files_in_order(self, offer: Any, folder: Path) -> None:
        for name, text in (("b.lines", "2\n"), ("a.LINES", "1\n"), ("c/lines", "3\n")):
            write(folder, name, text)
        (folder / "d.lines.gz").write_bytes(gzip.compress(b"4\n"))
        write(folder, "table.csv", "id,energy\n")
        found = read(folder, registry=offer("lines", self.FIELDS))
        passed_over = "Its format is none that is read from a folder; name the file."
        assert numbers(found) == [[1], [2], [3], [4], passed_over]

    def test_one_broken_file_costs_no_other(self, offer: Any, folder: Path) -> None:
        write(folder, "a.lines", "error\n")
        write(folder, "b.lines", "2\n")
        found = list(read(folder, registry=offer("lines", self.FIELDS)))
        assert found[0].id == "a.lines"  # type: ignore[union-attr]
        assert "cannot be read as lines" in numbers(found)[0]
        assert numbers(found)[1:] == [[2]]

    def test_files_of_two_formats(self, offer: Any, folder: Path) -> None:
        write(folder, "a.lines", "1\n")
        write(folder, "b.other", "2\n")
        offer("other", 'folder_files=("*.other",)')
        registry = offer("lines", self.FIELDS)
        assert numbers(read(folder, registry=registry)) == [[1], [2]]
        found = list(read(folder, "lines", registry=registry))
        assert numbers(found)[0] == [1]
        assert isinstance(found[1], Rejection)
        assert found[1].id == "b.other"

    def test_a_file_that_two_claim_is_counted(self, offer: Any, folder: Path) -> None:
        write(folder, "a.lines")
        offer("other", self.FIELDS)
        found = list(read(folder, registry=offer("lines", self.FIELDS)))
        assert numbers(found) == ["It may be of several formats (lines, other)."]

    def test_one_calculation_is_read_once(self, offer: Any, folder: Path) -> None:
        write(folder, "run/a.lines", "1\n")
        write(folder, "run/a.other", "2\n")
        offer("other", 'folder_files=("*/*.other",)')
        registry = offer("lines", 'folder_files=("*/*.lines",), supersedes=("other",)')
        found = numbers(read(folder, registry=registry))
        assert found == [[1], "The same calculation is read from its lines file."]

    def test_a_folder_that_is_one_file(self, offer: Any, folder: Path) -> None:
        write(folder, "lines.index")
        registry = offer("lines", 'detect="{package}.lines:is_lines"')
        assert numbers(read(folder, registry=registry)) == [[11], [17]]

    def test_an_empty_folder(self, offer: Any, folder: Path) -> None:
        registry = offer("lines", self.FIELDS)
        with pytest.raises(
            ConfigError, match=r"no files of a format that is read .* \(extxyz, lines\)"
        ):
            read(folder, registry=registry)
        with pytest.raises(ConfigError, match="no file of the format 'extxyz'"):
            read(folder, "extxyz", registry=registry)

    def test_a_folder_of_folders_names_the_one_that_is_meant(
        self, offer: Any, folder: Path
    ) -> None:
        write(folder, "deep/er/a.lines")
        with pytest.raises(ConfigError, match=r"but '.*deep/er' does, name that"):
            read(folder, registry=offer("lines", self.FIELDS))


class TestRecords:
    def test_rejections_stand_in_their_place(self, offer: Any, tmp_path: Path) -> None:
        path = write(tmp_path, "x.lines", "1\nreject\ndeferred-error\nword\n4\n")
        assert numbers(read(path, registry=offer("lines"))) == [
            [1],
            "It says so.",
            "It cannot be read (RuntimeError).",
            "It cannot be read (ValueError).",
            [4],
        ]

    def test_a_fault_comes_behind_the_records_before_it(self, offer: Any, tmp_path: Path) -> None:
        records = read(write(tmp_path, "x.lines", "1\nerror\n2\n"), registry=offer("lines"))
        assert isinstance(next(records), Frame)
        with pytest.raises(DataError, match=r"cannot be read as lines \(ValueError: a bad line\)"):
            next(records)

    def test_text_in_another_encoding(self, offer: Any, tmp_path: Path) -> None:
        path = tmp_path / "x.lines"
        path.write_bytes("café\n".encode("latin-1"))
        with pytest.raises(DataError, match="not in UTF-8"):
            list(read(path, registry=offer("lines")))

    def test_settings_of_a_format(self, offer: Any, tmp_path: Path) -> None:
        fields = 'suffixes=(".lines",), config="{package}.lines:LinesConfig"'
        path = write(tmp_path, "x.lines")
        registry = offer("lines", fields)
        frame = next(read(path, registry=registry, options={"edge": 5}))
        assert isinstance(frame, Frame)
        assert np.asarray(frame.cell)[0, 0] == 5
        with pytest.raises(ConfigError, match="Did you mean 'edge'"):
            read(path, registry=registry, options={"edg": 5})

    def test_a_format_without_settings(self, offer: Any, tmp_path: Path) -> None:
        path = write(tmp_path, "x.lines")
        with pytest.raises(ConfigError, match="'lines' has no settings; leave 'edge' out"):
            read(path, registry=offer("lines"), options={"edge": 5})

    @pytest.mark.slow
    def test_several_processes_give_the_same_in_the_same_order(
        self, offer: Any, tmp_path: Path, plugin_folder: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("PYTHONPATH", str(plugin_folder.path))
        text = "".join(f"{1 + index % 90}\n" for index in range(200)) + "reject\n"
        path = write(tmp_path, "x.lines", text)
        registry = offer("lines")
        alone, together = (
            numbers(read(path, registry=registry, workers=workers)) for workers in (1, 2)
        )
        assert alone == together
        assert len(alone) == 201


class TestCompression:
    @pytest.mark.parametrize("suffix", COMPRESSIONS)
    def test_files_are_unpacked_on_the_way(self, offer: Any, tmp_path: Path, suffix: str) -> None:
        from matsciml_core.data.readers.input_file import zstd

        pack = {
            ".gz": gzip.compress,
            ".bz2": bz2.compress,
            ".xz": lzma.compress,
            ".zst": zstd.compress,
        }
        path = tmp_path / f"x.lines{suffix}"
        path.write_bytes(pack[suffix](b"11\n17\n"))
        registry = offer("lines", 'suffixes=(".lines",)')
        assert numbers(read(path, registry=registry)) == [[11], [17]]
        names = [one.name for one in read(path, registry=registry) if isinstance(one, Frame)]
        assert names == ["x-000000", "x-000001"]
        path.write_bytes(path.read_bytes()[:5])
        with pytest.raises(DataError, match=r"ends within its compressed data"):
            list(read(path, registry=registry))

    @pytest.mark.parametrize("suffix", COMPRESSIONS)
    def test_records_before_the_end_of_torn_data_are_kept(
        self, tmp_path: Path, suffix: str
    ) -> None:
        with COMPRESSIONS[suffix](tmp_path / f"whole.xyz{suffix}", "wb") as stream:
            noise = np.random.default_rng(0).random((20_000, 3))
            for x, y, z in noise:
                line = 'Lattice="3 0 0 0 3 0 0 0 3" Properties=species:S:1:pos:R:3'
                stream.write(f"1\n{line}\nCu {x:.8f} {y:.8f} {z:.8f}\n".encode())
        packed = (tmp_path / f"whole.xyz{suffix}").read_bytes()
        path = tmp_path / f"torn.xyz{suffix}"
        # Within the atoms, and behind the last of them, where only the checksum is missing.
        for cut in (len(packed) // 2, len(packed) - 3):
            path.write_bytes(packed[:cut])
            *kept, torn = read(path)
            assert len(kept) > 5_000
            assert all(isinstance(frame, Frame) for frame in kept)
            positions = np.array([frame.positions[0] for frame in kept])
            np.testing.assert_array_equal(positions, np.round(noise[: len(kept)], 8))
            assert isinstance(torn, Rejection)
            assert torn.id == f"torn-{len(kept):06d}"
            assert "end within this record or behind it" in torn.reason

    def test_a_structure_alone_in_torn_data_is_rejected(self, tmp_path: Path, offer: Any) -> None:
        # Of one record it cannot be told whether it is whole.
        path = tmp_path / "x.lines.gz"
        path.write_bytes(gzip.compress(b"11\n")[:-3])
        (torn,) = read(path, registry=offer("lines", 'suffixes=(".lines",)'))
        assert isinstance(torn, Rejection)
        assert "x.lines.gz" in torn.detail

    def test_what_is_not_read_as_a_stream_has_to_be_unpacked(self, tmp_path: Path) -> None:
        with pytest.raises(CompressedError, match="unpack it first"):
            InputFile(tmp_path / "x.db.gz").plain_path()
        assert InputFile(tmp_path / "x.db").plain_path() == tmp_path / "x.db"

    def test_spreadsheets_put_a_mark_before_the_text(self, tmp_path: Path) -> None:
        path = tmp_path / "x.csv"
        path.write_text("id\n", encoding="utf-8-sig")
        with InputFile(path).open_text() as stream:
            assert stream.read() == "id\n"


def test_ids_come_from_a_column_and_trajectories_are_their_first_part() -> None:
    cell = np.eye(3)
    frame = Frame(
        name="f-7", atomic_numbers=[1], positions=[[0, 0, 0]], cell=cell, values={"k": 3, "t": "x"}
    )
    assert Naming().name(frame) == "f-7"
    assert Naming(column="k").name(frame) == "3"
    assert Naming(trajectory="t").name(frame) == "x/f-7"


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"name": "b", "id": "a"}, "a"),
        ({"id": "", "jid": 7}, "7"),
        ({"id": None}, "x"),
        ({"id": np.arange(2)}, "[0 1]"),
        ({}, "x"),
    ],
)
def test_a_record_is_called_what_it_calls_itself(values: dict[str, Any], expected: str) -> None:
    assert name_of(values, "x") == expected


def test_a_record_that_is_no_crystal_is_rejected() -> None:
    cell = 4 * np.eye(3)
    frames: list[Record] = [
        Frame(name="good", atomic_numbers=[1], positions=[[0, 0, 0]], cell=cell),
        Rejection("bad", "It says so."),
        Frame(name="unknown", atomic_numbers=[0], positions=[[0, 0, 0]], cell=cell),
        Frame(name="text", atomic_numbers=[1], positions=[["a", 0, 0]], cell=cell),
    ]
    found = list(to_crystals(frames, (), Naming()))
    assert [type(one) for one in found] == [Crystal] + [Rejection] * 3


def test_choosing_a_reader_imports_no_torch(tmp_path: Path) -> None:
    path = write(tmp_path, "x.dat", "1\nLattice=x\nH 0 0 0\n")
    code = (
        "import sys; from pathlib import Path\n"
        "from matsciml_core.data.readers import find_reader\n"
        "from matsciml_core.registry.manager import build_registry\n"
        f"assert find_reader(Path({str(path)!r}), build_registry()).name == 'extxyz'\n"
        "print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
