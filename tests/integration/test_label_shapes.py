"""Labels of shapes that no code was written for, from a declaration to a report.

Made-up crystals have a dielectric tensor, a polarity (a vector), Born charges (a matrix per atom)
and a density of states, all made of their geometry so that they turn with it, and each missing in
some crystals. They are stored, batched, trained with NequIP, reported and predicted.
"""

from __future__ import annotations

import csv
import io
import json
import re

import numpy as np
import pytest
import torch

from matsciml_cli.app import execute
from matsciml_core import Crystal, CrystalBatch, Grid, Provenance, TargetInfo, label_mask, load
from matsciml_core.data import CrystalStore, CrystalStoreWriter, attach_neighbours
from matsciml_core.interfaces.encoder import Neighbourhood
from matsciml_core.testing.transforms import random_rotation, transform, turn

CUTOFF = 4.0
GRID = Grid(points=24, start=-6.0, stop=6.0, unit="eV", quantity="energy from the Fermi level")
TARGETS = (
    TargetInfo(name="dielectric", kind="tensor", rank=2, symmetric=True, unit="dimensionless"),
    TargetInfo(name="polarity", kind="tensor", rank=1, unit="e·Å", extensive=True),
    TargetInfo(name="born", kind="tensor", rank=2, unit="e", per_atom=True),
    TargetInfo(name="dos", kind="grid", grid=GRID, unit="1/eV", extensive=True),
)
INFOS = {info.name: info for info in TARGETS}
ELEMENTS = {3: 1.0, 12: 2.0, 8: -2.0, 9: -1.0}
"""Atomic number → charge, which the made-up labels depend on."""
COUNT = 160


def bare_crystal(number: int) -> Crystal:
    """Return a distorted crystal of two to four atoms in a skewed cell."""
    random = np.random.default_rng(number)
    atoms = int(random.integers(2, 5))
    cell = np.diag(random.uniform(3.0, 4.5, size=3)) + random.uniform(-0.4, 0.4, size=(3, 3))
    return Crystal.from_fractional(
        id=f"made-{number:03d}",
        atomic_numbers=random.choice(list(ELEMENTS), size=atoms),
        fractional=(np.arange(atoms)[:, None] / atoms + random.uniform(-0.1, 0.1, (atoms, 3))) % 1,
        cell=cell,
    )


def labels_of(crystal: Crystal) -> dict[str, np.ndarray]:
    """Return labels that are sums over neighbours, so that they turn with the crystal."""
    batch = attach_neighbours(CrystalBatch.from_crystals([crystal]), Neighbourhood(cutoff=CUTOFF))
    vectors = batch.edge_vectors().numpy()
    source, target = batch.edge_index.numpy()
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit, weight = vectors / length, (1 - (length / CUTOFF) ** 2) ** 2
    charge = np.array([ELEMENTS[number] for number in crystal.atomic_numbers])
    outer = unit[:, :, None] * unit[:, None, :] * weight[:, :, None]
    around = np.zeros((crystal.num_atoms, 3, 3))
    np.add.at(around, target, outer * np.abs(charge)[source][:, None, None])
    pull = np.zeros((crystal.num_atoms, 3))
    np.add.at(pull, target, unit * weight * charge[source][:, None])
    levels = np.array(GRID.coordinates)
    density = np.exp(-((levels - charge[:, None]) ** 2) / 2).sum(axis=0)
    return {
        "dielectric": 2.0 * np.eye(3) + around.mean(axis=0),
        "polarity": (charge[:, None] ** 2 * pull).sum(axis=0),
        "born": charge[:, None, None] * (np.eye(3) + 0.3 * around),
        "dos": density * (1 + 0.2 * np.trace(around.mean(axis=0))),
    }


def labelled_crystal(number: int) -> Crystal:
    """Return a crystal with its labels, of which one of five is missing, each in other crystals."""
    crystal = bare_crystal(number)
    labels = labels_of(crystal)
    missing = [name for place, name in enumerate(labels) if number % 5 == place]
    return Crystal(
        id=crystal.id,
        atomic_numbers=crystal.atomic_numbers,
        positions=crystal.positions,
        cell=crystal.cell,
        labels={name: value for name, value in labels.items() if name not in missing},
    )


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> CrystalStore:
    """The crystals in a store, as the imported dataset ``shapes``."""
    folder = tmp_path_factory.mktemp("data") / "datasets" / "shapes"
    folder.mkdir(parents=True)
    provenance = Provenance(source="made up", licence="CC0-1.0")
    with CrystalStoreWriter(folder / "store", TARGETS, provenance) as writer:
        for number in range(COUNT):
            writer.add(labelled_crystal(number))
    record = {"format": "matsciml-dataset", "version": 1, "store": "store", "summary": "Shapes."}
    (folder / "dataset.json").write_text(json.dumps(record))
    return CrystalStore(folder / "store")


@pytest.fixture(scope="module")
def run(data, tmp_path_factory):
    """Train on the dataset with a small NequIP; return the exit code and the run folder."""

    def start(*arguments: str, epochs: int = 2):
        output = tmp_path_factory.mktemp("runs")
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("MATSCIML_DATA", str(data.folder.parents[2]))
            code = execute(
                [
                    *("run", "--dataset", "shapes", "--encoder", "nequip", "--seed", "1"),
                    *("--epochs", str(epochs), "--batch-size", "16", "--output", str(output)),
                    *("--set", f"encoder.cutoff={CUTOFF}", "--set", "encoder.num_features=8"),
                    *("--set", "encoder.num_layers=2", "--set", "encoder.tensor_output=true"),
                    *arguments,
                ]
            )
        return code, output / "latest"

    return start


@pytest.fixture(scope="module")
def all_labels(run):
    """The folder of a short run on all labels."""
    targets = [word for name in INFOS for word in ("--target", name)]
    code, folder = run(*targets, "--strategy", "additive")
    assert code == 0
    return folder


@pytest.fixture(scope="module")
def dielectric(run):
    """The folder of a run that learns the dielectric tensor."""
    code, folder = run("--target", "dielectric", epochs=60)
    assert code == 0
    return folder


class TestStore:
    def test_values_come_back_in_their_shape(self, data):
        batch = data.read(range(COUNT))
        for number, crystal in enumerate(batch.crystals()):
            expected = labelled_crystal(number).labels
            assert crystal.labels.keys() == expected.keys()
            for name, value in expected.items():
                np.testing.assert_array_equal(crystal.labels[name], value)

    def test_what_is_missing_is_masked(self, data):
        batch = data.read(range(10))
        for place, (name, info) in enumerate(INFOS.items()):
            rows = batch.crystal_index if info.per_atom else torch.arange(10)
            mask = label_mask(batch.targets[name], info)
            assert mask.shape == (len(rows), *info.shape)
            assert torch.equal(~mask.flatten(1).any(1), rows % 5 == place)

    def test_declarations_come_back(self, data):
        assert data.targets == INFOS


class TestRun:
    def test_each_label_has_metrics_and_a_baseline(self, all_labels):
        summary = json.loads((all_labels / "run.json").read_text())
        for name, info in INFOS.items():
            metrics = summary["metrics"]["test"][f"shapes/{name}"]
            assert metrics["unit"] == info.unit
            assert np.isfinite([metrics["mae"], metrics["skill"]]).all()
            assert summary["baselines"][f"shapes/{name}"]
            assert summary["datasets"]["shapes"]["labels"][name] | {"name": name} == info.as_data()
        assert "mae_per_atom" in summary["metrics"]["test"]["shapes/polarity"]

    def test_predictions_number_the_components_of_each_value(self, all_labels, data):
        text = (all_labels / "predictions-test.csv").read_text()
        rows = list(csv.DictReader(io.StringIO(text)))
        crystals = {crystal.id: crystal for crystal in data.read(range(COUNT)).crystals()}
        for name, info in INFOS.items():
            mine = [row for row in rows if row["target"] == name]
            assert mine
            for row in mine:
                values = np.ravel(crystals[row["id"]].labels[name])
                # Batches are in single precision.
                assert float(row["label"]) == pytest.approx(values[int(row["index"])], rel=1e-6)
            for crystal in {row["id"] for row in mine}:
                shape = info.value_shape(crystals[crystal].num_atoms)
                indices = [int(row["index"]) for row in mine if row["id"] == crystal]
                assert indices == list(range(np.prod(shape)))

    def test_the_report_names_components_and_atoms(self, all_labels):
        page = (all_labels / "report.html").read_text()
        text = re.sub(r"\s+", " ", re.sub("<[^>]+>", " ", page))
        assert "Errors of each component of dielectric" in text
        assert "Errors of each component of born" in text
        assert re.search(r"[xyz]{2} of atom \d \((Li|Mg|O|F)\)", text)
        assert "Errors of each component of polarity" in text
        assert any(f" {point} " in text for point in GRID.names)
        assert "Mean norm of the error" in text

    def test_a_saved_model_predicts_each_label_in_its_shape(self, all_labels):
        crystal = bare_crystal(3)
        (prediction,) = load(all_labels).predict([crystal])
        for name, info in INFOS.items():
            assert np.shape(prediction[name]) == info.value_shape(crystal.num_atoms)
            assert prediction.units[name] == info.unit

    def test_predictions_are_written_to_files(self, all_labels, tmp_path, capsys):
        from matsciml_core.convert import to_ase

        ase_io = pytest.importorskip("ase.io")
        ase_io.write(tmp_path / "one.extxyz", to_ase(bare_crystal(3)))
        for suffix in ("csv", "extxyz"):
            command = ["predict", str(all_labels), str(tmp_path / "one.extxyz")]
            assert execute([*command, "-o", str(tmp_path / f"p.{suffix}")]) == 0
        (row,) = csv.DictReader(io.StringIO((tmp_path / "p.csv").read_text()))
        atoms = ase_io.read(tmp_path / "p.extxyz")
        for name, info in INFOS.items():
            value = np.array(json.loads(row[f"{name} ({info.unit})"]))
            assert value.shape == info.value_shape(len(atoms))
            stored = atoms.arrays[name] if info.per_atom else atoms.info[name]
            np.testing.assert_allclose(np.reshape(stored, value.shape), value, atol=1e-7)


class TestDielectricTensor:
    @pytest.mark.parametrize("sign", [1, -1], ids=["rotation", "reflection"])
    def test_a_prediction_turns_with_its_crystal(self, dielectric, sign):
        """ε of the crystal that R was applied to is R ε Rᵀ."""
        model = load(dielectric)
        matrix = sign * random_rotation(np.random.default_rng(0))
        for number in range(5):
            crystal = bare_crystal(number)
            before, after = model.predict([crystal, transform(crystal, matrix)])
            epsilon = before["dielectric"]
            expected = turn(epsilon, matrix, 2)
            np.testing.assert_allclose(after["dielectric"], expected, atol=1e-4)
            np.testing.assert_allclose(epsilon, epsilon.T, atol=1e-6)
            assert np.abs(expected - epsilon).max() > 1e-2

    def test_it_learns_the_anisotropy(self, dielectric):
        summary = json.loads((dielectric / "run.json").read_text())
        metrics = summary["metrics"]["test"]["shapes/dielectric"]
        baselines = summary["baselines"]["shapes/dielectric"]
        for name in ("mean", "composition"):
            assert metrics["error_norm"] < 0.25 * baselines[name]["error_norm"]
            assert metrics["anisotropic_error"] < 0.25 * baselines[name]["anisotropic_error"]

    def test_a_cubic_crystal_has_an_isotropic_prediction(self, dielectric):
        salt = Crystal.from_fractional(
            id="LiF",
            atomic_numbers=[3, 9],
            fractional=[[0, 0, 0], [0.5, 0.5, 0.5]],
            cell=2.0 * np.array([[0, 1, 1], [1, 0, 1], [1, 1, 0]]),
        )
        (prediction,) = load(dielectric).predict([salt])
        epsilon = prediction["dielectric"]
        np.testing.assert_allclose(epsilon, np.trace(epsilon) / 3 * np.eye(3), atol=1e-5)


def test_an_invariant_head_does_not_take_a_tensor(run, capsys):
    code, _ = run("--target", "dielectric", "--set", "head.name=regression")
    message = " ".join(capsys.readouterr().err.split())
    assert code == 2
    assert "The head 'regression' trains scalar, grid labels" in message
    assert "'dielectric' is tensor" in message


def test_an_encoder_without_vectors_and_matrices_is_told_apart(data, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("MATSCIML_DATA", str(data.folder.parents[2]))
    command = ["run", "--dataset", "shapes", "--encoder", "megnet", "--target", "dielectric"]
    assert execute([*command, "--output", str(tmp_path)]) == 2
    message = " ".join(capsys.readouterr().err.split())
    assert "'tensor-regression' predicts dielectric, which turns with the crystal" in message
    assert "choose an encoder with vectors and matrices (nequip)" in message
