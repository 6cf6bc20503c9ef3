"""The learning-rate finder: what losses say, and a run whose rates rise."""

from __future__ import annotations

import json
import signal
import subprocess
import sys

import numpy as np
import pytest

from matsciml_core import build_registry
from matsciml_core.errors import ConfigError
from matsciml_core.testing.plugin_folder import PluginFolder
from matsciml_tool_lr_find import results
from matsciml_tool_lr_find.finder import Ramp, RateCurve, find_rate, smoothed

DATA = {
    "datasets": ["example"],
    "encoder": "example",
    "strategy": "example",
    "training": {"device": "cpu", "batch_size": 4},
}
PROBE = """
import json, sys
import matsciml_tool_lr_find.plugin, matsciml_tool_lr_find.lr_find_command
print(json.dumps(sorted({name.partition(".")[0] for name in sys.modules})))
"""


def curve(losses, rates=None, *, diverged=False):
    rates = np.geomspace(1e-6, 1.0, len(losses)) if rates is None else rates
    return RateCurve(
        encoder="net", datasets="toy", optimiser="adamw", batch_size=8, rates=rates,
        losses=np.asarray(losses, dtype=float), steps=len(losses), diverged=diverged,
    )  # fmt: skip


@pytest.fixture
def registry(plugin_folder: PluginFolder):
    return build_registry(path=plugin_folder.search)


class TestCurve:
    def test_the_average_of_equal_losses_is_that_loss_up_to_the_ends(self):
        np.testing.assert_allclose(smoothed([3.0] * 30, 4.0), 3.0, rtol=1e-12)

    def test_the_average_does_not_lag(self):
        line = np.arange(60.0)
        np.testing.assert_allclose(smoothed(line, 3.0)[15:45], line[15:45], atol=1e-4)

    def test_scatter_is_averaged_away(self):
        noise = np.random.default_rng(0).normal(size=400)
        assert smoothed(noise, 10.0)[50:350].std() < 0.25

    @pytest.mark.parametrize("steps", [50, 400])
    def test_the_loss_falls_fastest_where_its_slope_is(self, steps):
        rates = np.geomspace(1e-6, 1.0, steps)
        # A fall by 1 around 1e-3, steepest there, and a rise beyond 1e-1.
        losses = 2.0 - 1.0 / (1.0 + (1e-3 / rates) ** 2) + (rates / 0.3) ** 2
        found = curve(losses, rates)
        assert found.steepest == pytest.approx(1e-3, rel=0.4)  # two steps of the coarser ramp
        assert found.steepest < rates[found.best] < 0.3

    def test_a_loss_that_only_grows_suggests_nothing(self):
        found = curve(np.linspace(1.0, 5.0, 50), diverged=True)
        assert found.steepest is None
        assert "begin lower, with --from" in results.notices(found)[0]

    def test_a_loss_that_falls_to_the_end_says_so(self):
        found = curve(np.linspace(5.0, 1.0, 50))
        assert "end higher, with --to" in results.notices(found)[0]

    def test_too_few_steps_suggest_nothing(self):
        assert curve([3.0, 2.0, 1.0]).steepest is None


class TestRun:
    def test_rates_rise_by_a_factor_and_losses_are_those_of_the_steps(self, registry):
        ramp = Ramp(lowest=1e-5, highest=1e-2, steps=25)
        found = find_rate(DATA, registry, ramp)
        assert len(found.losses) == 25
        np.testing.assert_allclose(found.rates[1:] / found.rates[:-1], 1e3 ** (1 / 24))
        assert not found.diverged
        again = find_rate(DATA, registry, ramp)
        np.testing.assert_array_equal(found.losses, again.losses)

    def test_the_rate_is_what_moves_the_weights(self, registry):
        slow = find_rate(DATA, registry, Ramp(lowest=1e-12, highest=1e-11, steps=30))
        fast = find_rate(DATA, registry, Ramp(lowest=1e-4, highest=1e-1, steps=30))
        assert slow.losses[0] == fast.losses[0]
        assert abs(slow.losses[-1] - fast.losses[-1]) > 1e-3

    def test_it_stops_where_the_loss_has_grown(self, registry):
        found = find_rate(DATA, registry, Ramp(lowest=1e-4, highest=1e6, steps=200))
        assert found.diverged
        assert len(found.losses) < 200

    def test_ctrl_c_is_one(self, registry):
        def press(progress):
            signal.raise_signal(signal.SIGINT)

        with pytest.raises(KeyboardInterrupt):
            find_rate(DATA, registry, Ramp(lowest=1e-5, highest=1e-2, steps=25), press)

    @pytest.mark.parametrize(("lowest", "highest"), [(1.0, 1e-3), (0.0, 1.0), (1e-3, float("inf"))])
    def test_rates_that_do_not_rise_are_refused(self, registry, lowest, highest):
        with pytest.raises(ConfigError, match="give --from and --to such as 1e-6 and 1"):
            find_rate(DATA, registry, Ramp(lowest=lowest, highest=highest, steps=20))


@pytest.mark.usefixtures("plugin_folder")
def test_the_command_writes_a_page_and_never_over_another(cli, tmp_path):
    arguments = (
        "lr-find", "--dataset", "example", "--encoder", "example", "--strategy", "example",
        "--batch-size", "4", "--device", "cpu", "--steps", "20", "--from", "1e-4", "--to", "1e-2",
        "--output", str(tmp_path / "found"),
    )  # fmt: skip
    done = cli(*arguments)
    assert done.code == 0, done.err
    assert f"Page: {tmp_path / 'found' / 'lr-find.html'}" in done.out
    data = json.loads((tmp_path / "found" / "lr-find.json").read_text())
    assert len(data["steps"]) == 20
    assert [one["learning_rate"] for one in data["steps"]][::19] == pytest.approx([1e-4, 1e-2])
    again = cli(*arguments)
    assert again.code == 2
    assert "exists; give --replace" in again.err


def test_help_loads_nothing_heavy():
    output = subprocess.run(
        [sys.executable, "-c", PROBE], capture_output=True, text=True, check=True
    ).stdout
    assert not {"torch", "numpy", "matplotlib", "pymatgen"} & set(json.loads(output))
