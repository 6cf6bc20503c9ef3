"""Files of OC20 from elsewhere: shards of S2EF, and the LMDBs that OCP writes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from matsciml_core import DatasetSpec, TargetInfo
from matsciml_core.data.ingestion.conversion import Conversion, Item, ParallelSource, fingerprint_of
from matsciml_core.interfaces.dataset import Provenance
from matsciml_data_ocp import is2re, s2ef
from matsciml_data_ocp.declaration import IS2RE, S2EF
from matsciml_data_ocp.subsets import SUBSETS, TRAIN
from matsciml_util_toolkit_lmdb.records import count_records, lmdb_files


def read_shards(path: Path) -> Conversion:
    """Open a published tar archive of S2EF, or a folder that it was unpacked into.

    Args:
        path: The archive or folder; which subset it is, its name tells.

    Raises:
        DataError: It holds no pairs of ``N.extxyz.xz`` and ``N.txt.xz``.
    """
    pairs = s2ef.pairs_of_folder if path.is_dir() else s2ef.pairs_of_archive
    subset = s2ef.Subset(name=_subset(path), pairs=partial(pairs, path))
    source = ParallelSource(pieces=partial(s2ef.shards, [subset]), read=s2ef.read_shard)
    return _conversion(path, source, S2EF, "frames of S2EF")


def read_s2ef_lmdb(path: Path) -> Conversion:
    """Open LMDBs of S2EF as OCP writes them; their pickles are read as plain data only.

    Args:
        path: A file, or a folder with several.

    Raises:
        DataError: It is no LMDB, or damaged.
    """
    # OCP subtracts the reference energies while it packs, and forgets them.
    targets = [info for info in S2EF.targets if info.name != "reference_energy"]
    return _lmdb_conversion(path, is2re.read_frames, S2EF, "frames of S2EF", targets=targets)


def read_is2re_lmdb(path: Path) -> Conversion:
    """Open LMDBs of IS2RE, as published; their pickles are read as plain data only.

    Args:
        path: A file, or a folder with several.

    Raises:
        DataError: It is no LMDB, or damaged.
    """
    return _lmdb_conversion(path, is2re.read_relaxations, IS2RE, "systems of IS2RE")


def _lmdb_conversion(
    path: Path,
    read: Callable[[is2re.Records], Iterator[Item]],
    spec: DatasetSpec,
    what: str,
    targets: Sequence[TargetInfo] = (),
) -> Conversion:
    """Return LMDB files, read in pieces by several processes, as something to ingest."""
    files = lmdb_files(path)

    def pieces(start: int) -> Iterator[tuple[is2re.Records, int]]:
        for file in files:
            yield from is2re.pieces(_subset(file), file, start)
            start = max(0, start - is2re.count(file))

    source = ParallelSource(pieces=pieces, read=read)
    conversion = _conversion(path, source, spec, what)
    return replace(conversion, targets=targets or spec.targets, total=count_records(files))


def _conversion(path: Path, source: ParallelSource, spec: DatasetSpec, what: str) -> Conversion:
    return Conversion(
        source=source,
        targets=spec.targets,
        provenance=Provenance.from_spec(spec, f"local '{path.name}'"),
        fingerprint=fingerprint_of([path]),
        summary=f"OC20 {what} from '{path.name}'.",
        site_properties=s2ef.SITE_PROPERTIES,
    )


def _subset(path: Path) -> str:
    """Return the subset that a path names, the last folder first; training where it names none."""
    for name in (path.name, *reversed(path.parent.parts)):
        for subset in SUBSETS:
            if subset in name:
                return subset
    return TRAIN
