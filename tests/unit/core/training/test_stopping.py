"""When training is over."""

from __future__ import annotations

import pytest
import torch

from matsciml_core import train
from matsciml_core.errors import ConfigError
from matsciml_core.files import read_object
from matsciml_core.training.epoch_means import EpochMeans


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
