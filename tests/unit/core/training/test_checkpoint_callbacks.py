"""Checkpoints that are written: what a moved run still knows."""

from __future__ import annotations

import torch

from matsciml_core.training.checkpoint_callbacks import checkpoint_callbacks


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
