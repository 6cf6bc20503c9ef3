"""Run folders, read."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from matsciml_util_pages.run_files import read_run
from matsciml_util_pages.testing.example_runs import (
    ExampleRun,
)


def test_epochs_are_counted_from_one(tmp_path: Path) -> None:
    files = read_run(ExampleRun(tmp_path).write())
    np.testing.assert_array_equal(files.epochs, [1, 2, 3, 4, 5, 6])
    assert files.best_epoch == 6
