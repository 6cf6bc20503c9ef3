"""From files and what the user says about them to something that can be ingested."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain, islice
from pathlib import Path
from typing import Any

import numpy as np

from matsciml_core.data.ingestion.conversion import (
    Conversion,
    Item,
    LateSiteProperty,
    fingerprint_of,
    from_iterable,
)
from matsciml_core.data.ingestion.plausibility import range_of
from matsciml_core.data.ingestion.sources import Rejection, reason_of
from matsciml_core.data.readers.detection import assign, readers_of
from matsciml_core.data.readers.frames import (
    ID_KEYS,
    Frame,
    Naming,
    Record,
    Repeats,
    to_crystals,
    with_unique_ids,
)
from matsciml_core.data.readers.input_file import Extent
from matsciml_core.data.readers.labels import LabelColumn, parse_label
from matsciml_core.data.readers.reading import read
from matsciml_core.data.readers.tables import read_table
from matsciml_core.errors import ConfigError, DataError, did_you_mean
from matsciml_core.interfaces.crystal import Crystal
from matsciml_core.interfaces.dataset import Provenance
from matsciml_core.registry.manager import Registry
from matsciml_core.registry.specs import ReaderSpec

_SHOWN = 12
"""Values that are named where they are left out."""
_KEPT = frozenset({"tags", "fixed"})
"""Values that are site properties, too."""
_PROBED = 64
"""Records that are looked at before the import begins, for labels that are misspelt."""


@dataclass(frozen=True, kw_only=True)
class ImportRequest:
    """What the user says about files that are to become a dataset."""

    paths: tuple[Path, ...]
    """Files or folders."""
    labels: tuple[str, ...]
    """``NAME=UNIT`` or ``NAME=COLUMN:UNIT``."""
    per_atom: tuple[str, ...] = ()
    """Names of labels with one value per atom; of forces it is known."""
    format: str | None = None
    """Name of the reader; None: by the files' names and content."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """Settings of the format."""
    fractional: bool = False
    """Whether positions are fractions of the lattice vectors, where the format says Cartesian."""
    naming: Naming = field(default_factory=Naming)
    table: Path | None = None
    """CSV file with further values; its first column holds the ids."""
    reject_outliers: bool = False
    """Whether crystals are left out whose labels lie outside the range of a known quantity."""
    source: str = ""
    """Where the data come from; empty: the files' names."""
    release: str = ""
    licence: str = ""
    workers: int = 1
    """Processes that read what takes long."""


def parse_files(request: ImportRequest, registry: Registry) -> Conversion:
    """Return files as something that can be ingested.

    Args:
        request: The files, and what was said about them.
        registry: Where readers are looked up.

    Raises:
        ConfigError: A setting is wrong, a label does not occur, or no reader claims a file.
        UnitError: A unit is unknown.
        DataError: A file is broken.
    """
    for text in request.labels:  # what is misspelt, before anything is read
        if "=" in text:
            parse_label(text)
    # Before anything is read: files of different formats may stand beside each other.
    assigned = [item for path in request.paths for item in assign(path, registry, request.format)]
    specs = list({item.spec.name: item.spec for item in assigned if item.spec}.values())
    if request.fractional:
        _require_cartesian(specs, registry)
    table = None if request.table is None else read_table(request.table)
    extent = Extent(sum(item.path.stat().st_size for item in assigned if item.path.is_file()))

    def records() -> Iterator[Record]:
        return _read_all(request, registry, extent)

    frames = [frame for frame in islice(records(), _PROBED) if isinstance(frame, Frame)]
    units = {key: unit for frame in frames for key, unit in frame.units.items()}
    labels = [_label(text, units, request.per_atom) for text in request.labels]
    _check_labels(labels, frames, request, table, specs, records)
    names = ", ".join(path.name for path in request.paths)
    read_too = () if request.table is None else (request.table,)
    formats = [spec.name for spec in specs]
    # What makes another store of the same files: an unfinished one is then begun anew.
    options = (dict(request.options), request.fractional, request.reject_outliers)
    said = (labels, request.naming, formats, *options)
    properties = sorted({key for frame in frames for key in frame.site_properties})
    repeats = Repeats()
    keys: set[str] = set()

    def items() -> Iterator[Item]:
        repeats.count = 0
        crystals = to_crystals(_noting(records(), keys), labels, request.naming, table)
        if request.reject_outliers:
            crystals = _without_outliers(crystals, labels)
        # Only what the user names as the id may cost a record where it repeats.
        unique = request.naming.column is not None
        return _widening(crystals if unique else with_unique_ids(crystals, repeats), properties)

    return Conversion(
        source=from_iterable(items),
        targets=[label.info for label in labels],
        provenance=Provenance(
            source=request.source or names, release=request.release, licence=request.licence
        ),
        fingerprint=fingerprint_of((*request.paths, *read_too), *said),
        summary=f"Imported from {names}.",
        share=lambda: extent.share,
        site_properties=properties,
        remarks=lambda: _remarks(labels, repeats) + _left_out(keys, labels, request.naming),
    )


def _require_cartesian(specs: Sequence[ReaderSpec], registry: Registry) -> None:
    """Reject formats that say themselves whether their positions are fractional."""
    fixed = next((spec for spec in specs if not spec.cartesian), None)
    if fixed is not None:
        aware = ", ".join(spec.name for spec in readers_of(registry) if spec.cartesian)
        raise ConfigError(
            f"'{fixed.name}' says itself what its positions are; '--fractional' is for formats "
            f"that hold Cartesian ones: {aware}."
        )


def _read_all(request: ImportRequest, registry: Registry, extent: Extent) -> Iterator[Record]:
    """Return the records of all files, one file after the other, from the beginning."""
    extent.restart()
    streams = (
        read(
            path,
            request.format,
            registry=registry,
            options=request.options,
            workers=request.workers,
            extent=extent,
        )
        for path in request.paths
    )
    stream = chain.from_iterable(streams)
    return map(_as_cartesian, stream) if request.fractional else stream


def _label(text: str, units: Mapping[str, str], per_atom: Sequence[str]) -> LabelColumn:
    """Return a declared label; where the source defines its unit, that need not be said.

    Args:
        text: What the user wrote, ``NAME=COLUMN:UNIT``.
        units: What the source defines, by column.
        per_atom: Names of labels with a value per atom.

    Raises:
        ConfigError: It is not understood, or contradicts what the source defines.
        UnitError: The unit is unknown.
    """
    name = text.partition("=")[0].strip()
    if "=" not in text and name in units:
        return parse_label(f"{name}={units[name]}", per_atom=name in per_atom)
    label = parse_label(text, per_atom=name in per_atom)
    unit = units.get(label.column)
    own = None if unit is None else parse_label(f"{name}={label.column}:{unit}")
    if own is not None and (own.factor, own.form, own.info.unit) != (
        label.factor,
        label.form and replace(label.form, unit=own.form.unit if own.form else ""),
        label.info.unit,
    ):
        raise ConfigError(
            f"The source defines that '{label.column}' is in {unit}, and '--label {text}' says "
            f"otherwise; write --label {name}={label.column}:{unit}."
        )
    return label


def _without_outliers(items: Iterator[Item], labels: Sequence[LabelColumn]) -> Iterator[Item]:
    """Reject crystals with a label outside the range of its quantity."""
    ranges = {label.info.name: (label.info, range_of(label.info)) for label in labels}
    for item in items:
        reason = ""
        for name, value in item.labels.items() if isinstance(item, Crystal) else ():
            info, limits = ranges[name]
            array = np.asarray(value, dtype=np.float64)
            if info.kind == "energy" and isinstance(item, Crystal):
                array = array / item.num_atoms
            if limits is not None and ((array < limits[0]) | (array > limits[1])).any():
                farthest = float(np.abs(array).max())
                reason = f"The label '{name}' is an outlier: {farthest:.4g}."
        yield Rejection(item.id, reason_of(DataError(reason)), reason) if reason else item


def _widening(items: Iterator[Item], properties: list[str]) -> Iterator[Item]:
    """Pass crystals on as long as the layout has room for their site properties.

    Raises:
        LateSiteProperty: One has another; it was added to the list.
    """
    for item in items:
        if isinstance(item, Crystal) and not item.site_properties.keys() <= set(properties):
            properties += sorted(item.site_properties.keys() - set(properties))
            raise LateSiteProperty(f"'{item.id}' has the site properties {properties}.")
        yield item


def _noting(records: Iterator[Record], keys: set[str]) -> Iterator[Record]:
    """Pass records on, and collect the names of what they have."""
    for record in records:
        if isinstance(record, Frame):
            keys.update(record.values)
        yield record


def _left_out(keys: set[str], labels: Sequence[LabelColumn], naming: Naming) -> list[str]:
    """Return a sentence about what records have and the dataset will not; nothing: nothing."""
    taken = {label.column for label in labels} | {naming.column, naming.trajectory} | {*ID_KEYS}
    # What a reader keeps as a site property, too, is not lost; it is found by the same name.
    names = sorted(key for key in map(str, keys - taken - _KEPT) if key)
    if not names:
        return []
    shown = ", ".join(names[:_SHOWN]) + (
        f" and {len(names) - _SHOWN} more" if names[_SHOWN:] else ""
    )
    return [f"Left out, because no --label names them: {shown}."]


def _remarks(labels: Sequence[LabelColumn], repeats: Repeats) -> list[str]:
    """Return what is to be said of a source that was read."""
    converted = [f"{label.info.name}: {label.conversion}." for label in labels if label.conversion]
    if not repeats.count:
        return converted
    return [
        *converted,
        f"{repeats.count:,} ids came before, '{repeats.example}' for example; these crystals are "
        f"numbered, such as '{repeats.example}#2'. Name the value that is the id with --id.",
    ]


def _as_cartesian(record: Record) -> Record:
    """Multiply the positions of a record by its cell."""
    if not isinstance(record, Frame):
        return record
    cell = np.asarray(record.cell, dtype=np.float64)
    return replace(record, positions=np.asarray(record.positions, dtype=np.float64) @ cell)


def _check_labels(
    labels: Sequence[LabelColumn],
    frames: Sequence[Frame],
    request: ImportRequest,
    table: Mapping[str, Mapping[str, Any]] | None,
    specs: Sequence[ReaderSpec],
    records: Callable[[], Iterator[Record]],
) -> None:
    """Reject labels that no record has, before hours were spent."""
    names = [label.info.name for label in labels]
    stray = next((name for name in request.per_atom if name not in names), None)
    if stray is not None:
        raise ConfigError(
            f"'--per-atom {stray}' names no label;{did_you_mean(stray, names)} declare it with "
            "--label."
        )
    repeated = next((name for name in names if names.count(name) > 1), None)
    if repeated is not None:
        raise ConfigError(f"The label '{repeated}' is declared twice; give each another name.")
    if not frames:
        return  # what is wrong with the records is more than a label
    keys = {key for frame in frames for key in frame.values}
    keys |= {key for row in (table or {}).values() for key in row}
    needed = {label.column for label in labels}
    needed |= {key for key in (request.naming.column, request.naming.trajectory) if key}
    if not needed <= keys:  # what only a later record has is not misspelt
        for record in records():
            keys |= record.values.keys() if isinstance(record, Frame) else set()
            if needed <= keys:
                break
    defined = {key: unit for frame in frames for key, unit in frame.units.items()}
    advice = _describe_keys(keys, request.paths[0], specs, defined)
    if not labels:
        raise ConfigError(f"Declare at least one label, for example --label energy=eV. {advice}")
    for label in labels:
        if label.column not in keys:
            raise ConfigError(
                f"There is no value '{label.column}'.{did_you_mean(label.column, keys)} {advice}"
            )
    named = {"--id": request.naming.column, "--trajectory": request.naming.trajectory}
    for option, key in named.items():
        if key is not None and key not in keys:
            raise ConfigError(
                f"No record has the value '{key}' that '{option}' names."
                f"{did_you_mean(key, keys)} {advice}"
            )
    # A table whose ids are of another kind would leave every label missing without a word.
    if not table:
        return
    ids = [
        str(frame.values.get(request.naming.column or "", frame.name))
        for frame in frames
        if request.naming.trajectory is None
    ]
    if ids and not any(name in table for name in ids):
        raise ConfigError(
            f"The table has none of the first structures: its ids look like '{next(iter(table))}', "
            f"those of '{request.paths[0]}' like '{ids[0]}'."
        )


def _describe_keys(
    keys: set[str], path: Path, specs: Sequence[ReaderSpec], defined: Mapping[str, str]
) -> str:
    """Return a sentence about what can be a label, with units where the format defines them."""
    units = {info.name: info.unit for spec in specs for info in spec.quantities}
    units.update(defined)
    named = sorted(key for key in map(str, keys) if key)
    shown = ", ".join(f"{key} ({units[key]})" if key in units else key for key in named)
    if not shown:
        return (
            f"'{path}' holds structures and nothing else; give their labels in a CSV file, ids in "
            "its first column, with --table."
        )
    return (
        f"The first records of '{path}' have: {shown}. Write --label NAME=COLUMN:UNIT where a "
        "label has another name."
    )
