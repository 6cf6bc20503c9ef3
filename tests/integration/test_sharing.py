"""A trained model is exported and fine-tuned, on other data and for other labels."""

from __future__ import annotations

import json
import shutil

import pytest
import torch
import yaml
from safetensors.torch import load_file

from matsciml_cli.app import execute
from matsciml_core import build_registry, load
from matsciml_core.errors import ConfigError
from matsciml_core.training import assemble
from matsciml_core.training.prepare import prepare

SMALL = [
    *("--dataset", "mp", "--batch-size", "64", "--set", "dataset.max_atoms=3"),
    *("--set", "training.learning_rate=1e-3"),
]
ENCODER = [
    *("--encoder", "megnet", "--set", "encoder.num_blocks=1", "--set", "encoder.cutoff=4"),
]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Return the folder of a finished run."""
    output = tmp_path_factory.mktemp("runs")
    assert execute(["run", *SMALL, *ENCODER, "--epochs", "2", "--output", str(output)]) == 0
    return (output / "latest").resolve()


@pytest.fixture(scope="module")
def exported(run, tmp_path_factory):
    folder = tmp_path_factory.mktemp("shared") / "model"
    options = ("--to", str(folder), "--name", "tiny-megnet", "--licence", "MIT")
    assert execute(["export", str(run), *options]) == 0
    return folder


def fine_tune(source, output, *more):
    base = ["run", *SMALL, "--init-from", str(source), "--output", str(output), "--epochs", "1"]
    return execute([*base, *more])


def encoder_of(folder):
    tensors = load_file(folder / "model.safetensors")
    return {name: one for name, one in tensors.items() if name.startswith("encoder.")}


def prepared(exported, output, *, max_atoms=3, **init):
    """Return a run that starts from the model, before it trains."""
    registry = build_registry()
    raw = {
        "dataset": {"name": "mp", "max_atoms": max_atoms},
        "init": {"model": str(exported), **init},
        "output": str(output),
    }
    return prepare(assemble.resolve(raw, registry), registry)


def changed(before, after):
    return {name for name, one in before.items() if not torch.equal(one, after[name])}


class TestFineTuning:
    def test_starts_from_encoder_and_head(self, exported, tmp_path):
        run = prepared(exported, tmp_path)
        tensors = load_file(exported / "model.safetensors")
        for name, one in run.encoder.state_dict().items():
            assert torch.equal(one, tensors[f"encoder.{name}"]), name
        for name, one in run.tasks[0].head.named_parameters():
            assert torch.equal(one, tensors[f"heads.0.{name}"]), name

    def test_trains_everything(self, exported, tmp_path):
        assert fine_tune(exported, tmp_path) == 0
        folder = tmp_path / "latest"
        assert changed(encoder_of(exported), encoder_of(folder))
        init = json.loads((folder / "run.json").read_text(encoding="utf-8"))["init"]
        assert init["train"] == "all"
        assert init["heads"] == ["mp/formation_energy_per_atom"]
        assert init["hash"] == load(exported).fingerprint

    def test_of_the_head_alone_leaves_the_encoder_as_it_is(self, exported, tmp_path):
        assert fine_tune(exported, tmp_path, "--set", "init.train=heads") == 0
        assert not changed(encoder_of(exported), encoder_of(tmp_path / "latest"))
        tensors = [load_file(one / "model.safetensors") for one in (exported, tmp_path / "latest")]
        heads = {name for name in tensors[0] if name.startswith("heads.0.layers")}
        assert {name for name in heads if not torch.equal(tensors[0][name], tensors[1][name])}

    def test_for_another_label_takes_the_encoder_and_a_new_head(self, exported, tmp_path):
        options = ("--target", "is_stable", "--set", "init.train=heads")
        assert fine_tune(exported, tmp_path, *options) == 0
        summary = json.loads((tmp_path / "latest" / "run.json").read_text(encoding="utf-8"))
        assert summary["init"]["heads"] == []
        assert not changed(encoder_of(exported), encoder_of(tmp_path / "latest"))

    def test_with_new_heads_forgets_the_old_one(self, exported, tmp_path):
        run = prepared(exported, tmp_path, heads="new")
        tensors = load_file(exported / "model.safetensors")
        head = dict(run.tasks[0].head.named_parameters())
        weights = [name for name in head if name.endswith("weight")]
        assert not any(torch.equal(head[name], tensors[f"heads.0.{name}"]) for name in weights)

    def test_fits_the_constants_of_its_own_data(self, exported, tmp_path):
        run = prepared(exported, tmp_path, max_atoms=2)
        tensors = load_file(exported / "model.safetensors")
        assert run.tasks[0].head.mean.item() != tensors["heads.0.mean"].item()

    def test_resumes_though_the_model_is_gone(self, exported, tmp_path):
        source = shutil.copytree(exported, tmp_path / "source")
        assert fine_tune(source, tmp_path, "--set", "init.train=heads") == 0
        shutil.rmtree(source)
        assert execute(["run", "--resume", str(tmp_path / "latest"), "--epochs", "2"]) == 0
        assert not changed(encoder_of(exported), encoder_of(tmp_path / "latest"))

    def test_settings_that_change_no_shape_may_differ(self, exported, tmp_path):
        assert fine_tune(exported, tmp_path, "--set", "encoder.cutoff=4.5") == 0
        config = yaml.safe_load((tmp_path / "latest" / "config.yaml").read_text())
        assert config["encoder"]["cutoff"] == 4.5
        assert config["encoder"]["num_blocks"] == 1

    @pytest.mark.parametrize(
        ("more", "words"),
        [
            (("--encoder", "egnn"), "has the encoder 'megnet', not 'egnn'"),
            (("--set", "encoder.num_blocks=2"), "leave encoder.num_blocks=2 away"),
            (("--set", "init.train=head"), "'init.train' is 'head'"),
            (("--set", "init.mode=all"), "'init.mode' is not a setting"),
        ],
    )
    def test_that_cannot_be_is_one_sentence(self, exported, tmp_path, capsys, more, words):
        capsys.readouterr()
        assert fine_tune(exported, tmp_path, *more) == 2
        error = capsys.readouterr().err
        assert words in error
        assert not (tmp_path / "latest").exists()

    def test_of_no_model_is_refused(self, tmp_path, capsys):
        assert fine_tune(tmp_path / "nowhere", tmp_path) == 2
        assert "does not exist; name the folder of a finished run" in capsys.readouterr().err

    def test_of_heads_alone_needs_a_model(self):
        with pytest.raises(ConfigError, match="only a trained encoder can stay as it is"):
            assemble.resolve(
                {"dataset": "mp", "encoder": "megnet", "init": {"train": "heads"}},
                build_registry(),
            )

    def test_of_heads_alone_needs_a_strategy_that_adds_losses(self, exported, tmp_path, capsys):
        more = ("--set", "init.train=heads", "--strategy", "pcgrad")
        targets = ("--target", "formation_energy_per_atom", "--target", "is_stable")
        assert fine_tune(exported, tmp_path, *more, *targets) == 2
        assert "such as additive" in capsys.readouterr().err
