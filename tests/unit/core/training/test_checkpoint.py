"""Checkpoints: what a damaged file says, and which epochs are tested."""

from __future__ import annotations

import pytest
import torch

from matsciml_core import train
from matsciml_core.errors import ConfigError, TrainingError
from matsciml_core.files import read_object
from matsciml_core.training.checkpoint import check_sound


@pytest.mark.parametrize("content", [None, b"", b"PK", b"not a checkpoint"])
def test_a_checkpoint_that_cannot_be_read_is_one_sentence(tmp_path, content):
    file = tmp_path / "checkpoints" / "last.ckpt"
    file.parent.mkdir()
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(TrainingError, match=r"is damaged; start again with: matsciml run --config"):
        check_sound(file)


def test_the_best_checkpoint_may_help(tmp_path):
    torch.save({"epoch": 0}, tmp_path / "best.ckpt")
    with pytest.raises(TrainingError, match=r"go on from the best one by copying '.*best\.ckpt'"):
        check_sound(tmp_path / "last.ckpt")


class TestTested:
    @pytest.fixture
    def fit(self, registry, tmp_path):
        """Return ``train`` with example components; training makes no epoch better than 2."""

        def run(**training):
            return train(
                dataset="example", encoder="example", strategy="example", batch_size=16,
                device="cpu", epochs=5, output=tmp_path / "runs", quiet=True, registry=registry,
                average_decay=0.0, **training,
            )  # fmt: skip

        return run

    @staticmethod
    def weights(file):
        return torch.load(file, weights_only=True)["state_dict"]

    @staticmethod
    def losses(folder):
        rows = (folder / "metrics.csv").read_text().splitlines()
        column = rows[0].split(",").index("validation/loss")
        return [float(row.split(",")[column]) for row in rows[1:]]

    def test_the_last_epoch(self, fit):
        folder = fit(tested="last", learning_rate=0.3, schedule="constant").folder
        summary, losses = read_object(folder / "run.json"), self.losses(folder)
        assert summary["tested_epochs"] == [5]
        assert summary["best_epoch"] == 1 + losses.index(min(losses))

    def test_the_mean_of_the_best(self, fit):
        result = fit(tested="mean", keep_best=3, learning_rate=0.1, schedule="constant")
        folder = result.folder
        losses = self.losses(folder)
        best = sorted(range(5), key=losses.__getitem__)[:3]
        assert read_object(folder / "run.json")["tested_epochs"] == sorted(one + 1 for one in best)
        files = list((folder / "checkpoints").glob("step-*.ckpt"))
        assert len(files) == 3
        states = [self.weights(file) for file in files]
        for name, tensor in result.model.encoder.state_dict().items():
            mean = sum(state[f"encoder.{name}"].double() for state in states) / 3
            torch.testing.assert_close(tensor.double(), mean, rtol=1e-6, atol=1e-7)

    def test_of_epochs_that_are_gone_there_is_no_mean(self, fit, registry):
        folder = fit(tested="mean", keep_best=2).folder
        (folder / "run.json").unlink()
        for file in (folder / "checkpoints").glob("step-*.ckpt"):
            file.unlink()
        with pytest.raises(TrainingError, match=r"resume with --set training\.tested=best"):
            train(resume=folder, quiet=True, registry=registry)
        again = train(resume=folder, tested="best", quiet=True, registry=registry)
        assert len(read_object(again.folder / "run.json")["tested_epochs"]) == 1

    def test_of_one_epoch_there_is_no_mean(self, fit):
        with pytest.raises(ConfigError, match="set keep_best, such as 5"):
            fit(tested="mean")
