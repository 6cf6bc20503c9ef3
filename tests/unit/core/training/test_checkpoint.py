"""Checkpoints: what a moved run still knows, and what a damaged file says."""

from __future__ import annotations

import pytest
import torch

from matsciml_core.errors import TrainingError
from matsciml_core.training.checkpoint import check_sound, checkpoint_callbacks


def test_a_run_that_was_moved_knows_its_best_epoch(tmp_path):
    before, after = (checkpoint_callbacks(tmp_path / name)[0] for name in ("before", "after"))
    path = f"{before.dirpath}/best.ckpt"
    before.best_model_path = before.kth_best_model_path = path
    before.best_model_score = before.kth_value = torch.tensor(0.25)
    before.best_k_models = {path: torch.tensor(0.25)}
    after.load_state_dict(before.state_dict())
    assert after.best_model_path == f"{after.dirpath}/best.ckpt"
    assert after.best_model_score == 0.25
    assert after.best_k_models == {after.best_model_path: torch.tensor(0.25)}


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
