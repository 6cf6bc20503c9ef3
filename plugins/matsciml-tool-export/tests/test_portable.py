"""Models as programs that run without this project: same numbers, any number of atoms."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest
import torch
from ase.build import bulk

from matsciml_cli.app import execute
from matsciml_core import CrystalBatch, Neighbourhood, load
from matsciml_core.data import attach_neighbours
from matsciml_core.errors import ConfigError
from matsciml_core.testing.crystals import all_crystals
from matsciml_tool_export.exported_model import ExportedModel, neighbours
from matsciml_tool_export.portable import export_program
from matsciml_tool_export.program import Output, Program, trace
from matsciml_util_potential.calculator import ModelCalculator
from matsciml_util_potential.testing.force_models import distorted_alloy, force_model_writer

ALONE = """
import json, sys

class Blocked:
    def find_spec(self, name, *rest):
        if name.partition(".")[0] not in ("matsciml_core", "matsciml_cli", "ase", "pymatgen"):
            return None
        raise ImportError(f"{name} is not there")

sys.meta_path.insert(0, Blocked())
sys.path.insert(0, sys.argv[1])
from exported_model import ExportedModel

structure = json.loads(sys.stdin.read())
model = ExportedModel(sys.argv[1])
found = model(structure["numbers"], structure["positions"], structure["cell"])
print(json.dumps({name: value.tolist() for name, value in found.items()}))
"""


@pytest.fixture(scope="module")
def force_model(module_plugin_folder, tmp_path_factory):
    return force_model_writer(module_plugin_folder)(tmp_path_factory.mktemp("models") / "model")


@pytest.fixture(scope="module")
def exported(force_model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("exported") / "alloy"
    return export_program(force_model, folder, compiled=False).folder


@pytest.fixture(scope="module")
def program(exported):
    return ExportedModel(exported)


def results_of(model, atoms):
    return model(atoms.numbers, atoms.positions, atoms.cell.array)


@pytest.mark.parametrize(
    "atoms", [bulk("Cu"), distorted_alloy(), distorted_alloy() * (3, 2, 1)], ids=len
)
def test_energy_forces_and_stress_are_those_of_the_model(force_model, program, atoms):
    calculator = ModelCalculator(load(force_model, device="cpu"))
    found = results_of(program, atoms)
    assert found["energy"] == pytest.approx(calculator.get_potential_energy(atoms), abs=1e-9)
    np.testing.assert_allclose(found["forces"], calculator.get_forces(atoms), atol=1e-9)
    atoms.calc = calculator
    stress = atoms.get_stress(voigt=False)
    np.testing.assert_allclose(found["stress"], stress, atol=1e-9)


def test_forces_are_slopes_of_the_exported_energy(program):
    atoms = distorted_alloy()
    force = results_of(program, atoms)["forces"][2, 1]
    energies = []
    for step in (-1e-4, 1e-4):
        moved = atoms.copy()
        moved.positions[2, 1] += step
        energies.append(results_of(program, moved)["energy"])
    assert abs(force) > 0.01
    assert -(energies[1] - energies[0]) / 2e-4 == pytest.approx(force, abs=1e-6)


def test_runs_in_a_process_without_this_project(force_model, exported):
    atoms = distorted_alloy()
    structure = {
        "numbers": atoms.numbers.tolist(),
        "positions": atoms.positions.tolist(),
        "cell": atoms.cell.array.tolist(),
    }
    done = subprocess.run(
        [sys.executable, "-c", ALONE, str(exported)],
        input=json.dumps(structure),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    calculator = ModelCalculator(load(force_model, device="cpu"))
    assert found["energy"] == pytest.approx(calculator.get_potential_energy(atoms), abs=1e-9)
    np.testing.assert_allclose(found["forces"], calculator.get_forces(atoms), atol=1e-9)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"numbers": [29, 29, 79]}, r"shape \(3,\) and positions of shape \(4, 3\) do not fit"),
        ({"numbers": [], "positions": np.zeros((0, 3))}, "do not fit"),
        ({"numbers": [29, 29, 79, 0]}, "must be whole, from 1 to 118"),
        ({"numbers": [29, 29, 79, 500]}, "must be whole, from 1 to 118"),
        ({"numbers": [29, 29, 79, 28.5]}, "must be whole, from 1 to 118"),
        ({"numbers": [29, 29, 92, 3]}, r"never seen .* 3, 92, so that"),
        ({"positions": np.full((4, 3), np.nan)}, "must be finite"),
        ({"cell": np.full((3, 3), np.inf)}, "must be finite"),
        ({"cell": [4.0, 4.0, 4.0]}, r"of shape \(3, 3\)"),
        ({"cell": np.zeros((3, 3))}, "has no volume"),
        (
            {"cell": 50.0 * np.eye(3), "numbers": [29], "positions": [[0, 0, 0]]},
            "within the cutoff",
        ),
    ],
)
def test_what_is_no_structure_is_refused_in_a_sentence(program, change, sentence):
    positions = 3.7 * np.array([[0, 0, 0], [0.5, 0.5, 0], [0.5, 0, 0.5], [0, 0.5, 0.5]])
    given = {"numbers": [29, 29, 79, 29], "positions": positions, "cell": 3.7 * np.eye(3)}
    assert program(**given)["forces"].shape == (4, 3)
    with pytest.raises(ValueError, match=sentence):
        program(**{**given, **change})


def test_elements_that_the_model_has_never_seen_are_allowed_where_that_is_said(exported):
    atoms = bulk("Li", cubic=True)
    with pytest.raises(ValueError, match="never seen"):
        results_of(ExportedModel(exported), atoms)
    assert np.isfinite(results_of(ExportedModel(exported, allow_unseen=True), atoms)["energy"])


def test_says_what_is_in_the_folder(exported):
    names = {path.name for path in exported.iterdir()}
    assert names == {"model.pt2", "program.json", "exported_model.py", "README.md"}
    described = json.loads((exported / "program.json").read_text("utf-8"))
    assert described["outputs"][1] == {"name": "forces", "unit": "eV/Å", "per": "atom"}
    assert described["cutoff"] == 5.5
    assert "`stress`: eV/Å³" in (exported / "README.md").read_text("utf-8")


@pytest.mark.slow  # traces another model
def test_labels_of_a_run_with_its_card(run, tmp_path):
    folder = export_program(run, tmp_path / "out", licence="MIT", compiled=False).folder
    crystal = next(one for one in all_crystals() if one.pbc.all() and one.num_atoms > 2)
    found = ExportedModel(folder, allow_unseen=True)(
        crystal.atomic_numbers, crystal.positions, crystal.cell
    )
    (expected,) = load(run, device="cpu").predict_crystals([crystal])
    assert found["energy"] == pytest.approx(expected["energy"], abs=1e-5)
    card = (folder / "README.md").read_text("utf-8")
    assert "from exported_model import ExportedModel" in card
    assert "| **this model** |" in card
    assert (folder / "CITATION.bib").is_file()


def test_what_has_no_graph_is_refused_in_a_sentence(force_model):
    model = load(force_model, device="cpu")
    forward = model.encoder.forward

    def looping(batch):
        for _ in range(int(batch.edge_vectors().abs().max())):
            pass
        return forward(batch)

    model.encoder.forward = looping
    with pytest.raises(ConfigError, match="cannot be written as a program, since no single graph"):
        trace(model)


def test_a_program_with_other_numbers_is_refused():
    inputs = (torch.tensor([29]), torch.zeros(1, 3, dtype=torch.float64))
    checked = Program(
        graph=None,
        min_atoms=1,
        outputs=(Output(name="energy", unit="eV", per="crystal"),),
        examples=(inputs,),
        expected=((torch.tensor(-3.5, dtype=torch.float64),),),
    )
    checked.check(lambda *_: (torch.tensor(-3.5, dtype=torch.float64),))
    with pytest.raises(ConfigError, match=r"another energy than the model \(by 1.0e-06 eV\)"):
        checked.check(lambda *_: (torch.tensor(-3.500001, dtype=torch.float64),))


def test_what_lies_in_the_folder_is_kept(exported, force_model, tmp_path):
    (tmp_path / "mine.txt").write_text("precious")
    with pytest.raises(ConfigError, match="is not empty; name an empty"):
        export_program(force_model, tmp_path)
    with pytest.raises(ConfigError, match="give --replace"):
        export_program(force_model, exported)


def test_options_of_pt2_need_the_format(run, tmp_path, capsys):
    arguments = ("--to", str(tmp_path / "out"), "--precision", "float64")
    assert execute(["export", str(run), *arguments]) == 2
    assert "go with --format pt2 or mliap" in capsys.readouterr().err


@pytest.mark.parametrize("cap", [None, 5, 12])
@pytest.mark.parametrize("crystal", all_crystals(), ids=lambda crystal: crystal.id)
def test_the_scripts_neighbours_are_those_of_training(crystal, cap):
    batch = CrystalBatch.from_crystals([crystal])
    batch = attach_neighbours(batch, Neighbourhood(cutoff=4.0, max_neighbours=cap))
    index, shifts = neighbours(crystal.positions, crystal.cell, crystal.pbc, 4.0, cap)
    assert np.all(np.diff(index[1]) >= 0)
    ours, theirs = (
        sorted(map(tuple, np.column_stack((edges.T, moved)).astype(int).tolist()))
        for edges, moved in ((index, shifts), (batch.edge_index.numpy(), batch.cell_shift.numpy()))
    )
    assert ours == theirs


@pytest.mark.slow  # the compiler takes a minute
def test_the_compiled_program_gives_the_same(force_model, tmp_path, capfd):
    done = export_program(force_model, tmp_path / "out", precision="float64")
    assert done.compiled, done.note
    assert capfd.readouterr().err == ""
    atoms = distorted_alloy() * (2, 1, 1)
    found = results_of(ExportedModel(done.folder, compiled=True), atoms)
    calculator = ModelCalculator(load(force_model, device="cpu"))
    assert found["energy"] == pytest.approx(calculator.get_potential_energy(atoms), abs=1e-9)
    np.testing.assert_allclose(found["forces"], calculator.get_forces(atoms), atol=1e-9)
