"""From a path to records: the only way of the core, the commands and the tools to files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import Any

from matsciml_core.data.ingestion.pool import PoolConfig
from matsciml_core.data.ingestion.sources import Rejection
from matsciml_core.data.readers.detection import assign, files_of
from matsciml_core.data.readers.frames import Record
from matsciml_core.data.readers.input_file import Extent, InputFile
from matsciml_core.data.readers.reader import Deferred, Reader
from matsciml_core.errors import ConfigError, DataError, MatSciMLError
from matsciml_core.registry.manager import Registry, build_registry
from matsciml_core.registry.specs import ReaderSpec

_PIECE = 32
"""Deferred records that a process is given at a time; one takes some milliseconds."""


def read(
    path: str | Path,
    format: str | None = None,
    *,
    registry: Registry | None = None,
    options: Mapping[str, Any] | None = None,
    workers: int = 1,
    extent: Extent | None = None,
) -> Iterator[Record]:
    """Read a file, or the files of a folder, one record at a time.

    Of a folder, a file that cannot be read at all is one rejection; a file that is named itself
    raises.

    Args:
        path: The file or folder.
        format: Name of the reader, as ``matsciml list-plugins --kind reader`` lists them; None: by
            the file's name and content.
        registry: Where readers are looked up; None: all that are installed.
        options: Settings of the format, as plain data.
        workers: Processes that read what takes long, CIF for example; 1: none but this one.
        extent: Learns how far the files are read; None: nobody asks.

    Returns:
        The records, in the order of the files' names and within them of the file.

    Raises:
        ConfigError: Nothing is there, no reader claims it, several do, or a setting is wrong.
        DataError: The file is broken; the records before the fault have been yielded.
        UnknownNameError: There is no reader called ``format``.
    """
    where = Path(path)
    assigned = assign(where, build_registry() if registry is None else registry, format)
    # Each format once, however many files: settings are checked before anything is read.
    specs = {item.spec.name: item.spec for item in assigned if item.spec is not None}
    readers = {name: spec.load()(_config(spec, options)) for name, spec in specs.items()}
    # One bad file among thousands should be counted like a bad record, and one that was named by
    # itself should stop the command.
    in_folder = [item.path for item in assigned] != [where]
    streams = (
        _read_file(readers[item.spec.name], item.spec, item.path, reject=in_folder, extent=extent)
        if item.spec is not None
        else iter([Rejection(str(item.path.relative_to(where)), item.reason)])
        for item in assigned
    )
    return _finish(chain.from_iterable(streams), workers)


def _config(spec: ReaderSpec, options: Mapping[str, Any] | None) -> Any:
    """Return the settings of a format.

    Raises:
        ConfigError: A setting is unknown or wrong.
    """
    model = spec.load_config()
    if model is None and options:
        raise ConfigError(
            f"The format '{spec.name}' has no settings; leave '{next(iter(options))}' out."
        )
    return None if model is None else model.from_options(options or {}, where=spec.name)


def read_files(reader: Reader, spec: ReaderSpec, path: Path, workers: int = 1) -> Iterator[Record]:
    """Read a file, or the files of a folder, with a reader that was chosen.

    Args:
        reader: The reader.
        spec: What it declares.
        path: The file or folder.
        workers: Processes that read what takes long.

    Returns:
        The records; see :func:`read`.

    Raises:
        ConfigError: The folder holds no file of the format.
    """
    # One bad file among thousands should be counted like a bad record, and one that was named by
    # itself should stop the command.
    files = files_of(path, spec)
    in_folder = files != [path]
    streams = (_read_file(reader, spec, file, reject=in_folder) for file in files)
    return _finish(chain.from_iterable(streams), workers)


def _read_file(
    reader: Reader,
    spec: ReaderSpec,
    file: Path,
    *,
    reject: bool,
    extent: Extent | None = None,
) -> Iterator[Record | Deferred]:
    """Yield the records of a file; whatever its reader stumbles over becomes one sentence."""
    if extent is not None:
        extent.begin(file)
    source = InputFile(file, extent)
    try:
        yield from _without_torn(reader.read(source), source)
    except Exception as error:  # libraries raise anything at files that are not theirs
        explained: MatSciMLError
        if source.is_torn:
            explained = DataError(
                f"'{file}' ends within its compressed data, as a copy or download that broke off; "
                "get it again."
            )
        elif isinstance(error, MatSciMLError):
            explained = error
        elif isinstance(error, IsADirectoryError):
            explained = DataError(
                f"'{file}' is a folder, and {spec.name} is read from files; name the file in it."
            )
        elif isinstance(error, UnicodeDecodeError):
            explained = DataError(f"'{file}' is not in UTF-8; save it in that encoding.")
        else:
            explained = DataError(
                f"'{file}' cannot be read as {spec.name} ({type(error).__name__}: {error}); "
                "correct the file, or name its --format."
            )
        if not reject:
            raise explained from error
        yield Rejection.of(file.name, explained)


def _without_torn(
    items: Iterator[Record | Deferred], source: InputFile
) -> Iterator[Record | Deferred]:
    """Yield the records of a file; where its compressed data break off, reject the last one.

    Readers see the end of a file there. The last record may look whole and lack atoms, or digits of
    its last number; those before it are whole, because the reader found the next one behind them.

    Raises:
        DataError: The data break off before the first record.
    """
    last: Record | Deferred | None = None
    try:
        for item in items:
            if last is not None:
                yield last
            last = item
    except Exception:
        if last is not None and not source.is_torn:
            yield last
        raise
    if source.is_torn:
        if last is None:
            raise DataError("The file holds no record.")
        reason = "The compressed data of the file end within this record or behind it."
        name = last.id if isinstance(last, Rejection) else last.name
        last = Rejection(name, reason, f"{reason[:-1]}: '{source.path}'.")
    if last is not None:
        yield last


def _finish(items: Iterator[Record | Deferred], workers: int) -> Iterator[Record]:
    """Call what was deferred, in this process or several, and keep the order."""
    if workers <= 1:
        yield from map(_call, items)
        return
    with PoolConfig(workers=workers).start() as executor:
        # Cut into pieces by asking the stream for the next few until it has none.
        pieces = iter(lambda: list(islice(items, _PIECE)), [])
        for records in executor.map(partial(map, _call), pieces):
            yield from records


def _call(item: Record | Deferred) -> Record:
    if not isinstance(item, Deferred):
        return item
    try:
        return item.work()
    except Exception as error:  # whatever a broken record does to a library, the others are read
        reason = f"It cannot be read ({type(error).__name__})."
        return Rejection(item.name, reason, f"{reason[:-2]}: {error}).")
