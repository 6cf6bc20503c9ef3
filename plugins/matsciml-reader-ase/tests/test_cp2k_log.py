"""Logs of CP2K: units, signs and what is not in them; alone, and beside a trajectory."""

from __future__ import annotations

import numpy as np
import pytest

from matsciml_core.data.ingestion.sources import Rejection
from matsciml_core.data.readers import Frame, read
from matsciml_core.errors import DataError
from matsciml_reader_ase.cp2k_log_samples import HEADER, PRESSURE, STEP
from matsciml_reader_ase.cp2k_samples import write_run

STRESS = -np.array(PRESSURE) / 160.21766208
ENERGY = "ENERGY| Total FORCE_EVAL ( QS ) energy [a.u.]:               -7.868180823575067"


def records(folder, text):
    path = folder / "si.out"
    path.write_text(text)
    return list(read(path))


def test_lengths_and_angles_are_finer_than_vectors(tmp_path):
    """The same cell, printed by an optimisation, which has turned it."""
    turned = """\
 CELL| Vector a [angstrom]:       3.840     0.000     0.000   |a| =     3.839590
 CELL| Vector b [angstrom]:       1.920     3.325     0.000   |b| =     3.839590
 CELL| Vector c [angstrom]:       1.991     1.149     3.077   |c| =     3.840892
"""
    (plain,) = records(tmp_path, HEADER + STEP)
    (frame,) = records(tmp_path, HEADER + turned + STEP)
    assert np.linalg.det(frame.cell) == pytest.approx(39.288629, abs=2e-5)
    assert frame.cell[0] == pytest.approx([3.83959, 0, 0], abs=5e-4)
    # Coordinates were printed before, and go with the cell.
    fractions = [one.positions @ np.linalg.inv(one.cell) for one in (plain, frame)]
    np.testing.assert_allclose(*fractions, atol=1e-5)


@pytest.mark.parametrize("unit", ["bar", "kbar", "MPa", "atm"])
def test_a_stress_has_the_unit_that_is_printed(tmp_path, unit):
    factor = {"bar": 1e4, "kbar": 10.0, "MPa": 1e3, "atm": 1e9 / 101325}[unit]
    rows = "".join(
        f" STRESS|      {axis} " + " ".join(f"{value * factor:19.11E}" for value in row) + "\n"
        for axis, row in zip("xyz", PRESSURE, strict=True)
    )
    block = f" STRESS| Numerical stress tensor [{unit}]\n STRESS|      x   y   z\n{rows}"
    (frame,) = records(tmp_path, HEADER + STEP.partition(" STRESS|")[0] + block)
    np.testing.assert_allclose(frame.values["stress"], STRESS, rtol=1e-9)


def test_what_older_and_newer_releases_print(tmp_path):
    older = STEP.partition(" STRESS|")[0].replace("[a.u.]:", "(a.u.):")
    older += " STRESS TENSOR [GPa]\n\n            X               Y               Z\n"
    older += "".join(
        f"  {axis} " + " ".join(f"{value:15.8f}" for value in row) + "\n"
        for axis, row in zip("XYZ", PRESSURE, strict=True)
    )
    newer = HEADER + " ENERGY| Total FORCE_EVAL ( QS ) energy [hartree]  -7.868180823575067\n"
    newer += """
 FORCES| Atomic forces [hartree/bohr]
 FORCES|   Atom     x               y               z               |f|
 FORCES|      1  4.44974200E-02  8.61750000E-03 -1.17871400E-02  4.68329E-02
 FORCES|      2 -4.44974600E-02 -8.61748000E-03  1.17871800E-02  4.68329E-02
 FORCES| Sum    -4.00000000E-08  1.00000000E-08  4.00000000E-08  6.00000E-08
"""
    (now,) = records(tmp_path, HEADER + STEP)
    header = HEADER.replace(": ATOMIC COORDINATES IN ANGSTROM", ":  ATOMIC COORDINATES IN angstrom")
    (old,) = records(tmp_path, header + older)
    (new,) = records(tmp_path, newer)
    for key in ("energy", "forces", "stress"):
        np.testing.assert_allclose(old.values[key], now.values[key], rtol=1e-8)
    np.testing.assert_allclose(new.values["forces"], now.values["forces"], rtol=1e-8)
    np.testing.assert_allclose(now.values["stress"], STRESS, rtol=1e-9)


def test_isotopes_and_open_directions(tmp_path):
    text = HEADER.replace("XYZ", " XY").replace("4.0000  28.0855", "4.0000  29.9738", 1)
    (frame,) = records(tmp_path, text + STEP)
    assert frame.values["masses"][0] == 29.9738
    assert np.isnan(frame.values["masses"][1])
    assert list(frame.pbc) == [True, True, False]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("stress tensor [GPa]", "stress tensor [Torr]", "the stress in 'Torr'"),
        ("energy [a.u.]", "energy [K_e]", "the energy in 'K_e'"),
        ("MODULE QUICKSTEP", "MODULE FIST", "of its module 'FIST'"),
        (ENERGY, "nothing", "no total energy of CP2K"),
        (ENERGY, f"{ENERGY}\n {ENERGY.replace('QS', 'MIXED')}", "energies of QS and of MIXED"),
    ],
)
def test_what_cannot_be_known_is_refused(tmp_path, old, new, message):
    with pytest.raises(DataError, match=message):
        records(tmp_path, (HEADER + STEP).replace(old, new, 1))


def test_steps_that_cannot_be_used_are_rejected(tmp_path):
    warning = " *** WARNING in qs_scf.F:601 :: SCF run NOT converged ***\n"
    (record,) = records(tmp_path, HEADER + warning + STEP)
    assert record.reason == "The electrons did not converge in this step."
    first, second = records(tmp_path, HEADER + STEP + STEP)
    assert isinstance(first, Frame)
    assert "no coordinates of this step; name the file PROJECT-pos-1.xyz" in second.reason
    for end in ("SUM OF", " STRESS|      z", " ATOMIC FORCES"):
        torn = STEP.partition(end)[0]
        assert records(tmp_path, HEADER + STEP + torn)[1].reason == (
            "The step was not written to its end."
        )


def log_of_run(steps, project="water", **changes):
    """Return the log of the run that ``write_run`` writes, with another stress in each step."""
    text = HEADER.replace(" si\n", f" {project}\n")
    for step in range(steps):
        energy = f"{-12.5 - step:.12f}"
        text += STEP.replace("-7.868180823575067", energy).replace("3.94107", f"{step}.94107")
    for old, new in changes.items():
        text = text.replace(old, new)
    return text


def test_the_stress_of_a_trajectory_is_that_of_its_log(tmp_path):
    path = tmp_path / "water-pos-1.xyz"
    write_run(path, 3)
    (tmp_path / "water-1.stress").write_text(totals(3))
    (tmp_path / "other.out").write_text(log_of_run(3, project="other"))
    frames = list(read(path))
    # Of dynamics the file has the kinetic part, too.
    assert all("stress" not in frame.values for frame in frames)
    assert frames[1].values["stress_with_kinetic"][0, 0] == pytest.approx(-1e-4 / 160.21766208)
    (tmp_path / "run.out").write_text(log_of_run(3))
    frames = list(read(path))
    found = [frame.values["stress"][0, 0] * -160.21766208 for frame in frames]
    assert found == pytest.approx([0.94107213024, 1.94107213024, 2.94107213024])
    assert "stress_with_kinetic" not in frames[1].values


def test_a_step_that_did_not_converge_is_rejected(tmp_path):
    path = tmp_path / "water-pos-1.xyz"
    write_run(path, 2)
    text = log_of_run(2).replace(
        " ENERGY| Total FORCE_EVAL ( QS ) energy [a.u.]:               -13.5",
        " *** WARNING in qs_scf.F:601 :: SCF run NOT converged ***\n"
        " ENERGY| Total FORCE_EVAL ( QS ) energy [a.u.]:               -13.5",
    )
    (tmp_path / "run.out").write_text(text)
    assert [type(record) for record in read(path)] == [Frame, Rejection]


def totals(steps):
    columns = " ".join(f"{axes} [bar]" for axes in ("xx", "xy", "xz", "yx", "yy", "yz"))
    rows = [f"{step} 0.000 {step} 2 3 2 5 6 3 6 9\n" for step in range(steps)]
    return f"#   Step   Time [fs] {columns} zx [bar] zy [bar] zz [bar]\n{''.join(rows)}"


def test_the_file_of_stresses_is_right_for_optimisations(tmp_path):
    path = tmp_path / "water-pos-1.xyz"
    write_run(path, 2)
    text = path.read_text()
    for time in ("0.000", "0.500"):
        text = text.replace(f" time =        {time},", "")
    path.write_text(text)
    (tmp_path / "water-1.stress").write_text(totals(2))
    frame = list(read(path))[1]
    expected = -np.array([[1, 2, 3], [2, 5, 6], [3, 6, 9]]) * 1e-4 / 160.21766208
    np.testing.assert_allclose(frame.values["stress"], expected)
    (tmp_path / "water-1.stress").write_text(totals(2).replace("[bar]", ""))
    with pytest.raises(DataError, match="does not say the unit of its stresses"):
        list(read(path))


def test_units_that_were_set_are_taken_from_the_restart(tmp_path):
    path = tmp_path / "water-pos-1.xyz"
    write_run(path, 2)
    plain = list(read(path))[1]
    restart = """\
 &MOTION
   &PRINT
     &TRAJECTORY  SILENT
       UNIT bohr
     &END TRAJECTORY
     &FORCES  SILENT
       UNIT eV*angstrom^-1
     &END FORCES
   &END PRINT
 &END MOTION
 &FORCE_EVAL
 &END FORCE_EVAL
"""
    (tmp_path / "water-1.restart").write_text(restart)
    frame = list(read(path))[1]
    np.testing.assert_allclose(frame.positions, plain.positions * 0.529177210544)
    np.testing.assert_allclose(
        frame.values["forces"], plain.values["forces"] / (27.211386245981 / 0.529177210544)
    )
    (tmp_path / "water-1.restart").write_text(restart.replace("bohr", "furlong"))
    with pytest.raises(DataError, match="the trajectory in 'furlong'"):
        list(read(path))
