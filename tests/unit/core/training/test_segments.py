"""What a run records is true of all its parts, or it is not resumed."""

from __future__ import annotations

import multiprocessing
import shutil

import pytest
import torch
import yaml
from filelock import FileLock

from matsciml_core import train
from matsciml_core.errors import ConfigError, DataError
from matsciml_core.files import read_object, write_json
from matsciml_core.training import run_folder
from matsciml_core.training.config import TrainingConfig
from matsciml_core.training.segments import SEGMENTS, check_changes, read_segments


@pytest.fixture
def fit(registry, tmp_path):
    def run(**options):
        if "resume" not in options:
            options = {
                "dataset": "example",
                "encoder": "example",
                "strategy": "example",
                "output": tmp_path / "runs",
                "epochs": 1,
                "batch_size": 16,
                "device": "cpu",
            } | options
        return train(registry=registry, **{"quiet": True, **options})

    return run


def said(result):
    return read_object(result.folder / "run.json")


class TestParts:
    def test_are_all_recorded(self, fit):
        first = fit()
        before = said(first)
        again = fit(resume=first.folder, epochs=3, num_workers=0)
        after = said(again)
        assert [segment["first_epoch"] for segment in after["segments"]] == [1, 2]
        assert [segment["settings"] for segment in after["segments"]] == [{}, {"epochs": 3}]
        for key in ("started", "command", "seed"):
            assert after[key] == before[key]
        times = [segment["wall_seconds"] for segment in after["segments"]]
        assert after["wall_seconds"] == pytest.approx(sum(times), abs=0.11)
        assert times[0] == before["segments"][0]["wall_seconds"]

    def test_say_at_which_rate_a_schedule_goes_on_that_is_drawn_out(self, fit, capsys):
        first = fit(epochs=2, warm_up=0, learning_rate=0.01)
        capsys.readouterr()
        fit(resume=first.folder, epochs=4, quiet=False)
        # Half way down a cosine, after its end.
        assert (
            "spreads over 4 instead of 2 epochs: the learning rate goes on at 0.005, after 1e-06 "
            "at the end of epoch 2." in capsys.readouterr().out
        )

    def test_are_the_same_bit_for_bit_as_no_parts(self, fit):
        """Lightning's trap: a checkpoint after a fit ended names the epoch that never began."""
        whole = fit(epochs=3, schedule="constant")
        parts = fit(epochs=1, schedule="constant")
        for epochs in (2, 3):
            parts = fit(resume=parts.folder, epochs=epochs)
        files = [result.folder / "model.safetensors" for result in (whole, parts)]
        assert files[0].read_bytes() == files[1].read_bytes()
        assert parts.history["epoch"] == [0.0, 1.0, 2.0]
        steps = [
            torch.load(result.folder / "checkpoints" / "last.ckpt", weights_only=True)
            for result in (whole, parts)
        ]
        assert steps[0]["epoch"] == steps[1]["epoch"] == 2
        assert steps[0]["global_step"] == steps[1]["global_step"]


class TestSettings:
    @pytest.mark.parametrize(
        ("key", "value"),
        [
            ("learning_rate", 0.5),
            ("weight_decay", 0.3),
            ("seed", 7),
            ("schedule", "constant"),
            ("precision", "float64"),
            ("average_decay", 0.5),
            ("asymmetric_unit", False),
        ],
    )
    def test_that_would_not_be_used_are_refused(self, fit, key, value):
        folder = fit().folder
        before = (folder / "config.yaml").read_bytes()
        with pytest.raises(ConfigError, match=f"'training.{key}' is .* cannot change"):
            fit(resume=folder, epochs=2, **{key: value})
        assert (folder / "config.yaml").read_bytes() == before

    def test_that_are_the_same_are_no_change(self, fit):
        folder = fit(seed=3).folder
        assert fit(resume=folder, epochs=2, seed=3, learning_rate=1e-3).history["epoch"][-1] == 1.0

    def test_of_batches_apply_from_the_next_epoch(self, fit):
        folder = fit().folder
        again = fit(resume=folder, epochs=2, batch_size=8)
        steps = again.history["step"]
        assert steps[1] - steps[0] == 2 * steps[0]
        assert said(again)["segments"][1]["settings"] == {"epochs": 2, "batch_size": 8}

    def test_of_batches_do_not_change_within_an_epoch(self, fit):
        folder = fit(epochs=2).folder
        file = folder / "checkpoints" / "last.ckpt"
        state = torch.load(file, weights_only=True)
        state["loops"]["fit_loop"]["epoch_loop.batch_progress"]["is_last_batch"] = False
        torch.save(state, file)
        before = yaml.safe_load((folder / "config.yaml").read_text())["training"]
        with pytest.raises(ConfigError, match="lies within one; go on from the end of the best"):
            check_changes(before, {"batch_size": 8}, file)
        check_changes(before, {"epochs": 4}, file)

    def test_are_refused_unless_they_are_known_to_apply(self):
        """A new setting must be thought about before a resumed run may change it."""
        from matsciml_core.training import segments

        known = {*segments._APPLIED, *segments._BATCHES}
        assert {"epochs", "batch_size", "device"} <= known & TrainingConfig.model_fields.keys()

    def test_fewer_epochs_than_were_trained_are_refused(self, fit):
        folder = fit(epochs=3).folder
        (folder / "run.json").unlink()
        with pytest.raises(ConfigError, match="has trained 3 epochs already"):
            fit(resume=folder, epochs=2)


class TestData:
    @pytest.mark.parametrize("key", ["content_hash", "ids_hash", "split_hash"])
    def test_that_changed_are_refused(self, fit, key):
        folder = fit().folder
        record = read_object(folder / SEGMENTS)
        record["datasets"]["example"][key] = "another"
        write_json(folder / SEGMENTS, record)
        before = (folder / "checkpoints" / "last.ckpt").read_bytes()
        with pytest.raises(DataError, match="'example' is not what the run began with"):
            fit(resume=folder, epochs=2)
        assert (folder / "checkpoints" / "last.ckpt").read_bytes() == before

    def test_that_are_not_known_are_refused(self, fit):
        folder = fit().folder
        (folder / SEGMENTS).write_text("{")
        with pytest.raises(DataError, match="says what data the run began with"):
            fit(resume=folder, epochs=2)


class TestBest:
    def test_of_a_folder_that_was_moved_is_kept(self, fit, tmp_path):
        folder = fit(epochs=2).folder
        checkpoints = folder / "checkpoints"
        # Scores that no later epoch can reach: the weights of the best epoch must survive.
        state = torch.load(checkpoints / "last.ckpt", weights_only=True)
        for name, entry in state["callbacks"].items():
            if "MovableCheckpoint" in name and "validation/loss" in name:
                score = torch.tensor(-1e6)
                entry["best_model_score"] = score
                entry["kth_value"] = score
                entry["best_k_models"] = dict.fromkeys(entry["best_k_models"], score)
        torch.save(state, checkpoints / "last.ckpt")
        best = (checkpoints / "best.ckpt").read_bytes()
        moved = tmp_path / "moved"
        shutil.move(folder, moved)
        again = fit(resume=moved, epochs=4)
        assert (moved / "checkpoints" / "best.ckpt").read_bytes() == best
        assert said(again)["best_epoch"] <= 2


def _hold(path, ready, done):
    with FileLock(path):
        ready.set()
        done.wait(60)


class TestLock:
    def test_two_processes_do_not_train_in_one_folder(self, fit):
        folder = fit().folder
        context = multiprocessing.get_context("spawn")
        ready, done = context.Event(), context.Event()
        other = context.Process(target=_hold, args=(folder / ".lock", ready, done))
        other.start()
        try:
            assert ready.wait(60)
            with pytest.raises(ConfigError, match="Another process is training in"):
                fit(resume=folder, epochs=2)
        finally:
            done.set()
            other.join()
        assert fit(resume=folder, epochs=2).history["epoch"] == [0.0, 1.0]

    def test_a_folder_that_cannot_be_written_is_one_sentence(self, fit):
        folder = fit().folder
        shutil.rmtree(folder / ".lock", ignore_errors=True)
        (folder / ".lock").unlink(missing_ok=True)
        (folder / ".lock").mkdir()  # what refuses to be opened, whoever the user is
        with pytest.raises(ConfigError, match=r"cannot be written .* and resume it there"):
            fit(resume=folder, epochs=2)


def test_segments_of_a_folder_without_any_are_none(tmp_path):
    assert read_segments(tmp_path) == []
    assert run_folder.read_metrics(tmp_path) == []
