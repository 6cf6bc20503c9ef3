"""``matsciml run`` with real plugins: what it writes, how it resumes, how it says no."""

import csv
import json
import os
import re
import signal
import subprocess
import sys

import pytest
import torch
import yaml

from matsciml_cli.app import execute
from matsciml_core import RunInterrupted, Split, build_registry, train
from matsciml_core.model.evaluate import evaluate
from matsciml_core.model.storage import load_model
from matsciml_core.training import assemble
from matsciml_core.training.config_data import read_config_file
from matsciml_core.training.guards import InterruptGuard

KEY = "mp/formation_energy_per_atom"
SMALL = [
    *("--dataset", "mp", "--encoder", "megnet", "--seed", "3", "--batch-size", "64"),
    *("--set", "dataset.max_atoms=3", "--set", "encoder.num_blocks=1"),
    *("--set", "encoder.cutoff=4", "--set", "training.learning_rate=1e-3"),
]


def listed(described):
    """Return the crystals of each subset, those without a label included."""
    sizes, dropped = described["split"]["sizes"], described["dropped"]
    return {subset: size + dropped[subset] for subset, size in sizes.items()}


def run_small(folder, *more):
    return execute(["run", *SMALL, "--output", str(folder), *more])


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    output = tmp_path_factory.mktemp("runs")
    assert run_small(output, "--epochs", "2") == 0
    return output / "latest"


@pytest.fixture(scope="module")
def summary(folder):
    return json.loads((folder / "run.json").read_text())


class TestRunFolder:
    @pytest.mark.parametrize(
        "name",
        [
            "config.yaml",
            "metrics.csv",
            "predictions-test.csv",
            "crystals-test.csv",
            "worst-test.json",
            "run.json",
            "report.html",
            "model.safetensors",
            "model.json",
            "split-mp.json",
            "checkpoints/last.ckpt",
            "checkpoints/best.ckpt",
        ],
    )
    def test_holds(self, folder, name):
        assert (folder / name).stat().st_size > 0

    def test_latest_is_a_link_to_a_folder_that_names_the_run(self, folder):
        assert folder.is_symlink()
        assert folder.resolve().name.endswith("-mp-megnet-formation_energy_per_atom")

    def test_the_split_lists_what_was_trained_on(self, summary, tmp_path):
        limit = ("--set", "split.max_train_crystals=50")
        assert run_small(tmp_path, "--epochs", "1", *limit) == 0
        split = Split.load(tmp_path / "latest" / "split-mp.json")
        described = json.loads((tmp_path / "latest" / "run.json").read_text())["datasets"]["mp"]
        assert {subset: len(ids) for subset, ids in split.subsets.items()} == listed(described)
        assert len(split.subsets["train"]) == 50
        whole = summary["datasets"]["mp"]
        assert described["split"]["hash"] == whole["split"]["hash"]
        assert 50 + len(split.subsets["unused"]) == listed(whole)["train"]

    def test_metrics_have_the_documented_keys(self, summary):
        metrics = summary["metrics"]["test"][KEY]
        assert {"mae", "rmse", "mse", "r2", "skill", "unit"} <= set(metrics)
        assert metrics["unit"] == "eV/atom"
        assert metrics["mse"] == pytest.approx(metrics["rmse"] ** 2)
        baselines = summary["baselines"][KEY]
        assert metrics["skill"] == pytest.approx(1 - metrics["mae"] / baselines["mean"]["mae"])
        assert baselines["median"]["mae"] <= baselines["mean"]["mae"]

    def test_the_mean_baseline_is_what_the_predictions_file_gives(self, folder, summary):
        with (folder / "predictions-test.csv").open() as stream:
            labels = [float(row["label"]) for row in csv.DictReader(stream)]
        mean = summary["heads"][KEY]["mean"]
        expected = sum(abs(label - mean) for label in labels) / len(labels)
        assert summary["baselines"][KEY]["mean"]["mae"] == pytest.approx(expected)
        assert summary["metrics"]["test"][KEY]["count"] == len(labels)

    def test_provenance(self, summary):
        data = summary["datasets"]["mp"]
        assert re.fullmatch("[0-9a-f]{64}", data["content_hash"])
        assert re.fullmatch("[0-9a-f]{64}", data["split"]["hash"])
        assert "CC-BY" in data["licence"]
        assert summary["plugins"]["matsciml-data-mp"]
        assert summary["versions"]["torch"] == torch.__version__
        assert summary["seed"] == 3
        assert any("chen2019" in entry.lower() for entry in summary["citations"])
        assert all(entry.startswith("@") for entry in summary["citations"])

    def test_one_line_of_metrics_per_epoch(self, folder):
        with (folder / "metrics.csv").open() as stream:
            rows = list(csv.DictReader(stream))
        assert [row["epoch"] for row in rows] == ["0", "1"]
        assert float(rows[1]["seconds"]) > float(rows[0]["seconds"]) > 0
        assert float(rows[1][f"validation/{KEY}/mae"]) > 0

    def test_config_is_expanded(self, folder):
        config = yaml.safe_load((folder / "config.yaml").read_text())
        assert config["datasets"] == [{"name": "mp", "release": "mini", "max_atoms": 3}]
        assert config["encoder"]["gaussian_centres"] == 100
        assert config["strategy"] == {"name": "single"}
        assert config["training"]["epochs"] == 2

    def test_the_shared_model_predicts_what_the_run_predicted(self, folder, summary):
        registry = build_registry()
        model = load_model(folder, registry)
        config = assemble.resolve(read_config_file(folder / "config.yaml"), registry)
        (prepared,) = assemble.prepare_datasets(config, registry)
        source = assemble.build_source(
            prepared, "test", model.encoder, dtype=torch.float32, cached=False
        )
        batches = {"mp": [source[list(range(len(source)))]]}
        scores = evaluate(model.encoder, model.tasks, batches, torch.device("cpu"))
        mae = scores[KEY].summary("model")["mae"]
        assert mae == pytest.approx(summary["metrics"]["test"][KEY]["mae"], rel=1e-5)

    def test_the_written_config_repeats_the_run(self, folder, summary, tmp_path):
        written = str(folder / "config.yaml")
        assert execute(["run", "--config", written, "--output", str(tmp_path)]) == 0
        again = json.loads((tmp_path / "latest/run.json").read_text())
        assert again["metrics"]["test"] == summary["metrics"]["test"]


def interrupt_after(monkeypatch, steps):
    """Ask for a stop after some optimiser steps, as Ctrl-C does."""
    original = InterruptGuard.on_train_batch_end

    def stop(self, trainer, module, *rest):
        if trainer.global_step == steps:
            self.requested = True
        original(self, trainer, module, *rest)

    monkeypatch.setattr(InterruptGuard, "on_train_batch_end", stop)


class TestResume:
    def train(self, output, registry):
        return train(
            dataset={"name": "mp", "max_atoms": 3},
            encoder={"name": "megnet", "num_blocks": 1, "cutoff": 4.0},
            output=output,
            registry=registry,
            epochs=3,
            batch_size=64,
        )

    @pytest.mark.parametrize("stop", ["in the middle", "at the end"])
    def test_an_interrupted_run_ends_with_the_same_weights(self, tmp_path, monkeypatch, stop):
        registry = build_registry()
        result = self.train(tmp_path / "undisturbed", registry)
        steps = -(-len(result.run.datasets[0].subsets["train"]) // 64)
        with monkeypatch.context() as patch:
            interrupt_after(patch, steps + (3 if stop == "in the middle" else 0))
            with pytest.raises(RunInterrupted) as stopped:
                self.train(tmp_path / "interrupted", registry)
        assert "matsciml run --resume" in str(stopped.value)
        train(resume=stopped.value.folder, registry=registry)

        first, second = (
            torch.load(tmp_path / name / "latest/checkpoints/last.ckpt", weights_only=True)
            for name in ("undisturbed", "interrupted")
        )
        assert first["global_step"] == second["global_step"] == 3 * steps
        for name, tensor in first["state_dict"].items():
            assert torch.equal(tensor, second["state_dict"][name]), name
        with (stopped.value.folder / "metrics.csv").open() as stream:
            assert [row["epoch"] for row in csv.DictReader(stream)] == ["0", "1", "2"]

    def test_more_epochs_can_be_asked_for(self, folder):
        assert execute(["run", "--resume", str(folder), "--epochs", "3"]) == 0
        assert json.loads((folder / "run.json").read_text())["epochs"] == 3

    def test_a_run_that_was_stopped_while_it_was_tested_is_reported(
        self, tmp_path, monkeypatch, capsys
    ):
        def stop(*arguments):
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr("matsciml_core.training.train.evaluate", stop)
            assert run_small(tmp_path, "--epochs", "2") == 130
        assert "2 finished epochs" in capsys.readouterr().out
        before = (tmp_path / "latest/metrics.csv").read_text()
        assert not (tmp_path / "latest/run.json").exists()
        assert execute(["run", "--resume", str(tmp_path / "latest")]) == 0
        assert run_small(tmp_path / "undisturbed", "--epochs", "2") == 0
        resumed, undisturbed = (
            json.loads((folder / "latest/run.json").read_text())
            for folder in (tmp_path, tmp_path / "undisturbed")
        )
        assert (tmp_path / "latest/metrics.csv").read_text() == before
        assert resumed["metrics"] == undisturbed["metrics"]
        assert resumed["best_epoch"] == undisturbed["best_epoch"]

    @pytest.mark.parametrize(
        ("arguments", "words"),
        [
            (["--resume", "{empty}"], "not a run folder"),
            (["--resume", "{folder}", "--dataset", "mp"], "only training settings"),
            (["--resume", "{folder}", "--set", "encoder.cutoff=3"], "only training settings"),
            (["--resume", "{folder}", "--set", "training=3"], "only training settings"),
            (["--resume", "{folder}", "--epochs", "1"], "has trained 3 epochs already"),
            (["--resume", "{empty}/absent"], "not a run folder"),
        ],
    )
    def test_what_cannot_be_resumed_is_said(self, folder, tmp_path, capsys, arguments, words):
        filled = [text.format(folder=folder, empty=tmp_path) for text in arguments]
        assert execute(["run", *filled]) == 2
        assert words in " ".join(capsys.readouterr().err.split())


class TestMistakes:
    @pytest.mark.parametrize(
        ("arguments", "words"),
        [
            ([], ["--dataset NAME"]),
            (["--dataset", "mp"], ["--encoder NAME"]),
            (["--dataset", "mpp", "--encoder", "megnet"], ["'mpp'", "'mp'"]),
            (["--dataset", "mp", "--encoder", "magnet"], ["'magnet'", "'megnet'"]),
            (["--dataset", "mp", "--encoder", "xyzzy"], ["'xyzzy'", "list-plugins --available"]),
            ([*SMALL, "--target", "bandgap"], ["'bandgap'", "'band_gap'"]),
            ([*SMALL, "--set", "encoder.cutof=3"], ["encoder.cutof", "'cutoff'"]),
            ([*SMALL, "--set", "encoder.cutoff=big"], ["encoder.cutoff", "'big'", "number"]),
            ([*SMALL, "--set", "encoder.preset=table9"], ["table9", "table7"]),
            ([*SMALL, "--set", "dataset.release=all"], ["release", "'all'", "mini"]),
            ([*SMALL, "--set", "head.loss=l3"], ["head.loss", "'l3'", "huber"]),
            ([*SMALL, "--set", "training.device=gpu"], ["'gpu'", "cpu"]),
            ([*SMALL, "--set", "split.name=mine"], ["'mine'", "stratified"]),
            ([*SMALL, "--strategy", "xyzzy"], ["'xyzzy'", "list-plugins --available"]),
            ([*SMALL, "--config", "absent.yaml"], ["absent.yaml"]),
            (
                ["--dataset", "mp", "--dataset", "mp", "--encoder", "megnet"],
                ["'mp'", "more than once"],
            ),
            ([*SMALL, "--seed", str(2**32)], ["'--seed'", "less than"]),
            ([*SMALL, "--strategy", ""], ["no strategy ''"]),
            ([*SMALL, "--set", "split.seed=-1"], ["split.seed", "-1"]),
            ([*SMALL, "--set", "head.name=regresion"], ["'regresion'", "'regression'"]),
            (
                [*SMALL, "--target", "formation_energy_per_atom", "--target", "band_gap"],
                ["one task", "list-plugins --kind strategy"],
            ),
        ],
    )
    def test_one_sentence_and_exit_code_2(self, tmp_path, capsys, arguments, words):
        code = execute(["run", *arguments, "--output", str(tmp_path / "runs")])
        said = " ".join(capsys.readouterr().err.split())
        assert code == 2, said
        assert all(word in said for word in words), said
        assert "Traceback" not in said
        assert not (tmp_path / "runs").exists()

    @pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
    def test_an_unwritable_output_folder(self, tmp_path, capsys):
        tmp_path.chmod(0o500)
        assert run_small(tmp_path / "runs", "--epochs", "1") == 2
        assert "--output" in capsys.readouterr().err

    def test_an_output_folder_that_is_a_file(self, tmp_path, capsys):
        (tmp_path / "runs").write_text("mine")
        assert run_small(tmp_path / "runs", "--epochs", "1") == 2
        assert "--output" in capsys.readouterr().err
        assert (tmp_path / "runs").read_text() == "mine"

    @pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
    def test_no_gpu(self, tmp_path, capsys):
        assert run_small(tmp_path, "--device", "cuda") == 2
        error = " ".join(capsys.readouterr().err.split())
        assert "device 'cuda' cannot be used here, where torch sees no GPU; use auto, cpu" in error


def test_ctrl_c_leaves_a_checkpoint_and_says_how_to_resume(tmp_path):
    command = [sys.executable, "-m", "matsciml_cli", "run", *SMALL, "--output", str(tmp_path)]
    process = subprocess.Popen(
        [*command, "--epochs", "500"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    lines = []
    for line in process.stdout:
        lines.append(line)
        if line.startswith("epoch 2/"):
            process.send_signal(signal.SIGINT)
            break
    rest, _ = process.communicate(timeout=120)
    assert process.returncode == 130, "".join(lines) + rest
    assert "Traceback" not in rest
    assert re.search(r"holds a checkpoint and the metrics of \d+ finished epochs?;", rest)
    assert re.search(r"\n  matsciml run --resume \S+\n", rest)
    folder = tmp_path / "latest"
    assert (folder / "checkpoints/last.ckpt").is_file()
    assert not (folder / "run.json").exists()
    epochs = len((folder / "metrics.csv").read_text().splitlines())
    assert execute(["run", "--resume", str(folder), "--epochs", str(epochs + 1)]) == 0
    assert (folder / "run.json").exists()
