"""Checks of a reader: what it does with files that are compressed, long, torn or something else."""

from __future__ import annotations

import gzip
import tracemalloc
from pathlib import Path

import numpy as np

from matsciml_core.data.readers.detection import claimants
from matsciml_core.data.readers.frames import Frame
from matsciml_core.data.readers.input_file import CompressedError
from matsciml_core.errors import DataError
from matsciml_core.testing.checks import Broken, NotApplicable, check
from matsciml_core.testing.reader.sample import Sample, structure_difference
from matsciml_core.testing.reader.subject import ReaderSubject

FEW, MANY = 200, 1600
"""Records of the files whose memory is compared."""
GROWTH = 2.0
"""How much more memory the long file may take: a reader that holds it takes eight times as much."""
SMALLEST = 4 << 20
"""Bytes below which nothing is compared: buffers and caches of libraries."""
CUTS = (0.25, 0.5, 0.75)
"""Where samples are cut, as fractions of their length."""


@check("reader")
def recognised(subject: ReaderSubject) -> None:
    """A sample is recognised as a file of the format.

    Measured: whether the reader claims each sample, by name or content.

    Why: users do not know what a format is called; they give the file.
    """
    for sample in subject.samples:
        if not claimants(sample.path, [subject.declared]):
            raise Broken(
                f"'{sample.path.name}' is not claimed; see ReaderSpec.suffixes and detect."
            )


@check("reader")
def compressed(subject: ReaderSubject) -> str:
    """A compressed file gives the same records.

    Measured: samples that are single files, packed by gzip.

    Why: large files are compressed; a reader that opens ``file.path`` itself reads noise.
    """
    for sample, path in subject.files:
        packed = subject.copy(
            path.with_name(f"{path.name}.gz"), "packed", gzip.compress(path.read_bytes())
        )
        try:
            frames = subject.frames(packed)
        except CompressedError:
            raise NotApplicable("The format is not read from beginning to end.") from None
        if len(frames) != len(sample.frames) or any(
            structure_difference(frame, expected, sample)
            for frame, expected in zip(frames, sample.frames, strict=True)
        ):
            raise Broken(f"'{path.name}' gives other records when it is compressed.")
    return ""


@check("reader")
def torn(subject: ReaderSubject) -> str:
    """A file that breaks off gives whole records, and a sentence about the rest.

    Measured: samples that are single files, cut at a quarter, a half and three quarters of their
    length. Records before the cut must be right, and the loss must be rejected or raised.

    Why: a calculation that was killed, or a download that stopped, leaves such files; half a
    structure that passes for a whole one is worse than none.
    """
    tested = 0
    for sample, path in subject.files:
        content = path.read_bytes()
        for cut in CUTS:
            part = subject.copy(path, "torn", content[: int(len(content) * cut)])
            _check_part(_until_error(subject, part), sample, f"'{path.name}' cut at {cut:.0%}")
            tested += 1
    return f"files: {tested}"


@check("reader")
def something_else(subject: ReaderSubject) -> str:
    """A file of another kind gives a sentence, not records.

    Measured: files with a sample's name that hold random bytes, text, and nothing.

    Why: names lie. A traceback says nothing to users, and a record out of noise is worse.
    """
    # Seeded: a file that passes today must pass tomorrow.
    noise = np.random.default_rng(0).integers(0, 256, 4096, dtype=np.uint8).tobytes()
    for _, path in subject.files:
        for content in (noise, b"something else\n" * 100, b""):
            records, _ = _until_error(subject, subject.copy(path, "else", content))
            frames = [record for record in records if isinstance(record, Frame)]
            if frames:
                raise Broken(f"'{path.name}' with other content gives a record.")
    return ""


@check("reader")
def untouched(subject: ReaderSubject) -> None:
    """Reading changes no file and leaves none behind.

    Measured: the content of every file beside and within the samples, before and after.

    Why: data lie on read-only disks, and are read by several processes at once.
    """

    def contents() -> dict[Path, bytes]:
        folders = {
            sample.path if sample.path.is_dir() else sample.path.parent
            for sample in subject.samples
        }
        return {
            path: path.read_bytes()
            for folder in folders
            for path in folder.rglob("*")
            if path.is_file()
        }

    before = contents()
    for sample in subject.samples:
        subject.frames(sample.path)
    changed = {path.name for path, content in contents().items() if before.get(path) != content}
    if changed:
        raise Broken(f"Reading wrote {', '.join(sorted(changed))}.")


@check("reader", slow=True)
def streaming(subject: ReaderSubject) -> str:
    """Memory does not grow with the number of records.

    Measured: the most memory that Python holds while a file of 200 records is read, and one of
    1,600; the second may take twice as much. A few megabytes are not compared.

    Why: files of trajectories are larger than memory.
    """
    if not subject.declared.streams:
        raise NotApplicable("The format is declared as one that does not stream.")
    # Two files instead of one limit: what a library takes for itself is in both.
    writers = [sample for sample in subject.samples if sample.write_many is not None]
    if not writers:
        raise NotApplicable("No sample can be written with many records.")
    few, many = (_peak(subject, writers[0], count) for count in (FEW, MANY))
    measured = f"{few / 2**20:.1f} → {many / 2**20:.1f} MiB"
    if many > max(GROWTH * few, SMALLEST):
        raise Broken(f"Memory grows with the file: {measured}.", measured=measured)
    return measured


def _peak(subject: ReaderSubject, sample: Sample, count: int) -> float:
    """Return the most memory that Python allocates while a file is read, bytes."""
    folder = subject.folder / f"many-{count}"
    folder.mkdir(exist_ok=True)
    path = folder / sample.path.name
    if sample.write_many is not None:
        sample.write_many(path, count)
    records = sum(1 for _ in subject.read(path))  # once before, for what is imported on the way
    if records != count:
        raise Broken(f"A file of {count} records gives {records}.", measured=str(records))
    tracemalloc.start()
    try:
        for _ in subject.read(path):
            pass
        return float(tracemalloc.get_traced_memory()[1])
    finally:
        tracemalloc.stop()


def _until_error(subject: ReaderSubject, path: Path) -> tuple[list[object], str]:
    """Return the records of a file, and the sentence with which reading ended, if it did."""
    records: list[object] = []
    try:
        for record in subject.read(path):
            records.append(record)  # noqa: PERF402 - kept where the next one raises
    except DataError as error:
        if "\n" in str(error):
            raise Broken(f"The error about '{path.name}' has several lines.") from error
        return records, str(error)
    return records, ""


def _check_part(outcome: tuple[list[object], str], sample: Sample, where: str) -> None:
    records, error = outcome
    frames = [record for record in records if isinstance(record, Frame)]
    # Not strict: the part may hold fewer records, and has to say so below.
    for frame, expected in zip(frames, sample.frames, strict=False):
        difference = structure_difference(frame, expected, sample)
        if difference:
            raise Broken(f"{where} gives a record that {difference}.")
    if len(frames) == len(records) < len(sample.frames) and not error:
        raise Broken(f"{where} gives {len(frames)} records, and nothing about the others.")
