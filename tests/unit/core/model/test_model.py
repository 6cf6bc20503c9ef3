"""Loading a trained model, and what it says of structures."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

import matsciml_core
from matsciml_core import Crystal, CrystalBatch, TargetInfo, load
from matsciml_core.convert import to_ase, to_pymatgen
from matsciml_core.data.neighbours.neighbour_list import attach_neighbours
from matsciml_core.errors import ConfigError, DataError, GeometryError, ShapeError
from matsciml_core.files import hash_of
from matsciml_core.model import allocation
from matsciml_core.testing.crystals import sodium_chloride

GAP = TargetInfo(name="gap", kind="scalar", unit="eV")
"""The label of the model that ``make_model`` writes."""


class TestPredictions:
    def test_are_what_encoder_and_head_say(self, make_model, registry, crystals):
        model = load(make_model(), registry=registry, device="cpu")
        batch = CrystalBatch.from_crystals(crystals)
        batch = attach_neighbours(batch, model.encoder.neighbours).to(dtype=torch.float32)
        head = model.tasks[0].head
        with torch.no_grad():
            expected = head.inverse_transform(head(model.encoder(batch), batch), batch)["gap"]
        found = [prediction["gap"] for prediction in model.predict(crystals)]
        assert found == pytest.approx(expected.tolist(), rel=1e-6)
        assert len(set(found)) == len(crystals)

    def test_do_not_depend_on_batches_or_order(self, make_model, registry, crystals):
        model = load(make_model(dtype=torch.float64), registry=registry, device="cpu")
        together = {one.id: one["gap"] for one in model.predict(crystals)}
        alone = {one.id: one["gap"] for one in model.predict(crystals[::-1], batch_size=1)}
        few = {one.id: one["gap"] for one in model.predict(crystals, max_atoms=3)}
        assert alone == pytest.approx(together, rel=1e-12)
        assert few == pytest.approx(together, rel=1e-12)

    def test_carry_names_and_units(self, make_model, registry):
        (prediction,) = load(make_model(), registry=registry).predict(sodium_chloride())
        assert prediction.id == "NaCl"
        assert prediction.units == {"gap": "eV"}
        assert isinstance(prediction.values["gap"], float)

    def test_of_labels_of_one_name_are_told_apart_by_dataset(self, make_model, registry):
        density = TargetInfo(name="density", kind="scalar", unit="1")
        folder = make_model([("a", GAP), ("b", GAP), ("b", density)])
        model = load(folder, registry=registry)
        assert list(model.targets) == ["a/gap", "b/gap", "density"]
        (prediction,) = model.predict([sodium_chloride()])
        assert prediction["a/gap"] != prediction["b/gap"]

    def test_unknown_label_is_answered_with_what_there_is(self, make_model, registry):
        (prediction,) = load(make_model(), registry=registry).predict(sodium_chloride())
        with pytest.raises(ConfigError, match=r"does not predict 'gab'\. Did you mean 'gap'"):
            prediction["gab"]

    def test_stream_takes_no_more_than_a_batch_ahead(self, make_model, registry):
        model = load(make_model(), registry=registry)
        taken = []

        def endless():
            while True:
                taken.append(sodium_chloride())
                yield taken[-1]

        found = model.stream(endless(), batch_size=4)
        next(found)
        assert len(taken) == 5

    def test_of_nothing_is_nothing(self, make_model, registry):
        assert load(make_model(), registry=registry).predict([]) == []


class TestStructures:
    def test_of_three_kinds_give_the_same(self, make_model, registry):
        ase = pytest.importorskip("ase", reason="ASE is not installed")
        del ase
        model = load(make_model(dtype=torch.float64), registry=registry)
        crystal = sodium_chloride()
        found = model.predict([crystal, to_pymatgen(crystal), to_ase(crystal)])
        values = [one["gap"] for one in found]
        assert values == pytest.approx([values[0]] * 3, rel=1e-12)

    @pytest.mark.parametrize("convert", [lambda crystal: crystal, to_pymatgen, to_ase])
    def test_a_single_structure_gives_one_prediction(self, make_model, registry, convert):
        structure = convert(sodium_chloride())
        assert len(load(make_model(), registry=registry).predict(structure)) == 1

    def test_a_path_is_refused_with_advice(self, make_model, registry):
        with pytest.raises(ShapeError, match="matsciml predict"):
            load(make_model(), registry=registry).predict(["NaCl.cif"])

    def test_a_shared_site_is_refused(self, make_model, registry):
        from pymatgen.core import Lattice, Structure

        shared = Structure(Lattice.cubic(3.6), [{"Cu": 0.5, "Au": 0.5}], [[0, 0, 0]])
        with pytest.raises(GeometryError, match="several species share"):
            load(make_model(), registry=registry).predict(shared)

    def test_what_is_not_periodic_can_be_predicted(self, make_model, registry):
        molecule = Crystal(
            id="H2",
            atomic_numbers=np.array([1, 1]),
            positions=np.array([[0, 0, 0], [0, 0, 0.74]]),
            cell=np.zeros((3, 3)),
            pbc=np.zeros(3, dtype=bool),
        )
        (prediction,) = load(make_model(), registry=registry).predict(molecule)
        assert np.isfinite(prediction["gap"])


class TestElements:
    def test_that_were_never_seen_are_named(self, make_model, registry):
        model = load(make_model(elements=["Na", "Fe"]), registry=registry)
        with pytest.warns(UserWarning, match="never seen Cl"):
            (prediction,) = model.predict(sodium_chloride())
        assert prediction.unseen_elements == ("Cl",)

    def test_that_were_seen_pass_in_silence(self, make_model, registry):
        model = load(make_model(elements=["Na", "Cl"]), registry=registry)
        assert model.predict(sodium_chloride())[0].unseen_elements == ()

    def test_are_not_judged_where_nobody_wrote_them_down(self, make_model, registry):
        model = load(make_model(), registry=registry)
        assert model.elements is None
        assert model.predict(sodium_chloride())[0].unseen_elements == ()


class TestPrecision:
    def test_is_the_one_of_training(self, make_model, registry):
        single = load(make_model(), registry=registry)
        double = load(make_model(dtype=torch.float64, name="double"), registry=registry)
        assert single.dtype == torch.float32
        assert double.dtype == torch.float64

    def test_double_precision_loses_no_digit_on_the_way(self, make_model, registry):
        folder = make_model(dtype=torch.float64)
        tensors = load_file(folder / "model.safetensors")
        model = load(folder, registry=registry)
        for name, value in model.encoder.state_dict().items():
            assert torch.equal(value, tensors[f"encoder.{name}"])

    def test_can_be_chosen_and_keeps_what_heads_fitted(self, make_model, registry, crystals):
        model = load(make_model(), registry=registry)
        double = model.to(precision="float64")
        back = double.to(precision="float32")
        assert model.dtype == back.dtype == torch.float32
        assert double.dtype == torch.float64
        assert back.tasks[0].head.mean.dtype == torch.float64
        values = [[one["gap"] for one in m.predict(crystals)] for m in (model, double, back)]
        assert values[1] == pytest.approx(values[0], rel=1e-5)
        assert values[2] == values[0]

    @pytest.mark.parametrize("precision", [None, "float32", "float64"])
    @pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
    def test_is_changed_within_inference_mode_to_what_can_be_differentiated(
        self, make_model, registry, dtype, precision
    ):
        folder = make_model(dtype=dtype)
        with torch.inference_mode():
            model = load(folder, precision=precision, registry=registry)
        for module in (model.encoder, model.tasks[0].head):
            assert not any(one.is_inference() for one in module.state_dict().values())

    @pytest.mark.parametrize(
        ("settings", "words"),
        [
            ({"precision": "float16"}, "no precision 'float16'"),
            ({"device": "gpu"}, "device 'gpu' cannot be used"),
            ({"device": "cuda:99"}, "device 'cuda:99' cannot be used"),
        ],
    )
    def test_that_does_not_exist_is_refused(self, make_model, registry, settings, words):
        with pytest.raises(ConfigError, match=words):
            load(make_model(), registry=registry, **settings)


class TestLoading:
    def test_follows_a_link_and_a_file_called_latest(self, make_model, registry, tmp_path):
        folder = make_model()
        (tmp_path / "latest").symlink_to(folder.name)
        assert load(tmp_path / "latest", registry=registry).folder == folder.resolve()
        (tmp_path / "latest").unlink()
        (tmp_path / "latest").write_text("model\n")
        assert load(tmp_path / "latest", registry=registry).folder == folder.resolve()

    def test_takes_a_file_of_the_model_too(self, make_model, registry):
        assert load(make_model() / "model.safetensors", registry=registry).targets == {"gap": GAP}

    def test_of_nothing_says_what_to_name(self, tmp_path, registry):
        with pytest.raises(ConfigError, match="does not exist; name the folder of a finished run"):
            load(tmp_path / "nowhere", registry=registry)

    def test_of_another_file_says_what_to_name(self, tmp_path, registry):
        (tmp_path / "best.ckpt").write_bytes(b"")
        with pytest.raises(ConfigError, match="is a file; name the folder"):
            load(tmp_path / "best.ckpt", registry=registry)

    def test_of_an_unfinished_run_says_how_to_finish_it(self, tmp_path, registry):
        (tmp_path / "config.yaml").write_text("")
        with pytest.raises(ConfigError, match=r"not finished.*matsciml run --resume"):
            load(tmp_path, registry=registry)

    def test_of_the_parent_of_runs_names_the_last_one(self, make_model, tmp_path, registry):
        (tmp_path / "latest").symlink_to(make_model().name)
        with pytest.raises(ConfigError, match=r"folder of runs; name one of them.*latest"):
            load(tmp_path, registry=registry)

    def test_of_any_other_folder_says_what_is_missing(self, tmp_path, registry):
        with pytest.raises(ConfigError, match=r"holds no trained model \('model.json'"):
            load(tmp_path, registry=registry)

    def test_of_a_cut_file_says_so(self, make_model, registry):
        file = make_model() / "model.safetensors"
        file.write_bytes(file.read_bytes()[:-100])
        with pytest.raises(DataError, match="cannot be read as safetensors"):
            load(file.parent, registry=registry)

    def test_of_a_pickle_reads_none_of_it(self, make_model, registry):
        file = make_model() / "model.safetensors"
        torch.save({"encoder": torch.zeros(3)}, file)
        with pytest.raises(DataError, match="cannot be read as safetensors"):
            load(file.parent, registry=registry)

    def test_of_tensors_of_another_model_says_so(self, make_model, registry):
        file = make_model() / "model.safetensors"
        tensors = load_file(file)
        tensors["encoder.radial.weight"] = torch.zeros(2, 2)
        save_file(tensors, file)
        described = json.loads((file.parent / "model.json").read_text())
        described["sha256"] = hash_of(file)
        (file.parent / "model.json").write_text(json.dumps(described))
        with pytest.raises(DataError, match="does not hold the model"):
            load(file.parent, registry=registry)

    @pytest.mark.parametrize(
        ("change", "words"),
        [
            ({"format": "other"}, "does not describe a MatSciML model"),
            ({"version": 99}, "version 99; upgrade"),
            ({"version": "1"}, "version '1'"),
            ({"encoder": None}, "does not name an encoder"),
            ({"encoder": {"name": "example"}}, "does not name an encoder"),
            ({"heads": {}}, "does not name an encoder"),
            ({"elements": 5}, "does not name an encoder"),
            ({"heads": [{"name": "example"}]}, "does not name an encoder"),
        ],
    )
    def test_of_a_damaged_description_says_so(self, make_model, registry, change, words):
        file = make_model() / "model.json"
        file.write_text(json.dumps(json.loads(file.read_text()) | change))
        with pytest.raises(DataError, match=words):
            load(file.parent, registry=registry)

    def test_of_absurd_sizes_is_refused_before_they_are_made(
        self, make_model, registry, monkeypatch
    ):
        monkeypatch.setattr(allocation, "_SLACK", 1 << 20)
        path = make_model() / "model.json"
        load(path.parent, registry=registry)
        description = json.loads(path.read_text())
        description["encoder"]["config"]["width"] = 100_000
        path.write_text(json.dumps(description))
        with pytest.raises(DataError, match="describes a model that is far larger than its tensor"):
            load(path.parent, registry=registry)

    def test_of_labels_that_are_none_says_so(self, make_model, registry):
        file = make_model() / "model.json"
        description = json.loads(file.read_text())
        description["heads"][0]["targets"][0]["kind"] = "colour"
        file.write_text(json.dumps(description))
        with pytest.raises(DataError, match="has a label that is none"):
            load(file.parent, registry=registry)


def test_the_package_offers_load_without_importing_torch():
    code = "import matsciml_core, sys; matsciml_core.__all__; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
    assert {"load", "TrainedModel", "Prediction"} <= set(matsciml_core.__all__)


class TestWeights:
    def test_with_one_flipped_bit_are_refused(self, make_model, registry):
        folder = make_model()
        file = folder / "model.safetensors"
        content = bytearray(file.read_bytes())
        content[-3] ^= 1
        file.write_bytes(content)
        with pytest.raises(DataError, match="is not what it was when the model was saved"):
            load(folder, registry=registry, device="cpu")

    def test_of_another_model_are_refused(self, make_model, registry):
        folder = make_model()
        tensors = load_file(folder / "model.safetensors")
        save_file(
            {k: v + 1 if v.is_floating_point() else v for k, v in tensors.items()},
            folder / "model.safetensors",
        )
        with pytest.raises(DataError, match="SHA-256"):
            load(folder, registry=registry, device="cpu")

    def test_without_a_digest_are_loaded(self, make_model, registry):
        folder = make_model()
        description = json.loads((folder / "model.json").read_text())
        del description["sha256"]
        (folder / "model.json").write_text(json.dumps(description))
        assert load(folder, registry=registry, device="cpu").targets
