"""What a run prints is whole, wherever it is printed to."""

from __future__ import annotations

from types import SimpleNamespace

import torch

from matsciml_cli._run import show
from matsciml_core.training.callbacks import EpochLines


def test_a_table_that_is_piped_cuts_no_number_and_no_name(capsys, tmp_path):
    metrics = {f"metric_number_{k}": -1.40312345e-7 * (k + 1) for k in range(7)}
    metrics |= {"unit": "eV", "count": 12}
    show(
        SimpleNamespace(
            metrics={"mp/energy": metrics},
            baselines={"mp/energy": {"composition_of_elements": metrics}},
            folder=tmp_path,
            notes=(),
            problems=(),
        )
    )
    out = capsys.readouterr().out
    assert "…" not in out
    assert "composition_of_elements" in out
    for k in range(7):
        assert f"metric_number_{k}" in out
        assert f"{-1.40312345e-7 * (k + 1):.4g}" in out


def test_epochs_of_classifiers_show_their_accuracy(capsys):
    lines = EpochLines()
    trainer = SimpleNamespace(
        is_global_zero=True,
        current_epoch=0,
        max_epochs=2,
        callback_metrics={
            "train/loss": torch.tensor(0.5),
            "validation/mp/is_stable/accuracy": torch.tensor(0.75),
        },
    )
    module = SimpleNamespace(plan=SimpleNamespace(steps=100))
    lines.on_train_epoch_start(trainer, module)
    lines.on_train_epoch_end(trainer, module)
    assert "validation/mp/is_stable/accuracy 0.75" in capsys.readouterr().out


def test_a_long_epoch_says_how_far_it_is_and_how_long_it_takes(capsys):
    lines = EpochLines(every=0.0)
    trainer = SimpleNamespace(
        is_global_zero=True, current_epoch=0, max_epochs=2, num_training_batches=4000
    )
    module = SimpleNamespace(plan=SimpleNamespace(steps=8000))
    lines.on_train_epoch_start(trainer, module)
    lines.on_train_batch_start(trainer, module, None, 999)  # where a resumed epoch goes on
    lines.on_train_batch_end(trainer, module, None, None, 999)
    words = capsys.readouterr().out.split("  ")
    assert words[:2] == ["epoch 1/2", "batch 1,000 of 4,000"]
    assert words[2].endswith(" s left\n")
    lines.on_train_batch_end(trainer, module, None, None, 3999)
    assert capsys.readouterr().out == ""
