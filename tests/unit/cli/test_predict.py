"""``matsciml predict``: structures from files to a table, whatever is wrong with some of them."""

from __future__ import annotations

import csv
import io
import json
import warnings

import numpy as np
import pytest

from matsciml_core import TargetInfo
from matsciml_core.convert import to_ase, to_pymatgen
from matsciml_core.model.ensembles import write_ensemble
from matsciml_core.model.uncertainty import Calibration
from matsciml_core.testing.crystals import hcp_magnesium, sodium_chloride

ase_io = pytest.importorskip("ase.io", reason="ASE is not installed")

SHARED_SITE = """
data_alloy
_cell_length_a 3.6
_cell_length_b 3.6
_cell_length_c 3.6
_cell_angle_alpha 90
_cell_angle_beta 90
_cell_angle_gamma 90
_space_group_name_H-M_alt 'P 1'
loop_
_atom_site_label
_atom_site_type_symbol
_atom_site_fract_x
_atom_site_fract_y
_atom_site_fract_z
_atom_site_occupancy
Cu1 Cu 0 0 0 0.5
Au1 Au 0 0 0 0.5
"""


@pytest.fixture
def model(plugin_folder, readers, write_model, tmp_path, monkeypatch):
    plugin_folder.add_examples()
    monkeypatch.chdir(tmp_path)
    gap = TargetInfo(name="gap", kind="scalar", unit="eV")
    return write_model(tmp_path / "model", [gap], elements=["Na", "Mg", "Cl", "Cu"])


@pytest.fixture
def files(tmp_path, model):
    """Write NaCl in four formats, and return their names."""
    structure = to_pymatgen(sodium_chloride())
    atoms = to_ase(sodium_chloride())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        structure.to(str(tmp_path / "salt.cif"))
        structure.to(str(tmp_path / "POSCAR"), fmt="poscar")
    ase_io.write(tmp_path / "salt.extxyz", atoms)
    (tmp_path / "salt.json").write_text(json.dumps(structure.as_dict()))
    return ["salt.cif", "POSCAR", "salt.extxyz", "salt.json"]


def rows(text):
    return list(csv.DictReader(io.StringIO(text)))


class TestTable:
    def test_has_a_line_for_each_format_and_the_same_number(self, cli, model, files):
        outcome = cli("predict", "model", *files)
        assert outcome.code == 0, outcome.err
        lines = rows((model.parent / "predictions.csv").read_text())
        assert [line["file"] for line in lines] == files
        values = [float(line["gap (eV)"]) for line in lines]
        assert values == pytest.approx([values[0]] * 4, abs=1e-4)  # files round coordinates
        assert {line["formula"] for line in lines} == {"NaCl"}
        assert {line["atoms"] for line in lines} == {"2"}
        assert "4 structures predicted." in outcome.err

    def test_goes_to_stdout_alone(self, cli, model, files):
        outcome = cli("predict", "model", "salt.cif", "--output", "-")
        assert outcome.code == 0
        assert len(rows(outcome.out)) == 1
        assert not list(model.parent.glob("predictions*"))

    def test_says_where_a_prediction_is_a_guess(self, cli, model, tmp_path):
        atoms = to_ase(sodium_chloride())
        atoms.numbers[1] = 53
        ase_io.write(tmp_path / "iodide.extxyz", atoms)
        outcome = cli("predict", "model", "iodide.extxyz", "-o", "-")
        (line,) = rows(outcome.out)
        assert line["note"] == "a guess: the model has never seen I"
        assert "In 1 of them are elements that the model has never seen (I)" in outcome.err

    def test_streams_a_file_of_many(self, cli, model, tmp_path):
        atoms = to_ase(sodium_chloride())
        ase_io.write(tmp_path / "many.extxyz", [atoms] * 70)
        outcome = cli("predict", "model", "many.extxyz", "-o", "-", "--batch-size", "8")
        assert len(rows(outcome.out)) == 70

    def test_of_a_folder_has_its_files(self, cli, model, files, tmp_path):
        (tmp_path / "cifs").mkdir()
        (tmp_path / "salt.cif").rename(tmp_path / "cifs" / "a.cif")
        assert len(rows(cli("predict", "model", "cifs", "-o", "-").out)) == 1

    def test_as_extended_xyz_keeps_the_structures(self, cli, model, files, tmp_path):
        assert cli("predict", "model", *files, "-o", "p.extxyz").code == 0
        frames = ase_io.read(tmp_path / "p.extxyz", index=":")
        assert len(frames) == 4
        assert frames[0].info["gap"] == pytest.approx(frames[1].info["gap"], abs=1e-4)

    def test_appears_when_it_is_whole(self, cli, model, files, tmp_path):
        (tmp_path / "bad.cif").write_text("")
        assert cli("predict", "model", "salt.cif", "bad.cif", "--strict").code == 2
        assert not (tmp_path / "predictions.csv").exists()
        assert cli("predict", "model", "salt.cif").code == 0
        assert not (tmp_path / "predictions.csv.part").exists()


COMPLAINTS = {
    "empty.cif": "There is no structure.",
    "empty.extxyz": "There is no structure in it.",
    "empty.json": "no valid JSON",
    "words.cif": "The CIF has no cell",
    "shared.cif": "several species, or is only partly occupied",
    "bytes.json": "not in UTF-8",
    "list.json": "no JSON object",
    "unknown.abc": "cannot be told from its name",
    "database.db": "cannot be read",
    "nan.extxyz": "not finite",
    "close.extxyz": "Å apart",
    "nowhere.cif": "does not exist",
}
"""Files that are wrong, each in its own way, and what must be said about them."""


@pytest.fixture
def bad_files(tmp_path, model):
    """Write the files of ``COMPLAINTS``, but for the one that is nowhere."""
    for name in ("empty.cif", "empty.extxyz", "empty.json", "unknown.abc"):
        (tmp_path / name).write_text("")
    (tmp_path / "words.cif").write_text("This is no CIF.\n")
    (tmp_path / "shared.cif").write_text(SHARED_SITE)
    (tmp_path / "bytes.json").write_bytes(b"\xff\xfe\x00")
    (tmp_path / "list.json").write_text("[1]")
    (tmp_path / "database.db").write_bytes(b"no database")
    ase_io.write(tmp_path / "nan.extxyz", to_ase(sodium_chloride()))
    lines = (tmp_path / "nan.extxyz").read_text().splitlines()
    lines[2] = "Na nan 0.0 0.0"
    (tmp_path / "nan.extxyz").write_text("\n".join(lines) + "\n")
    close = to_ase(hcp_magnesium())
    close.positions[1] = close.positions[0] + [0.1, 0, 0]
    ase_io.write(tmp_path / "close.extxyz", close)


class TestWhatIsWrong:
    def test_is_reported_and_left_out(self, cli, files, bad_files):
        names = list(COMPLAINTS)
        outcome = cli("predict", "model", *names[:6], "salt.cif", *names[6:], "-o", "-")
        assert outcome.code == 0, outcome.err
        assert [line["file"] for line in rows(outcome.out)] == ["salt.cif"]
        assert f"1 structure predicted, {len(names)} left out." in outcome.err

    @pytest.mark.parametrize("name", COMPLAINTS)
    def test_is_explained(self, cli, files, bad_files, name):
        outcome = cli("predict", "model", name, "salt.cif", "-o", "-")
        assert outcome.code == 0
        (line,) = [one for one in outcome.err.splitlines() if one.startswith(f"Left out {name}")]
        assert COMPLAINTS[name] in line
        assert "…" not in line  # names and numbers are those of the file

    def test_stops_everything_where_strict(self, cli, files, bad_files):
        outcome = cli("predict", "model", "salt.cif", "nan.extxyz", "--strict")
        assert outcome.code == 2
        assert "nan.extxyz" in outcome.error
        assert "not finite" in outcome.error

    def test_includes_guesses_where_strict(self, cli, model, tmp_path):
        atoms = to_ase(sodium_chloride())
        atoms.numbers[1] = 53
        ase_io.write(tmp_path / "iodide.extxyz", atoms)
        outcome = cli("predict", "model", "iodide.extxyz", "--strict")
        assert outcome.code == 2
        assert "has I, which the model has never seen" in outcome.error

    def test_everywhere_is_an_error(self, cli, bad_files):
        outcome = cli("predict", "model", "empty.cif")
        assert outcome.code == 2
        assert outcome.err.splitlines()[0].startswith("Left out empty.cif")
        assert "None of the structures could be used" in outcome.err

    def test_in_the_middle_of_a_file_keeps_what_came_before(self, cli, model, tmp_path):
        atoms = to_ase(sodium_chloride())
        ase_io.write(tmp_path / "cut.extxyz", [atoms] * 3)
        text = (tmp_path / "cut.extxyz").read_text()
        (tmp_path / "cut.extxyz").write_text(text[: int(len(text) * 0.8)])
        outcome = cli("predict", "model", "cut.extxyz", "-o", "-")
        assert len(rows(outcome.out)) == 2
        assert "Left out cut.extxyz, 'cut-000002': The frame is incomplete" in outcome.err

    def test_what_is_not_periodic_is_predicted_with_a_note(self, cli, model, tmp_path):
        atoms = to_ase(sodium_chloride())
        atoms.set_cell(np.zeros((3, 3)))
        atoms.pbc = False
        ase_io.write(tmp_path / "molecule.xyz", atoms)
        (line,) = rows(cli("predict", "model", "molecule.xyz", "-o", "-").out)
        assert line["note"] == "not periodic in all directions"


class TestRequest:
    @pytest.mark.parametrize(
        ("arguments", "words"),
        [
            (
                ("nowhere", "salt.cif"),
                "'nowhere' does not exist; name the folder of a finished run",
            ),
            (("model", "salt.cif", "-o", "p.parquet"), "one of the endings .csv, .extxyz, .xyz"),
            (("model", "salt.cif", "--format", "pdb"), "There is no reader 'pdb'"),
            (("model", "salt.cif", "--device", "gpu"), "There is no device 'gpu'"),
            (("model", "salt.cif", "--precision", "half"), "no precision 'half'"),
            (("model", "salt.cif", "-o", "salt.cif/p.csv"), "cannot be written"),
            (("model", "salt.cif", "--label", "gop"), "Did you mean 'gap'?"),
        ],
    )
    def test_that_cannot_be_met_is_one_sentence(self, cli, model, files, arguments, words):
        outcome = cli("predict", *arguments)
        assert outcome.code == 2
        assert words in outcome.error


def test_predictions_that_exist_are_replaced_when_asked_and_structures_never(cli, model, files):
    assert cli("predict", "model", "salt.extxyz").code == 0
    outcome = cli("predict", "model", "salt.extxyz")
    assert outcome.code == 2
    assert "'predictions.csv' exists; give --replace" in outcome.error
    assert cli("predict", "model", "salt.extxyz", "--replace").code == 0
    outcome = cli("predict", "model", "salt.extxyz", "-o", "salt.extxyz", "--replace")
    assert outcome.code == 2
    assert "is what the command reads" in outcome.error


class TestUncertainty:
    @pytest.fixture
    def ensemble(self, model, write_model, tmp_path):
        gap = TargetInfo(name="gap", kind="scalar", unit="eV")
        other = write_model(tmp_path / "other", [gap], constants={"mean": 2.0})
        (tmp_path / "both").mkdir()
        interval = Calibration(scale="", count=40, quantiles={0.9: 10.0})
        write_ensemble(tmp_path / "both", [model, other], {"mine/gap": interval})
        return "both"

    def test_has_columns_with_units(self, cli, ensemble, files):
        outcome = cli("predict", ensemble, "salt.extxyz", "--uncertainty", "--output", "-")
        (line,) = rows(outcome.out)
        assert float(line["gap (spread, eV)"]) == pytest.approx(2**0.5, abs=1e-5)
        low, high = (float(line[f"gap (90 % interval {end}, eV)"]) for end in ("from", "to"))
        assert (low, high) == pytest.approx((float(line["gap (eV)"]) - 10, low + 20))

    def test_has_keys_in_extended_xyz(self, cli, ensemble, files, tmp_path):
        cli("predict", ensemble, "salt.extxyz", "--uncertainty", "--output", "found.extxyz")
        found = ase_io.read(tmp_path / "found.extxyz").info
        assert found["gap_spread"] == pytest.approx(2**0.5, abs=1e-5)
        assert found["gap_high"] - found["gap_low"] == pytest.approx(20)

    def test_is_refused_where_nothing_is_known(self, cli, model, files):
        error = cli("predict", "model", "salt.extxyz", "--uncertainty").error
        assert "knows neither a spread nor an interval" in error
