"""Files of LAMMPS: units, elements, boxes and orders that a file has, or leaves to be asked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from matsciml_core.data.ingestion.sources import Rejection
from matsciml_core.data.readers import Frame, ImportRequest, Naming, parse_files, read
from matsciml_core.errors import ConfigError, DataError
from matsciml_core.registry.manager import build_registry
from matsciml_reader_ase.lammps_samples import (
    EDGES,
    FORCES,
    GENERAL,
    NAMED,
    SCALED,
    UNITS,
    VECTORS,
)

REGISTRY = build_registry(only=["matsciml-reader-ase"])
METAL = UNITS.replace("real", "metal")


def records(folder: Path, text: str, **options: str) -> list[Any]:
    path = folder / "dump.custom"
    path.write_text(text)
    return list(read(path, registry=REGISTRY, options=options))


def frame(folder: Path, text: str, **options: str) -> Frame:
    (record,) = records(folder, text, **options)
    assert isinstance(record, Frame), record
    return record


def test_forces_turn_with_the_cell(tmp_path):
    """LAMMPS wrote both: the turned cell with its forces, and those of the cell as it was told."""
    turned, told = frame(tmp_path, UNITS + NAMED), frame(tmp_path, UNITS + GENERAL)
    rotation = np.linalg.solve(EDGES, VECTORS)
    np.testing.assert_allclose(rotation @ rotation.T, np.eye(3), atol=1e-9)
    np.testing.assert_allclose(FORCES @ rotation, told.values["forces"], atol=1e-5)
    np.testing.assert_allclose(turned.values["forces"], FORCES)


def test_units_are_those_of_the_file_or_asked_for(tmp_path):
    for text in (NAMED, GENERAL):
        with pytest.raises(ConfigError, match=r"does not say in which units.*--set units=metal"):
            records(tmp_path, text)
    metal = frame(tmp_path, NAMED, units="metal").values["forces"]
    np.testing.assert_allclose(metal * 0.043364104241800, FORCES)
    electron = frame(tmp_path, NAMED, units="electron")
    np.testing.assert_allclose(electron.cell, EDGES * 0.529177210544)
    np.testing.assert_allclose(electron.values["forces"] / metal, 27.211386246 / 0.529177210544)
    with pytest.raises(ConfigError, match=r"units are 'real', and --set units=metal"):
        records(tmp_path, UNITS + NAMED, units="metal")
    with pytest.raises(DataError, match="units 'lj', which are not read"):
        records(tmp_path, UNITS.replace("real", "lj") + NAMED)


@pytest.mark.parametrize(("units", "per_fs"), [("metal", 1e-3), ("real", 1.0), ("si", 1e-5)])
def test_velocities_are_in_angstrom_per_femtosecond(tmp_path, units, per_fs):
    values = frame(tmp_path, SCALED, units=units, elements="Na,Cl").values
    assert values["velocities"][0, 0] == pytest.approx(-0.00382556 * per_fs)


def test_elements_of_types_are_asked_for(tmp_path):
    with pytest.raises(ConfigError, match=r"numbers its types.*--set elements=Cu,O"):
        records(tmp_path, UNITS + SCALED)
    with pytest.raises(ConfigError, match="'Xx' is no element"):
        records(tmp_path, UNITS + SCALED, elements="Xx")
    (rejection,) = records(tmp_path, UNITS + SCALED, elements="Na")
    assert rejection.detail.startswith("Type 2 has no element")
    other = frame(tmp_path, UNITS + SCALED, elements="K F")
    assert other.atomic_numbers.tolist() == [19, 9, 9, 19]
    labels = SCALED.replace("id type", "id typelabel").replace("4 1", "4 Na").replace("3 2", "3 Cl")
    labels = labels.replace("2 2 0", "2 Cl 0").replace("1 1 0", "1 Na 0")
    assert frame(tmp_path, UNITS + labels).atomic_numbers.tolist() == [11, 17, 17, 11]


def test_the_carbon_that_lammps_writes_for_every_atom_is_asked_about(tmp_path):
    carbon = NAMED.replace(" Na ", " C ").replace(" Cl ", " C ")
    for text in (carbon, carbon.replace(" mass", " c_pe")):
        with pytest.raises(ConfigError, match=r"every atom C.*--set elements=C"):
            records(tmp_path, UNITS + text)
    assert frame(tmp_path, UNITS + carbon, elements="Na,Cl").atomic_numbers[0] == 11
    real = carbon.replace("22.9898", "12.011").replace("36.966", "13.0034")
    assert frame(tmp_path, UNITS + real).atomic_numbers.tolist() == [6] * 4


def test_masses_tell_elements_that_were_mixed_up(tmp_path):
    (rejection,) = records(tmp_path, UNITS + NAMED, elements="Cl,Na")
    assert "22.9898 u is said to be Cl, and has the mass of Na" in rejection.detail
    # Chlorine-37 is an isotope, and kept as one.
    masses = frame(tmp_path, UNITS + NAMED).values["masses"]
    np.testing.assert_array_equal(masses, [np.nan, 36.966, 36.966, np.nan])
    heavy = NAMED.replace("22.9898", "2.014").replace("36.966", "15.999")
    water = frame(tmp_path, UNITS + heavy, elements="H,O")
    np.testing.assert_array_equal(water.values["masses"], [2.014, np.nan, np.nan, 2.014])
    deuterium = frame(tmp_path, UNITS + SCALED, elements="D,O").values["masses"]
    assert deuterium[0] == pytest.approx(2.0141, abs=1e-4)


def test_what_is_periodic_and_what_is_not_skewed(tmp_path):
    orthogonal = NAMED.replace("xy xz yz pp pp pp", "pp fs mm")
    lines = orthogonal.splitlines(keepends=True)
    lines[5:8] = ["-1.0 4.0\n", "0.0 6.0\n", "0.5 7.5\n"]
    box = frame(tmp_path, METAL + "".join(lines))
    np.testing.assert_allclose(box.cell, np.diag([5.0, 6.0, 7.0]))
    assert box.pbc.tolist() == [True, False, False]


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("3 2 Cl", "2 2 Cl", "Two atoms of the frame have the same id."),
        ("ATOMS\n4", "ATOMS\n5", "The frame has … atoms, and says that it has …."),
        ("36.966\n4 1", "36.966 1\n4 1", "An atom has another number of columns"),
        ("x y z q", "x y u q", "The dump has no coordinates; write x y z, xs ys zs"),
        ("0.0738898", "nought", "The frame is incomplete, or not as LAMMPS writes it."),
    ],
)
def test_broken_frames_are_rejected_and_the_next_one_is_read(tmp_path, old, new, reason):
    first, second = records(tmp_path, UNITS + NAMED.replace(old, new) + NAMED)
    assert isinstance(first, Rejection)
    assert first.reason.startswith(reason)
    assert isinstance(second, Frame)


def test_a_last_line_that_was_cut_is_rejected(tmp_path):
    first, second = records(tmp_path, (UNITS + NAMED * 2)[:-3])
    assert isinstance(first, Frame)
    assert second.reason == "The file ends before the end of the frame."


def test_a_table_is_joined_by_the_timestep(tmp_path):
    """A dump has no energy; LAMMPS's log has one per step."""
    path = tmp_path / "run.lammpstrj"
    later = NAMED.replace("TIMESTEP\n0", "TIMESTEP\n500")
    path.write_text(UNITS + NAMED + later)
    (tmp_path / "thermo.csv").write_text("step,energy\n0,-1.0\n500,-2.0\n")
    request = ImportRequest(
        paths=(path,),
        labels=("energy=kcal/mol", "forces"),
        table=tmp_path / "thermo.csv",
        naming=Naming(column="timestep"),
    )
    first, second = parse_files(request, REGISTRY).source(0)
    assert (first.id, second.id) == ("0", "500")
    assert second.labels["energy"] == pytest.approx(-2 * 0.0433641)
    np.testing.assert_allclose(second.labels["forces"], FORCES)
