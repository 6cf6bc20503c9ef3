"""Trajectories of CP2K: which of its files belong together, and what each holds."""

from __future__ import annotations

import numpy as np
import pytest

from matsciml_core.data.ingestion.sources import Rejection
from matsciml_core.data.readers import Frame, ImportRequest, parse_files, read
from matsciml_core.errors import ConfigError, DataError
from matsciml_core.interfaces.crystal import Crystal
from matsciml_core.registry.manager import build_registry
from matsciml_reader_ase.cp2k_samples import write_run

LABELS = ("energy", "forces")


@pytest.fixture
def run(tmp_path):
    path = tmp_path / "water-pos-1.xyz"
    write_run(path, 3)
    return path


def test_a_folder_is_one_run(run):
    """A file of forces, which is XYZ, too, is no structure."""
    request = ImportRequest(paths=(run.parent,), labels=LABELS)
    items = list(parse_files(request, build_registry()).source(0))
    crystals = [item for item in items if isinstance(item, Crystal)]
    assert len(crystals) == 3
    assert [item.id for item in items if isinstance(item, Rejection)] == ["water-1.cell"]
    assert crystals[0].labels["energy"] == pytest.approx(-12.5 * 27.211386, rel=1e-6)
    assert crystals[0].labels["forces"][1][2] == pytest.approx(0.01 * 51.422067, rel=1e-6)


def test_forces_alone_are_no_structure(run):
    beside = run.with_name("water-frc-1.xyz")
    run.unlink()
    with pytest.raises(DataError, match=r"holds forces or velocities.*'water-pos-1\.xyz'"):
        list(read(beside))


def test_forces_that_were_written_less_often_stay_with_their_steps(run):
    beside = run.with_name("water-frc-1.xyz")
    lines = beside.read_text().splitlines(keepends=True)
    beside.write_text("".join(lines[:4] + lines[8:]))
    frames = [record for record in read(run) if isinstance(record, Frame)]
    assert ["forces" in frame.values for frame in frames] == [True, False, True]


def test_forces_of_another_run_are_not_taken(run):
    beside = run.with_name("water-frc-1.xyz")
    beside.write_text(beside.read_text().replace("-12.5000000000", "-12.4000000000"))
    frames = [record for record in read(run) if isinstance(record, Frame)]
    assert ["forces" in frame.values for frame in frames] == [False, True, True]


def test_the_cell_of_a_run_in_which_it_stays(run):
    run.with_name("water-1.cell").unlink()
    with pytest.raises(DataError, match=r"No cell is known.*--set cell=10,10,10"):
        list(read(run))
    restart = run.with_name("water-1.restart")
    restart.write_text(
        " &MOTION\n   &MD\n     ENSEMBLE  NVT\n   &END MD\n &END MOTION\n   &SUBSYS\n     &CELL\n"
        "       A     8.0 0.0 0.0\n       B     0.0 9.0 0.0\n       C     0.5 0.0 1.0E+01\n"
        "       MULTIPLE_UNIT_CELL  1  1  1\n     &END CELL\n   &END SUBSYS\n"
    )
    frame = next(iter(read(run)))
    assert isinstance(frame, Frame)
    assert np.asarray(frame.cell).tolist() == [[8, 0, 0], [0, 9, 0], [0.5, 0, 10]]
    restart.write_text(restart.read_text().replace("NVT", "NPT_F"))
    with pytest.raises(DataError, match="No cell is known"):
        list(read(run))
    given = list(read(run, options={"cell": "8,9,10"}))
    assert np.asarray(given[0].cell).tolist() == np.diag([8.0, 9.0, 10.0]).tolist()
    with pytest.raises(ConfigError, match="neither three lengths nor nine numbers"):
        list(read(run, options={"cell": "8,9"}))


def test_a_step_without_a_cell_or_of_no_element_is_rejected(run):
    cells = run.with_name("water-1.cell")
    cells.write_text("".join(cells.read_text().splitlines(keepends=True)[:2]))
    run.write_text(run.read_text().replace("  O ", "  Xx ", 1))
    records = list(read(run))
    assert all(isinstance(record, Rejection) for record in records)
    assert "'Xx' is no element" in records[0].detail
    assert "none for the step 1" in records[1].detail


def test_a_step_that_was_not_written_to_its_end_is_counted(run):
    run.write_text(run.read_text()[:-5])
    records = list(read(run))
    assert [type(record) for record in records] == [Frame, Frame, Rejection]
