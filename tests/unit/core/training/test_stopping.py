"""When training is over."""

from __future__ import annotations

import math

import pytest
import torch

from matsciml_core import train
from matsciml_core.errors import ConfigError
from matsciml_core.files import read_object
from matsciml_core.training.epoch_means import EpochMeans
from matsciml_core.training.stopping import (
    idle_epochs,
    is_trained,
    plateaus,
    validation_losses,
)


@pytest.mark.parametrize(
    ("losses", "idle"),
    [
        ([], 0),
        ([3.0, 2.0, 1.0], 0),
        ([3.0, 1.0, 2.0, 1.5], 2),
        ([1.0, 1.0], 1),
        ([math.nan, math.nan], 2),
        ([math.nan, 1.0, math.nan], 1),
        ([math.inf], 1),
    ],
)
def test_epochs_since_the_best(losses, idle):
    assert idle_epochs(losses) == idle


@pytest.mark.parametrize(
    ("losses", "count"),
    [
        ([], 0),
        ([3.0, 2.0, 1.0], 0),
        ([1.0, 2.0], 0),
        ([1.0, 2.0, 2.0], 1),
        ([1.0, 2.0, 2.0, 2.0], 1),
        ([1.0, 2.0, 2.0, 2.0, 2.0], 2),
        ([1.0, 2.0, 2.0, 0.5, 2.0], 1),
        ([math.nan] * 4, 2),
    ],
)
def test_a_plateau_is_some_epochs_without_a_better_one(losses, count):
    assert plateaus(losses, 2) == count


def test_a_run_is_trained_after_its_epochs_or_when_patience_ends(tmp_path):
    assert not is_trained(tmp_path, 3, 1)
    rows = ["epoch,validation/loss", "0,1.0", "1,", "2,2.0"]
    (tmp_path / "metrics.csv").write_text("\n".join(rows))
    assert validation_losses(tmp_path)[0] == 1.0
    assert math.isnan(validation_losses(tmp_path)[1])
    assert is_trained(tmp_path, 3, None)
    assert not is_trained(tmp_path, 4, None)
    assert is_trained(tmp_path, 4, 2)
    assert not is_trained(tmp_path, 4, 3)


@pytest.fixture
def fit(registry, tmp_path, monkeypatch):
    """Return ``train`` with example components, whose validation losses are handed over."""
    original = EpochMeans.take

    def run(losses=None, **options):
        names = {"dataset": "example", "encoder": "example", "strategy": "example"}
        new = {**names, "batch_size": 16, "device": "cpu", "output": tmp_path / "runs"}
        if losses is not None:
            series = iter(losses)

            def serve(means):
                taken = original(means)
                if "validation/loss" in taken:
                    taken["validation/loss"] = torch.tensor(next(series))
                return taken

            monkeypatch.setattr(EpochMeans, "take", serve)
        return train(
            registry=registry, quiet=True, **({} if "resume" in options else new), **options
        )

    return run


class TestRun:
    LOSSES = (3.0, 1.0, 2.0, 2.0, 2.0, 0.5, 0.4, 0.6, 0.7)

    def test_it_stops_and_keeps_the_best_weights(self, fit):
        result = fit(self.LOSSES, epochs=9, patience=2)
        summary = read_object(result.folder / "run.json")
        assert len(result.history["epoch"]) == 4
        assert (summary["epochs"], summary["best_epoch"]) == (4, 2)
        assert summary["stopped_early"] is True

    def test_a_plateau_halves_the_rate_from_the_next_step_on_also_after_a_resume(self, fit):
        settings = {"schedule": "plateau", "plateau_epochs": 2, "warm_up": 0, "learning_rate": 0.01}
        result = fit(self.LOSSES, epochs=9, **settings)
        # Epochs 3 and 4 bring nothing; 5 begins a stretch that 6 ends.
        assert result.history["learning_rate"] == pytest.approx([0.01] * 4 + [0.005] * 5)
        again = fit((0.9, 1.0), resume=result.folder, epochs=11)
        assert again.history["learning_rate"][8:] == pytest.approx([0.005, 0.0025, 0.0025])

    def test_a_run_that_goes_to_its_end_says_so(self, fit):
        result = fit(self.LOSSES, epochs=4, patience=5)
        summary = read_object(result.folder / "run.json")
        assert (summary["epochs"], summary["stopped_early"]) == (4, False)

    def test_a_finished_run_is_told_from_one_that_may_go_on(self, fit):
        result = fit(self.LOSSES, epochs=9, patience=2)
        with pytest.raises(ConfigError, match="stopped after 2 epochs without"):
            fit(resume=result.folder)
        resumed = fit(self.LOSSES[4:], resume=result.folder, patience=4)
        assert len(resumed.history["epoch"]) == 9
        assert read_object(resumed.folder / "run.json")["best_epoch"] == 7

    def test_a_run_that_was_stopped_before_its_test_is_tested_and_not_trained(self, fit):
        result = fit(self.LOSSES, epochs=9, patience=2)
        (result.folder / "run.json").unlink()
        resumed = fit((), resume=result.folder)
        assert len(resumed.history["epoch"]) == 4
        assert resumed.metrics == result.metrics
