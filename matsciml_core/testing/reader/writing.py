"""The check of a format's writer: what it writes is read again."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from matsciml_core.data.readers.frames import Naming, to_crystals
from matsciml_core.data.readers.labels import parse_label
from matsciml_core.data.readers.tables import read_table
from matsciml_core.data.readers.writer import Writer, Written
from matsciml_core.interfaces.crystal import Crystal
from matsciml_core.registry.targets import Grid, TargetInfo
from matsciml_core.testing.checks import Broken, NotApplicable, check
from matsciml_core.testing.crystals import all_crystals
from matsciml_core.testing.reader.sample import Sample, frame_of, structure_difference
from matsciml_core.testing.reader.subject import ReaderSubject

_GRID = Grid(points=3, start=-1, stop=1, unit="eV")
TARGETS = {
    info.name: info
    for info in (
        TargetInfo(name="energy", kind="energy", unit="eV"),
        TargetInfo(name="forces", kind="forces", unit="eV/Å"),
        TargetInfo(name="stress", kind="stress", unit="eV/Å³"),
        TargetInfo(name="gap", kind="scalar", unit="eV"),
        TargetInfo(name="metal", kind="binary", unit="class"),
        TargetInfo(name="dipole", kind="tensor", rank=1, unit="e·Å"),
        TargetInfo(name="born", kind="tensor", rank=2, unit="e", per_atom=True),
        TargetInfo(
            name="dos", kind="grid", unit="1/eV", grid=Grid(points=3, start=-1, stop=1, unit="eV")
        ),
    )
}


@check("reader")
def written(subject: ReaderSubject) -> str:
    """What the format's writer writes is read again, to the digits that the format keeps.

    Measured: crystals with labels of each kind, some missing, and site properties, written and
    read: ids, atomic numbers in order, positions, cells, every label and site property that the
    writer says it wrote.

    Why: a way back that turns a sign, an order or a unit ruins the other program's training.
    """
    if subject.declared.writer is None:
        raise NotApplicable("The format is read, and not written.")
    write: Writer = subject.spec.load_named(subject.declared.writer)
    crystals = {crystal.id: crystal for crystal in example_crystals()}
    folder = subject.folder / "written"
    folder.mkdir(exist_ok=True)
    suffix = (*subject.declared.suffixes, "")[0]
    path = folder / f"examples{subject.declared.output_suffix or suffix}"
    outcome = write(crystals.values(), TARGETS, path)
    returned = {crystal.id: crystal for crystal in _read(subject, path, outcome)}
    if returned.keys() != crystals.keys():
        raise Broken(
            f"Of the crystals {', '.join(crystals)}, these are read again: {', '.join(returned)}."
        )
    for name, expected in crystals.items():
        _compare(returned[name], expected, outcome)
    return f"labels: {', '.join(outcome.labels) or 'none'}"


def example_crystals() -> list[Crystal]:
    """Return crystals with labels of each kind in :data:`TARGETS`, and site properties."""
    random = np.random.default_rng(0)
    crystals = []
    for index, crystal in enumerate(all_crystals()):
        atoms = crystal.num_atoms
        stress = random.normal(scale=0.01, size=(3, 3))
        labels: dict[str, Any] = {
            "energy": float(random.normal(-4 * atoms)),
            "forces": random.normal(size=(atoms, 3)),
            "stress": stress + stress.T,
            "gap": float(random.uniform(0, 5)),
            "metal": index % 2,
            "dipole": random.normal(size=3),
            "born": random.normal(size=(atoms, 3, 3)),
            "dos": random.uniform(size=3),
        }
        if index == 1:
            del labels["gap"], labels["metal"], labels["dos"]
        fixed = np.zeros(atoms, np.uint8)
        fixed[0] = 1
        properties: dict[str, NDArray[np.uint8]] = {"fixed": fixed, "tags": fixed + 1}
        crystals.append(
            replace(crystal, labels=labels, site_properties=properties if index != 2 else {})
        )
    return crystals


def _read(subject: ReaderSubject, path: Path, outcome: Written) -> list[Crystal]:
    """Import what was written, in the way that the writer says.

    Raises:
        Broken: A record is rejected.
    """
    labels = [
        parse_label(text, per_atom=TARGETS[name].per_atom) for name, text in outcome.labels.items()
    ]
    table = None if outcome.table is None else read_table(path.with_name(outcome.table))
    crystals = []
    for item in to_crystals(subject.read(path), labels, Naming(), table):
        if not isinstance(item, Crystal):
            raise Broken(f"'{item.id}' is rejected: {item.detail or item.reason}")
        crystals.append(item)
    return crystals


def _compare(crystal: Crystal, expected: Crystal, outcome: Written) -> None:
    """Compare a crystal that was written and read with what it was.

    Raises:
        Broken: They differ.
    """
    sample = Sample(
        path=Path(),
        frames=(),
        # Positions are compared in Å, and some formats keep seven digits of them.
        precision=outcome.precision * max(1.0, float(np.abs(expected.positions).max())),
        same_orientation=outcome.same_orientation,
    )
    difference = structure_difference(frame_of(crystal), frame_of(expected), sample)
    if difference:
        raise Broken(f"'{crystal.id}' {difference}.")
    for name in outcome.labels:
        if (name in crystal.labels) != (name in expected.labels):
            raise Broken(f"'{crystal.id}' has another label '{name}', or none.")
        if name in expected.labels:
            mine, theirs = (np.asarray(either.labels[name]) for either in (crystal, expected))
            allowed = outcome.precision * np.maximum(np.abs(theirs), 1.0)
            if mine.shape != theirs.shape or (np.abs(mine - theirs) > allowed).any():
                raise Broken(f"'{crystal.id}' has another label '{name}'.")
    for name in outcome.site_properties:
        mine, theirs = (
            np.asarray(either.site_properties.get(name, np.zeros(either.num_atoms)))
            for either in (crystal, expected)
        )
        if not np.array_equal(mine, theirs):
            raise Broken(f"'{crystal.id}' has another site property '{name}'.")
