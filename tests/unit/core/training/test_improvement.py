"""What the validation losses of a run say."""

from __future__ import annotations

import math

import pytest

from matsciml_core.training.improvement import (
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
