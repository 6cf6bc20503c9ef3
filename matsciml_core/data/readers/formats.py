"""Readers of the files that people have; each yields one record per structure, in file order."""

from __future__ import annotations

import csv
import gzip
import json
import re
import sys
import zlib
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing
from importlib import import_module
from io import TextIOWrapper
from itertools import islice
from multiprocessing import get_context
from pathlib import Path
from typing import Any, TextIO

from matsciml_core.convert.ase import site_properties_of
from matsciml_core.data.ingestion.conversion import Rejection
from matsciml_core.data.readers.frames import Frame
from matsciml_core.data.readers.structures import frame_from_structure, frame_from_text
from matsciml_core.data.readers.tables import delimiter_of
from matsciml_core.errors import ConfigError, DataError, MatSciMLError

Record = Frame | Rejection
Reader = Callable[[Path, int], Iterator[Record]]
"""Takes a file or folder and a number of processes."""
_WIDE = re.compile(r"[A-Za-z]:[SRIL]:\d{4}")
_PATIENCE = 64
"""Empty lines after the end of a file that a reader may ask for."""
_NAMES = ("material_id", "id", "mpid", "mp_id", "jid", "name")
"""Columns that are taken as the id where the user names none."""
_STRUCTURES = ("structure", "atoms", "initial_structure", "cif", "poscar")
_CHUNK = 32
LARGEST_RECORD = 256 << 20
"""Bytes of one record of ``aselmdb``, unpacked; a million atoms with forces take half of it."""
_COMPRESSED = (".gz", ".bz2", ".xz")


def detect_format(path: Path) -> str:
    """Return the name of the format of a file or folder.

    Raises:
        ConfigError: Nothing is there, or the format cannot be told.
    """
    if not path.exists():
        raise ConfigError(f"'{path}' does not exist; name a file or a folder.")
    if path.is_dir():
        return _folder_format(path)
    suffixes = [suffix for suffix in path.suffixes if suffix.lower() not in _COMPRESSED]
    suffix = suffixes[-1].lower() if suffixes else ""
    if path.name.upper().startswith(("POSCAR", "CONTCAR")):
        return "poscar"
    if suffix not in _SUFFIXES:
        raise ConfigError(
            f"The format of '{path.name}' cannot be told from its name; give --format with one of "
            f"{', '.join(READERS)}."
        )
    return _SUFFIXES[suffix]


def read_frames(path: Path, form: str, workers: int = 1) -> Iterator[Record]:
    """Yield the records of a file or folder.

    Args:
        path: The file or folder.
        form: One of ``READERS``.
        workers: Processes that read CIF and POSCAR, which takes long; 1: none but this.

    Raises:
        ConfigError: There is no such format, or what reads it is not installed.
        DataError: The file is broken.
    """
    if form not in READERS:
        raise ConfigError(f"There is no format '{form}'; formats: {', '.join(READERS)}.")
    return _explained(READERS[form](path, workers), path, form)


def _explained(records: Iterator[Record], path: Path, form: str) -> Iterator[Record]:
    """Yield records; whatever a reader stumbles over becomes one sentence."""
    try:
        yield from records
    except MatSciMLError:
        raise
    except UnicodeDecodeError as error:
        raise DataError(f"'{path}' is not in UTF-8; save it in that encoding.") from error
    except Exception as error:
        raise DataError(
            f"'{path}' cannot be read as {form} ({type(error).__name__}: {error}); mend the file, "
            "or name its --format."
        ) from error


def _folder_format(path: Path) -> str:
    if _cifs(path):
        return "cif"
    if _poscars(path):
        return "poscar"
    deeper = next((one for one in sorted(path.rglob("*")) if one.is_dir() and _cifs(one)), None)
    advice = "name the file to import" if deeper is None else f"but '{deeper}' does, name that"
    raise ConfigError(f"The folder '{path}' holds neither CIF nor POSCAR files; {advice}.")


def _read_ase(path: Path, workers: int) -> Iterator[Record]:
    """Read whatever ASE reads frame by frame, extended XYZ above all."""
    del workers
    number = 0
    try:
        with closing(_trajectory(path)) as frames:
            for atoms in frames:
                yield _frame_from_atoms(atoms, f"{path.name.split('.')[0]}-{number:06d}")
                number += 1
    except Exception as error:
        raise DataError(
            f"Structure {number} of '{path}' cannot be read ({type(error).__name__}: {error}); "
            "mend the file there."
        ) from error


def _trajectory(path: Path) -> Generator[Any]:
    """Yield ASE's atoms; ASE must not guess a format from what a stranger wrote into the file."""
    ase = _ase("ase.io")
    if ".traj" in path.suffixes:
        yield from ase.iread(str(path), index=":", format="traj")
        return
    with _Ending(ase.formats.open_with_compression(str(path), "rb"), encoding="utf-8") as text:
        yield from ase.iread(text, index=":", format="extxyz")


class _Ending(TextIOWrapper):
    """Text whose claims are small: ASE goes on for as many atoms and columns as a frame claims."""

    _empty = 0

    def readline(self, size: int = -1, /) -> str:  # type: ignore[override]
        """Read a line; fail where nothing has come for a while."""
        line = super().readline(size)
        self._empty = 0 if line else self._empty + 1
        if self._empty > _PATIENCE:
            raise DataError("the file ends in the middle of a frame")
        if _WIDE.search(line):
            raise DataError("a property claims more than 999 columns")
        return line


def _frame_from_atoms(atoms: Any, name: str) -> Record:
    # get_forces() would zero the forces on fixed atoms; the results are what the file has.
    results = {} if atoms.calc is None else dict(atoms.calc.results)
    arrays = {key: value for key, value in atoms.arrays.items() if key not in _OWN_ARRAYS}
    values = {**arrays, **atoms.info, **results}
    return Frame(
        name=_own_name(values, name),
        atomic_numbers=atoms.numbers,
        positions=atoms.positions,
        cell=atoms.cell.array,
        pbc=atoms.pbc,
        values=values,
        site_properties=site_properties_of(atoms),
    )


def _read_ase_database(path: Path, workers: int) -> Iterator[Record]:
    del workers
    connect = _ase("ase.db").connect
    for row in connect(str(path)).select():
        values = {"id": row.id, **row.key_value_pairs, **_row_results(row)}
        yield Frame(
            name=_own_name(values, f"{path.stem}-{row.id:06d}"),
            atomic_numbers=row.numbers,
            positions=row.positions,
            cell=row.cell,
            pbc=row.pbc,
            values=values,
            site_properties=site_properties_of(row.toatoms()),
        )


def _row_results(row: Any) -> dict[str, Any]:
    names = ("energy", "free_energy", "forces", "stress", "magmom", "magmoms", "charges")
    return {name: row.get(name) for name in names if row.get(name) is not None}


def _read_ase_lmdb(path: Path, workers: int) -> Iterator[Record]:
    """Read ``aselmdb``: rows of ASE's JSON, compressed by zlib, under decimal keys."""
    del workers
    import lmdb  # noqa: PLC0415 - only here

    decode, as_row = _ase("ase.io.jsonio").decode, _ase("ase.db.row").AtomsRow
    with lmdb.open(str(path), subdir=False, readonly=True, lock=False) as environment:
        with environment.begin() as transaction:
            keys = [key for key in transaction.cursor().iternext(values=False) if key.isdigit()]
        for key in sorted(keys, key=int):
            with environment.begin() as transaction:
                row = decode(_unpacked(bytes(transaction.get(key) or b""), path).decode())
            values = {**row.get("data", {}), **row.get("key_value_pairs", {}), **row}
            yield Frame(
                name=_own_name(values.get("data", {}), f"{path.stem}-{int(key):06d}"),
                atomic_numbers=row["numbers"],
                positions=row["positions"],
                cell=row["cell"],
                pbc=row["pbc"],
                values=values,
                site_properties=site_properties_of(as_row(row).toatoms()),
            )


def _unpacked(data: bytes, path: Path) -> bytes:
    """Unpack a record; a few bytes of a hostile file would fill the memory."""
    unpacker = zlib.decompressobj()
    content = unpacker.decompress(data, LARGEST_RECORD)
    if unpacker.unconsumed_tail:
        raise DataError(
            f"A record of '{path}' takes more than {LARGEST_RECORD >> 20} MiB when it is unpacked, "
            "which no structure does; the file is damaged, or made to fill the memory."
        )
    if not unpacker.eof:
        raise zlib.error("the record is incomplete")
    return content


def _read_cif(path: Path, workers: int) -> Iterator[Record]:
    return _read_texts(_cifs(path) if path.is_dir() else [path], "cif", workers)


def _read_poscar(path: Path, workers: int) -> Iterator[Record]:
    return _read_texts(_poscars(path) if path.is_dir() else [path], "poscar", workers)


def _cifs(folder: Path) -> list[Path]:
    return sorted(file for file in folder.iterdir() if file.suffix.lower() == ".cif")


def _poscars(folder: Path) -> list[Path]:
    patterns = ("POSCAR*", "CONTCAR*", "*.vasp", "*.poscar", "*/POSCAR", "*/CONTCAR")
    return sorted({path for pattern in patterns for path in folder.glob(pattern)})


def _read_texts(files: Sequence[Path], form: str, workers: int) -> Iterator[Record]:
    jobs: Iterator[tuple[str, str, str, dict[str, Any]]] = (
        (file.read_text(encoding="utf-8", errors="replace"), form, _text_name(file), {})
        for file in files
    )
    return _parallel(jobs, workers)


def _text_name(path: Path) -> str:
    known = path.suffix.lower() in (".cif", ".vasp", ".poscar")
    bare = path.stem if known else path.name
    return path.absolute().parent.name if bare in ("POSCAR", "CONTCAR") else bare


def _read_csv(path: Path, workers: int) -> Iterator[Record]:
    """Read a table with a column ``cif``, ``poscar``, or ``structure`` (JSON)."""
    csv.field_size_limit(min(sys.maxsize, 2**31 - 1))  # a CIF is longer than the default allows
    with _text(path) as stream:
        rows = csv.DictReader(stream, delimiter=delimiter_of(stream))
        column = next((name for name in _STRUCTURES if name in (rows.fieldnames or ())), None)
        if column is None:
            raise DataError(
                f"'{path}' has no column with structures; name one of its columns cif, poscar or "
                f"structure. Columns: {', '.join(filter(None, rows.fieldnames or ()))}."
            )
        yield from _parallel(_jobs_of_rows(rows, column, path.name.split(".")[0]), workers)


def _jobs_of_rows(
    rows: Iterable[dict[str, str]], column: str, stem: str
) -> Iterator[tuple[str, str, str, dict[str, Any]]]:
    for number, row in enumerate(rows):
        text = row.pop(column) or ""
        form = column if column in ("cif", "poscar") else "json"
        yield text, form, _own_name(row, f"{stem}-{number:06d}"), dict(row)


def _parallel(
    jobs: Iterator[tuple[str, str, str, dict[str, Any]]], workers: int
) -> Iterator[Record]:
    """Read texts in several processes, in order, without taking more than a few ahead."""
    if workers <= 1:
        yield from map(_read_job, jobs)
        return
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        while batch := list(islice(jobs, _CHUNK * workers)):
            yield from pool.map(_read_job, batch, chunksize=_CHUNK // 4)


def _read_job(job: tuple[str, str, str, dict[str, Any]]) -> Record:
    text, form, name, values = job
    if not text.strip():
        return Rejection(name, "There is no structure.")
    if form == "json":
        try:
            data = json.loads(text)
        except ValueError:
            return Rejection(name, "The structure is no JSON.")
        return frame_from_structure(data, name, values)
    return frame_from_text(text, form, name, values)


def _read_json(path: Path, workers: int) -> Iterator[Record]:
    """Read pymatgen's or matbench's JSON; the whole file is held in memory (JSON lines are not)."""
    del workers
    with _text(path) as stream:
        try:
            data = json.load(stream)
        except ValueError as error:
            raise DataError(f"'{path}' is no valid JSON: {error}.") from error
    stem = path.name.split(".")[0]
    for number, (name, entry) in enumerate(_entries(data, path)):
        yield _frame_from_entry(entry, name or f"{stem}-{number:06d}")


def _read_json_lines(path: Path, workers: int) -> Iterator[Record]:
    del workers
    stem = path.name.split(".")[0]
    with _text(path) as stream:
        for number, line in enumerate(stream):
            try:
                entry = json.loads(line)
            except ValueError:
                yield Rejection(f"{stem}-{number:06d}", "The line is no valid JSON.")
                continue
            yield _frame_from_entry(entry, f"{stem}-{number:06d}")


def _entries(data: Any, path: Path) -> Iterator[tuple[str, Any]]:
    """Yield name (or nothing) and entry of the forms that JSON with structures has."""
    if isinstance(data, list):
        yield from (("", entry) for entry in data)
    elif isinstance(data, dict) and {"columns", "data"} <= data.keys():  # pandas, as in matbench
        index = data.get("index", range(len(data["data"])))
        for name, row in zip(index, data["data"], strict=True):
            yield str(name), dict(zip(data["columns"], row, strict=True))
    elif isinstance(data, dict) and "lattice" in data:
        yield "", data
    elif isinstance(data, dict) and isinstance(data.get("entries"), list):
        yield from (("", entry) for entry in data["entries"])
    elif isinstance(data, dict):
        yield from data.items()
    else:
        raise DataError(f"'{path}' holds neither a list nor a table of structures.")


def _frame_from_entry(entry: Any, name: str) -> Record:
    if not isinstance(entry, dict):
        return Rejection(name, "The entry is no JSON object.")
    if "lattice" in entry:
        return frame_from_structure(entry, name, dict(entry.get("properties") or {}))
    column = next((key for key in _STRUCTURES if key in entry), "")
    inner = entry.get("data")
    values = dict(inner) if isinstance(inner, dict) else {}
    values |= {key: value for key, value in entry.items() if key != column}
    own = _own_name(values, name)
    if not column:
        return Rejection(own, "The entry has no structure.")
    if isinstance(entry[column], str):
        form = column if column in ("cif", "poscar") else "json"
        return _read_job((entry[column], form, own, values))
    return frame_from_structure(entry[column], own, values)


def _own_name(values: dict[str, Any], otherwise: str) -> str:
    found = next((values[name] for name in _NAMES if values.get(name) not in (None, "")), None)
    return otherwise if found is None else str(found)


def _text(path: Path) -> TextIO:
    if path.suffix == ".gz":
        return gzip.open(path, "rt", encoding="utf-8-sig", newline="")
    return path.open(encoding="utf-8-sig", newline="")  # spreadsheets put a mark before the text


def _ase(module: str) -> Any:
    try:
        return import_module(module)
    except ImportError as error:
        raise ConfigError("This format is read by ASE; run: pip install ase") from error


_OWN_ARRAYS = frozenset({"numbers", "positions"})
READERS: dict[str, Reader] = {
    "extxyz": _read_ase,
    "cif": _read_cif,
    "poscar": _read_poscar,
    "csv": _read_csv,
    "json": _read_json,
    "jsonl": _read_json_lines,
    "ase-db": _read_ase_database,
    "aselmdb": _read_ase_lmdb,
}
"""Format → reader."""
CARTESIAN = ("extxyz", "ase-db", "aselmdb")
"""Formats whose positions are Cartesian by definition, and fractional by mistake."""
_SUFFIXES = {
    ".extxyz": "extxyz",
    ".xyz": "extxyz",
    ".traj": "extxyz",
    ".cif": "cif",
    ".vasp": "poscar",
    ".poscar": "poscar",
    ".csv": "csv",
    ".json": "json",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".db": "ase-db",
    ".aselmdb": "aselmdb",
}
