"""Checks of a reader: what it makes of its samples."""

from __future__ import annotations

from collections import Counter

import numpy as np

from matsciml_core.testing.checks import Broken, NotApplicable, check
from matsciml_core.testing.reader.sample import structure_difference, value_difference
from matsciml_core.testing.reader.subject import ReaderSubject


@check("reader")
def structures(subject: ReaderSubject) -> str:
    """Each sample holds the crystals that it is said to hold, in the order of the file.

    Measured: number of records, atomic numbers in order, periodic directions, lattice vectors, and
    positions up to lattice vectors, within the digits that the format keeps.

    Why: labels of atoms follow the order of the file; a library that sorts sites, wraps some of
    them, or takes columns for rows gives crystals that look right and are not.
    """
    count = 0
    for sample in subject.samples:
        frames = subject.frames(sample.path)
        if len(frames) != len(sample.frames):
            raise Broken(
                f"'{sample.path.name}' gives {len(frames)} records and holds {len(sample.frames)}.",
                measured=str(len(frames)),
            )
        for frame, expected in zip(frames, sample.frames, strict=True):
            difference = structure_difference(frame, expected, sample)
            if difference:
                raise Broken(f"'{expected.name}' of '{sample.path.name}' {difference}.")
        count += len(frames)
    return f"records: {count}"


@check("reader")
def values(subject: ReaderSubject) -> str:
    """What a sample says beside a structure comes with it, atom by atom in the same order.

    Measured: every value and site property of the samples, with its shape.

    Why: a force on the wrong atom, or a value of the next record, trains like a right one.
    """
    count = 0
    for sample in subject.samples:
        pairs = zip(subject.frames(sample.path), sample.frames, strict=True)
        for frame, expected in pairs:
            difference = value_difference(frame, expected)
            if difference:
                raise Broken(f"'{expected.name}' of '{sample.path.name}' {difference}.")
            count += len(expected.values) + len(expected.site_properties)
    if not count:
        raise NotApplicable("The samples hold structures and nothing else.")
    return f"values: {count}"


@check("reader")
def quantities(subject: ReaderSubject) -> str:
    """The quantities that the format defines occur in the samples, in the shapes of their kinds.

    Measured: of each declared quantity, whether a sample has a value of it to compare with, and
    whether the reader returns as many numbers as its kind has, per crystal or per atom.

    Why: the declared unit is shown to the user and believed; without a sample it is a claim.
    """
    declared = subject.declared.quantities
    if not declared:
        raise NotApplicable("The format defines no quantity, only its users do.")
    for info in declared:
        records = [
            (expected, frame)
            for sample in subject.samples
            for expected, frame in zip(sample.frames, subject.frames(sample.path), strict=True)
            if info.name in expected.values
        ]
        if not records:
            raise Broken(f"No sample has a value of '{info.name}', which the reader declares.")
        for expected, frame in records:
            atoms = len(np.asarray(expected.atomic_numbers))
            numbers = info.width * (atoms if info.per_atom else 1)
            # Six numbers of a symmetric tensor say as much as nine.
            allowed = (6, 9) if info.kind == "stress" else (numbers,)
            size = int(np.size(np.asarray(frame.values.get(info.name, ()))))
            if size not in allowed:
                raise Broken(f"'{info.name}' of '{expected.name}' has {size} numbers.")
    return ", ".join(f"{info.name} in {info.unit}" for info in declared)


@check("reader")
def names(subject: ReaderSubject) -> None:
    """Every record has a name of its own, the one that the file gives it.

    Measured: the names of the samples' records, and whether one occurs twice.

    Why: names become ids; with two of one name, one crystal is lost or tables join the wrong one.
    """
    for sample in subject.samples:
        names = [frame.name for frame in subject.frames(sample.path)]
        expected = [frame.name for frame in sample.frames]
        repeated = [name for name, uses in Counter(names).items() if uses > 1]
        if repeated:
            raise Broken(f"Several records of '{sample.path.name}' are called '{repeated[0]}'.")
        if names != expected:
            raise Broken(f"The records of '{sample.path.name}' are called {', '.join(names)}.")


@check("reader")
def repeatable(subject: ReaderSubject) -> None:
    """Reading a file twice gives the same records.

    Measured: every field of every record of the samples, exactly.

    Why: an import that was interrupted goes on behind the records that it counted before.
    """
    for sample in subject.samples:
        for first, second in zip(
            subject.frames(sample.path), subject.frames(sample.path), strict=True
        ):
            # Exactly, and not within the digits of the format; values may be of any type.
            fields = ("name", "atomic_numbers", "positions", "cell", "pbc")
            same = all(np.array_equal(getattr(first, key), getattr(second, key)) for key in fields)
            if not same or repr(first.values) != repr(second.values):
                raise Broken(f"'{first.name}' of '{sample.path.name}' differs the second time.")
