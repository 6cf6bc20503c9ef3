"""The page of a learning-rate finder in a real browser."""

from __future__ import annotations

import numpy as np
import pytest

from matsciml_tool_lr_find import results
from matsciml_tool_lr_find.finder import RateCurve


@pytest.mark.parametrize("steps", [12, 200])
def test_it_fits_and_can_be_read(browser, tmp_path, steps):
    rates = np.geomspace(1e-6, 1.0, steps)
    found = RateCurve(
        encoder="an-encoder-with-a-long-name",
        datasets="a-dataset+another-dataset",
        optimiser="adamw",
        batch_size=8,
        rates=rates,
        losses=2.0 - 1.0 / (1.0 + (1e-3 / rates) ** 2) + (rates / 0.3) ** 2,
        steps=steps,
        diverged=False,
    )
    assert browser.faults(results.write(found, tmp_path)) == []
    assert browser.run("document.querySelectorAll('svg.plot').length") > 0
