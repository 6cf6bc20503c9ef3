"""Which reader a file gets: by ``--format``, by its name, by its content.

The rule, documented for users in ``docs/how-to/add-a-file-format.md``:

1. What the user names with ``--format`` is taken.
2. Of several readers, those whose patterns match the whole name come before those whose suffix
   does, and a longer suffix before a shorter one (``.monty.json`` before ``.json``). Where no name
   matches, every reader that looks at content is asked.
3. Readers that look at content and do not find their format are out; one that finds it comes before
   those that go by the name alone.
4. Where several are left, nothing is guessed: the user names one with ``--format``.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from fnmatch import translate
from functools import cache
from pathlib import Path
from typing import TypeVar

from matsciml_core.data.readers.input_file import InputFile
from matsciml_core.errors import ConfigError
from matsciml_core.registry.known_plugins import KnownComponent, known_components
from matsciml_core.registry.manager import Registry
from matsciml_core.registry.specs import ReaderSpec
from matsciml_core.registry.targets import TargetInfo

_Claim = TypeVar("_Claim", ReaderSpec, KnownComponent)
HEAD = 4096
"""Bytes of a file's beginning that detection by content is shown."""
EXTENDED_XYZ = ReaderSpec(
    name="extxyz",
    summary="Extended XYZ, and plain XYZ.",
    class_path="matsciml_core.data.readers.extxyz.format:ExtendedXYZReader",
    suffixes=(".extxyz", ".xyz"),
    folder_files=("*.extxyz", "*.xyz"),
    detect="matsciml_core.data.readers.extxyz.content:is_extended_xyz",
    cartesian=True,
    quantities=(
        TargetInfo(name="energy", kind="energy", unit="eV"),
        TargetInfo(name="forces", kind="forces", unit="eV/A"),
        TargetInfo(name="stress", kind="stress", unit="eV/A^3"),
    ),
    writer="matsciml_core.data.readers.extxyz.dataset_writer:write_crystals",
    samples="matsciml_core.testing.reader.extxyz_samples:samples",
)
"""The one format that the core reads itself, because it writes predictions in it; no plugin can
replace it."""


def readers_of(registry: Registry) -> list[ReaderSpec]:
    """Return all readers: the core's own, then those of plugins, sorted by name.

    Args:
        registry: Where readers are looked up.
    """
    return [EXTENDED_XYZ, *registry.specs("reader")]


@dataclass(frozen=True, slots=True)
class Assigned:
    """A file, or a folder that a format treats as one file, and what becomes of it."""

    path: Path
    spec: ReaderSpec | None
    """Its reader; None: it is passed over."""
    reason: str = ""
    """Why it is passed over."""


def assign(path: Path, registry: Registry, format: str | None = None) -> list[Assigned]:
    """Return what is read for a path, and what of a folder is passed over, sorted by name.

    A folder may hold files of several formats; each gets its own reader, and every file is
    accounted for.

    Args:
        path: A file; a folder of files; or a folder that a format treats as one file.
        registry: Where readers are looked up.
        format: Name of the reader; None: by each file's name and content.

    Raises:
        ConfigError: Nothing is there; no reader, or more than one, claims a file; or none of a
            folder's files is of a format.
        UnknownNameError: There is no reader called ``format``.
        PluginLoadError: Something that a reader requires is not installed.
    """
    specs = readers_of(registry) if format is None else [get_reader(format, registry)]
    if not path.is_dir() or any(_finds(spec, path, b"") for spec in specs):
        return [Assigned(path, find_reader(path, registry, format))]
    by_file: dict[Path, list[ReaderSpec]] = {}
    for spec in specs:
        for file in _matching_files(path, spec):
            by_file.setdefault(file, []).append(spec)
    if not by_file and format is None:
        raise ConfigError(_unknown(path, specs))
    if not by_file:
        files_of(path, specs[0])  # raises
    fuller: dict[Path, dict[ReaderSpec, list[Path]]] = {}
    for file, claims in by_file.items():
        for spec in claims:
            if spec.supersedes:
                # Two are enough to know of another one, however many files a folder has.
                first = fuller.setdefault(file.parent, {}).setdefault(spec, [])
                first += [file] if len(first) < 2 else []
    return [
        _assigned(file, by_file, fuller, registry)
        for file in sorted(path.rglob("*"))
        if file.is_file() and not file.name.startswith(".")
    ]


def _assigned(
    file: Path,
    by_file: dict[Path, list[ReaderSpec]],
    fuller: dict[Path, dict[ReaderSpec, list[Path]]],
    registry: Registry,
) -> Assigned:
    """Return what becomes of a file of a folder.

    Args:
        file: The file.
        by_file: The readers that may be for each.
        fuller: By folder, readers whose files tell more than others, with their first two files.
        registry: Where readers are looked up.
    """
    candidates = by_file.get(file, [])
    if not candidates:
        return Assigned(file, None, "Its format is none that is read from a folder; name the file.")
    # A name that is only a pattern of folders needs no suffix of its own.
    by_pattern = [spec for spec in candidates if spec.detect is None]
    names = sorted({spec.name for spec in claimants(file, candidates) or by_pattern})
    if len(names) != 1:
        return Assigned(file, None, f"It may be of several formats ({', '.join(names)}).")
    # One calculation leaves several files: what one of them has in full is not read twice.
    beside = {
        spec.name
        for spec, first in fuller.get(file.parent, {}).items()
        if names[0] in spec.supersedes and first != [file]
    }
    if beside:
        return Assigned(file, None, f"The same calculation is read from its {min(beside)} file.")
    return Assigned(file, get_reader(names[0], registry))


def find_reader(path: Path, registry: Registry, format: str | None = None) -> ReaderSpec:
    """Return the reader of a file or folder.

    Args:
        path: The file or folder.
        registry: Where readers are looked up.
        format: Name of the reader; None: by the file's name and content.

    Raises:
        ConfigError: Nothing is there; no reader, or more than one, claims it.
        UnknownNameError: There is no reader called ``format``.
        PluginLoadError: Something that the reader requires is not installed.
    """
    if not path.exists():
        raise ConfigError(f"'{path}' does not exist; name a file or a folder.")
    if format is None:
        specs = readers_of(registry)
        names = sorted({spec.name for spec in claimants(path, specs)})
        if not names:
            raise ConfigError(_unknown(path, specs))
        if len(names) > 1:
            raise ConfigError(
                f"'{path}' may be of the formats {', '.join(names)}; name one of them with "
                "--format."
            )
        format = names[0]
    return get_reader(format, registry)


def get_reader(name: str, registry: Registry) -> ReaderSpec:
    """Return the reader of a name.

    Args:
        name: The name of a format.
        registry: Where readers are looked up.

    Raises:
        UnknownNameError: There is none.
        DuplicateNameError: Two plugins offer it.
        PluginLoadError: Something that it requires is not installed.
    """
    return EXTENDED_XYZ if name == EXTENDED_XYZ.name else registry.get("reader", name)


def get_writer(name: str, registry: Registry) -> ReaderSpec:
    """Return the format of a name, which can be written.

    Args:
        name: The name of a format.
        registry: Where readers are looked up.

    Raises:
        UnknownNameError: There is none.
        PluginLoadError: Something that it requires is not installed.
        ConfigError: It is read, and not written.
    """
    spec = get_reader(name, registry)
    if spec.writer is None:
        names = ", ".join(other.name for other in readers_of(registry) if other.writer)
        raise ConfigError(
            f"The format '{name}' is read, and not written; give --format with one of {names}."
        )
    return spec


def claimants(path: Path, specs: Sequence[ReaderSpec]) -> list[ReaderSpec]:
    """Return the readers that a file or folder may be for; more than one where nothing decides.

    Args:
        path: A file or folder that exists.
        specs: The readers to choose from.
    """
    if path.is_dir():  # one that a format treats as one file, or else one with files of a format
        whole = [spec for spec in specs if _finds(spec, path, b"")]
        return whole or [spec for spec in specs if _matching_files(path, spec)]
    file = InputFile(path)
    candidates = _by_name(file.name.lower(), specs) or [spec for spec in specs if spec.detect]
    head = b""
    if any(spec.detect is not None for spec in candidates):
        # Whatever a damaged archive raises while it is unpacked: its reader will tell.
        with suppress(Exception), file.open() as stream:
            head = stream.read(HEAD)
    by_content = [spec for spec in candidates if _finds(spec, path, head)]
    return by_content or [spec for spec in candidates if spec.detect is None]


def files_of(path: Path, spec: ReaderSpec) -> list[Path]:
    """Return the files that are read for a path, sorted.

    Args:
        path: A file; a folder of files; or a folder that the format treats as one file.
        spec: The reader.

    Raises:
        ConfigError: The folder holds no file of the format.
    """
    if not path.is_dir():
        return [path]
    files = _matching_files(path, spec)
    if files:
        return files
    if _finds(spec, path, b""):
        return [path]
    raise ConfigError(
        f"The folder '{path}' holds no file of the format '{spec.name}'; name the files."
    )


def _by_name(name: str, specs: Sequence[_Claim]) -> list[_Claim]:
    """Return the readers whose patterns match a name, or else those with the longest suffix."""
    by_pattern = [
        spec for spec in specs if any(_pattern(text).match(name) for text in spec.file_names)
    ]
    if by_pattern:
        return by_pattern
    lengths = [max(map(len, filter(name.endswith, spec.suffixes)), default=0) for spec in specs]
    longest = max(lengths, default=0)
    return [
        spec for spec, length in zip(specs, lengths, strict=True) if length == longest and longest
    ]


def _finds(spec: ReaderSpec, path: Path, head: bytes) -> bool:
    """Return whether a reader finds its format in a file, or in a folder."""
    if spec.detect is None:
        return False
    try:
        return bool(spec.load_named(spec.detect)(path, head))
    except Exception:  # a plugin that fails here must not cost the files of all others
        return False


def _matching_files(folder: Path, spec: ReaderSpec | KnownComponent) -> list[Path]:
    """Return the files of a format in a folder, sorted; patterns say how deep they lie."""
    files = set()
    for text in spec.folder_files:
        # Depth by depth, because a star in a pattern would match a slash, too.
        depth = text.count("/")
        for path in folder.glob("/".join(["*"] * (depth + 1))):
            name = path.parent.relative_to(folder) / InputFile(path).name
            if _pattern(text).match(name.as_posix().lower()) and path.is_file():
                files.add(path)
    return sorted(files)


@cache
def _pattern(text: str) -> re.Pattern[str]:
    return re.compile(translate(text.lower()))


def _unknown(path: Path, specs: Sequence[ReaderSpec]) -> str:
    """Return the sentence for a path that no installed reader claims."""
    installed = [spec.name for spec in specs]
    missing = [other for other in known_components("reader") if other.name not in installed]
    if path.is_dir():
        offered = sorted({other.distribution for other in missing if _matching_files(path, other)})
        opening = f"The folder '{path}' holds no files of a format that is read by the folder"
        by_folder = ", ".join(spec.name for spec in specs if spec.folder_files) or "none installed"
        deeper = (folder for folder in sorted(path.rglob("*")) if folder.is_dir())
        matching = (inner for inner in deeper if any(_matching_files(inner, s) for s in specs))
        inner = next(matching, None)
        advice = "name the file" if inner is None else f"but '{inner}' does, name that"
        opening, advice = f"{opening} ({by_folder})", f"{advice}."
    else:
        claims = _by_name(InputFile(path).name.lower(), missing)
        offered = sorted({other.distribution for other in claims})
        opening = f"The format of '{path.name}' cannot be told from its name or content"
        advice = f"give --format with one of {', '.join(installed)}."
    if offered:
        advice = f"to read it, run: pip install {' or '.join(offered)}"
    return f"{opening}; {advice}"
