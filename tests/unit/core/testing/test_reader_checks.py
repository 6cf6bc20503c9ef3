"""Every check of a reader is failed by a reader with that one fault, and by no other."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from matsciml_core.data.ingestion.sources import Rejection
from matsciml_core.data.readers import Frame
from matsciml_core.data.readers.detection import EXTENDED_XYZ
from matsciml_core.data.readers.extxyz.dataset_writer import write_crystals
from matsciml_core.data.readers.extxyz.format import ExtendedXYZReader
from matsciml_core.testing import ReaderContract
from matsciml_core.testing.crystals import triclinic
from matsciml_core.testing.reader import CHECKS
from matsciml_core.testing.reader.sample import (
    Sample,
    frame_of,
    structure_difference,
    value_difference,
)

_COUNTER = itertools.count()


class TestExtendedXYZ(ReaderContract):
    """The core's own reader keeps the promises of all."""

    spec = EXTENDED_XYZ


class Changed(ExtendedXYZReader):
    """The core's reader with a change to each record."""

    def read(self, file):
        for record in super().read(file):
            yield self.change(record) if isinstance(record, Frame) else record


class Sorted(Changed):
    """Sorts sites, as some libraries do, and forgets the forces."""

    def change(self, frame):
        order = np.argsort(frame.atomic_numbers, kind="stable")
        return replace(
            frame,
            atomic_numbers=np.asarray(frame.atomic_numbers)[order],
            positions=np.asarray(frame.positions)[order],
        )


class ForcesInOtherOrder(Changed):
    def change(self, frame):
        values = dict(frame.values)
        if "forces" in values:
            values["forces"] = values["forces"][::-1]
        return replace(frame, values=values)


class Transposed(Changed):
    def change(self, frame):
        return replace(frame, cell=np.asarray(frame.cell).T)


class EnergyInHartree(Changed):
    def change(self, frame):
        values = dict(frame.values)
        if "energy" in values:
            values["energy"] /= 27.2
        return replace(frame, values=values)


class NoForces(Changed):
    def change(self, frame):
        return replace(frame, values={k: v for k, v in frame.values.items() if k != "forces"})


class OneName(Changed):
    def change(self, frame):
        return replace(frame, name="crystal")


class OtherNames(Changed):
    def change(self, frame):
        return replace(frame, name=f"frame-{frame.name}")


class NeverTheSame(Changed):
    def change(self, frame):
        return replace(frame, values={**frame.values, "read": next(_COUNTER)})


class RejectsAll(ExtendedXYZReader):
    def read(self, file):
        yield Rejection("x", "It does not like it.")


class OpensThePath(ExtendedXYZReader):
    """Reads what lies on the disk, packed or not."""

    def read(self, file):
        content = file.path.read_bytes().decode("utf-8", errors="ignore")
        plain = file.path.with_name("plain.txt")
        plain.write_text(content)
        yield from super().read(type(file)(plain))
        plain.unlink()


class SilentAboutTheTorn(ExtendedXYZReader):
    def read(self, file):
        try:
            yield from (one for one in super().read(file) if isinstance(one, Frame))
        except Exception:
            return


class InventsARecord(ExtendedXYZReader):
    def read(self, file):
        try:
            yield from super().read(file)
        except Exception:
            yield Frame(name="x", atomic_numbers=[1], positions=[[0, 0, 0]], cell=np.eye(3))


class LeavesAFile(ExtendedXYZReader):
    def read(self, file):
        file.path.with_name("cache.idx").write_text(str(next(_COUNTER)))
        yield from super().read(file)


class HoldsEverything(ExtendedXYZReader):
    def read(self, file):
        yield from list(super().read(file))


FAULTS = {
    Sorted: {"structures", "compressed", "written"},
    Transposed: {"structures", "compressed", "written"},
    ForcesInOtherOrder: {"values", "written"},
    EnergyInHartree: {"values", "written"},
    NoForces: {"values", "quantities", "written"},
    OneName: {"names", "written"},
    OtherNames: {"names", "written"},
    NeverTheSame: {"repeatable"},
    RejectsAll: {
        "structures", "values", "quantities", "names", "repeatable", "compressed", "untouched",
        "written",
    },
    SilentAboutTheTorn: {"torn"},
    InventsARecord: {"something-else"},
    LeavesAFile: {"untouched"},
}  # fmt: skip


@pytest.mark.parametrize("component", FAULTS)
def test_a_fault_fails_its_checks_and_no_other(outcome, component):
    assert outcome(EXTENDED_XYZ, component).failed == FAULTS[component]


def test_a_reader_of_the_packed_bytes_is_noticed(outcome):
    assert "compressed" in outcome(EXTENDED_XYZ, OpensThePath).failed


@pytest.mark.slow
def test_a_reader_that_holds_the_file_is_noticed(outcome):
    assert outcome(EXTENDED_XYZ, HoldsEverything, quick=False).failed == {"streaming"}


def test_a_format_that_does_not_stream_is_not_measured(outcome):
    assert "streaming" in outcome(replace(EXTENDED_XYZ, streams=False), quick=False).skipped


def test_a_good_reader_passes_everything(outcome):
    found = outcome(EXTENDED_XYZ)
    assert not found.failed
    assert found.skipped == {"streaming"}
    assert found.row("quantities").measured == "energy in eV, forces in eV/Å, stress in eV/Å³"


def test_a_file_that_is_not_claimed(outcome):
    spec = replace(EXTENDED_XYZ, suffixes=(), detect=None)
    assert outcome(spec).failed == {"recognised"}


def test_a_quantity_without_a_sample(outcome):
    extra = replace(EXTENDED_XYZ.quantities[0], name="total_energy")
    spec = replace(EXTENDED_XYZ, quantities=(*EXTENDED_XYZ.quantities, extra))
    assert outcome(spec).failed == {"quantities"}
    assert "No sample has a value of 'total_energy'" in outcome(spec).row("quantities").explanation


def test_a_reader_without_samples(outcome):
    found = outcome(replace(EXTENDED_XYZ, samples=None))
    assert found.failed == {CHECKS[0].name}
    assert "names no samples" in found.row(CHECKS[0].name).explanation


def test_a_class_that_is_no_reader(outcome):
    class Nothing:
        def __init__(self, config):
            """Take the settings."""

    found = outcome(EXTENDED_XYZ, Nothing)
    assert "Nothing is not a subclass of Reader" in found.row("recognised").explanation


CRYSTAL = triclinic()
SAMPLE = Sample(path=Path("x"), frames=[frame_of(CRYSTAL)])
TURN = np.linalg.qr(np.random.default_rng(0).normal(size=(3, 3)))[0]


class TestStructureDifference:
    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({}, ""),
            ({"atomic_numbers": [19, 41, 8, 8, 8]}, "has the atomic numbers"),
            ({"pbc": (True, True, False)}, "is periodic in"),
            ({"cell": CRYSTAL.cell * 1.001}, "has the lattice vectors"),
            ({"positions": CRYSTAL.positions + CRYSTAL.cell[0] - 2 * CRYSTAL.cell[2]}, ""),
            ({"positions": CRYSTAL.positions + 1e-4}, "has atom"),
            ({"positions": CRYSTAL.positions + 1e-8}, ""),
        ],
    )
    def test_of_a_crystal(self, changes, message):
        found = structure_difference(frame_of(CRYSTAL, **changes), frame_of(CRYSTAL), SAMPLE)
        assert found.startswith(message)
        assert bool(found) == bool(message)

    def test_a_turned_crystal_is_the_same_where_the_format_has_lengths_and_angles(self):
        turned = frame_of(CRYSTAL, cell=CRYSTAL.cell @ TURN, positions=CRYSTAL.positions @ TURN)
        assert "lattice vectors" in structure_difference(turned, frame_of(CRYSTAL), SAMPLE)
        loose = replace(SAMPLE, same_orientation=False)
        assert not structure_difference(turned, frame_of(CRYSTAL), loose)
        only_cell = frame_of(CRYSTAL, cell=CRYSTAL.cell @ TURN)
        assert "has atom" in structure_difference(only_cell, frame_of(CRYSTAL), loose)

    def test_a_molecule_is_compared_as_it_is(self):
        molecule = Frame(
            name="x",
            atomic_numbers=[1],
            positions=[[0, 0, 0]],
            cell=np.zeros((3, 3)),
            pbc=(False, False, False),
        )
        assert not structure_difference(molecule, molecule, SAMPLE)
        moved = replace(molecule, positions=[[0, 0, 1]])
        assert "off by 1 Å" in structure_difference(moved, molecule, SAMPLE)


@pytest.mark.parametrize(
    ("found", "expected", "message"),
    [
        ({"a": 1.0}, {"a": 1}, ""),
        ({"a": "1.0"}, {"a": 1.0}, ""),
        ({"a": "x"}, {"a": 1.0}, "has another 'a'"),
        ({}, {"a": 1.0}, "lacks 'a'"),
        ({"a": [1, 2]}, {"a": [[1], [2]]}, "has another 'a'"),
        ({"a": "x", "b": 1}, {"a": "x"}, ""),
        ({"a": True}, {"a": True}, ""),
    ],
)
def test_values_are_compared_by_key(found, expected, message):
    frames = [frame_of(CRYSTAL, values) for values in (found, expected)]
    assert value_difference(*frames).startswith(message)
    assert bool(value_difference(*frames)) == bool(message)


def _wrong_sign(crystals, targets, path):
    """Write stresses as VASP has them, and say nothing of it."""
    turned = (
        replace(crystal, labels={**crystal.labels, "stress": -crystal.labels["stress"]})
        for crystal in crystals
    )
    return write_crystals(turned, targets, path)


def _forgets_one(crystals, targets, path):
    return write_crystals(list(crystals)[1:], targets, path)


def _drops_what_is_held(crystals, targets, path):
    return write_crystals((replace(c, site_properties={}) for c in crystals), targets, path)


@pytest.mark.parametrize("writer", [_wrong_sign, _forgets_one, _drops_what_is_held])
def test_a_writer_that_is_wrong_is_noticed(outcome, writer):
    spec = replace(EXTENDED_XYZ, writer=f"{__name__}:{writer.__name__}")
    assert outcome(spec).failed == {"written"}
