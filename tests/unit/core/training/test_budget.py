"""Training within a budget of time: what is chosen, that it ends in time, and that it repeats."""

from __future__ import annotations

import random
import time
from itertools import pairwise
from types import SimpleNamespace

import pytest
import torch

from matsciml_core import RunInterrupted, train
from matsciml_core.errors import ConfigError
from matsciml_core.files import read_object
from matsciml_core.training import budget as budget_module
from matsciml_core.training.budget import Pace, TimeBudget
from matsciml_core.training.config import TrainingConfig
from matsciml_core.training.guards import InterruptGuard
from matsciml_core.training.optimiser import learning_rate_factor
from matsciml_core.training.plan import Plan


class TestPace:
    PACE = Pace(step=1.0, validation=10.0)

    @pytest.mark.parametrize(
        ("seconds", "step", "steps"),
        [
            (1000.0, 0, 900),  # nine epochs of 110 s; the rest is no whole one
            (250.0, 0, 220),  # two, and 20 steps that are validated, too
            (225.0, 0, 200),  # the rest is too short for that
            (50.0, 0, 40),
            (5.0, 0, 0),
            (600.0, 250, 700),  # 60 s to the end of this epoch, and four more
            (5.0, 250, 250),
            (30.0, 250, 270),
        ],
    )
    def test_steps_that_fit(self, seconds, step, steps):
        assert self.PACE.steps_within(seconds, step, 100) == steps

    def test_what_fits_ends_in_time(self):
        numbers = random.Random(0)
        for _ in range(500):
            pace = Pace(step=numbers.uniform(0.01, 3), validation=numbers.uniform(0, 90))
            per_epoch, step = numbers.randint(1, 60), numbers.randint(0, 300)
            seconds = numbers.uniform(0, 900)
            steps = pace.steps_within(seconds, step, per_epoch)
            assert steps >= step
            if steps > step:
                assert pace.until(steps, step, per_epoch) <= seconds + 1e-6


class Simulation:
    """A run on a machine with a clock of its own."""

    def __init__(self, monkeypatch, *, minutes, per_epoch=50, validation=1.0, warm_up=2.0):
        self.now = 100.0
        monkeypatch.setattr(budget_module, "time", SimpleNamespace(perf_counter=lambda: self.now))
        self.plan = Plan.of(TrainingConfig(minutes=minutes, warm_up=warm_up), per_epoch)
        self.per_epoch, self.validation = per_epoch, validation
        self.said = []
        self.minutes = minutes
        self.module = SimpleNamespace(between_steps=True)
        self.trainer = SimpleNamespace(
            global_step=0,
            should_stop=False,
            is_last_batch=False,
            num_val_batches=[5],
            fit_loop=SimpleNamespace(max_epochs=2),
        )
        self.callback = self.new_callback()

    def new_callback(self):
        return TimeBudget(
            self.plan, self.per_epoch, 60.0 * self.minutes, started=self.now, tail=2.0,
            say=self.said.append,
        )  # fmt: skip

    def run(self, seconds_of_step, stop_at=None):
        """Train until the callback ends it; return the seconds that it took, its test included."""
        start, trainer, callback = self.now, self.trainer, self.callback
        callback.on_train_start(trainer, self.module)
        while trainer.global_step < self.per_epoch * trainer.fit_loop.max_epochs:
            callback.on_train_epoch_start(trainer, self.module)
            for _ in range(self.per_epoch - trainer.global_step % self.per_epoch):
                self.now += seconds_of_step(trainer.global_step)
                trainer.global_step += 1
                trainer.is_last_batch = trainer.global_step % self.per_epoch == 0
                callback.on_train_batch_end(trainer, self.module)
                if trainer.should_stop or trainer.global_step == stop_at:
                    break
            if trainer.global_step == stop_at:
                return self.now - start
            callback.on_validation_start(trainer, self.module)
            self.now += self.validation
            callback.on_validation_end(trainer, self.module)
            callback.on_train_epoch_end(trainer, self.module)
            if trainer.should_stop:
                break
        return self.now - start + 2.0 * self.validation


SPEEDS = {
    "steady": lambda step: 0.1,
    "slow at first": lambda step: 0.5 if step < 50 else 0.1,
    "half as fast later": lambda step: 0.1 if step < 400 else 0.2,
    "twice as fast later": lambda step: 0.2 if step < 150 else 0.1,
    "noisy": lambda step: 0.1 * (1 + 0.3 * random.Random(step).uniform(-1, 1)),
    "slower and slower": lambda step: 0.1 + 0.0001 * step,
}


class TestEnd:
    @pytest.mark.parametrize("speed", SPEEDS, ids=lambda name: name.replace(" ", "-"))
    @pytest.mark.parametrize("minutes", [0.3, 1, 2, 10])
    def test_it_ends_in_time_and_uses_it(self, monkeypatch, speed, minutes):
        simulation = Simulation(monkeypatch, minutes=minutes)
        seconds = simulation.run(SPEEDS[speed])
        assert seconds <= 60 * minutes
        assert seconds >= 0.75 * 60 * minutes

    @pytest.mark.parametrize("speed", SPEEDS, ids=lambda name: name.replace(" ", "-"))
    def test_the_learning_rate_reaches_zero_at_the_end_without_a_jump(self, monkeypatch, speed):
        simulation = Simulation(monkeypatch, minutes=2)
        simulation.run(SPEEDS[speed])
        steps = simulation.trainer.global_step
        factor = learning_rate_factor(TrainingConfig(), simulation.plan)
        assert steps == simulation.plan.steps
        assert factor(steps) < 0.002  # of the peak
        assert max(abs(factor(k + 1) - factor(k)) for k in range(steps)) < 0.1

    def test_a_steady_machine_keeps_what_was_chosen_after_two_epochs(self, monkeypatch):
        simulation = Simulation(monkeypatch, minutes=2)
        simulation.run(SPEEDS["steady"])
        # 118 s without the test, less 5 % of the budget and the trial of 12 s, hold 16 epochs.
        ((step, steps),) = simulation.plan.revisions
        assert (step, steps) == (100, 900)
        record = simulation.callback.record()
        assert record["epochs"] == 18
        assert record["repeat"] == "--set training.epochs=18 --set training.minutes=null"
        assert simulation.said == ["2 minutes: 18 epochs, of 6 s each with validation"]

    def test_a_validation_as_long_as_the_training_is_counted(self, monkeypatch):
        simulation = Simulation(monkeypatch, minutes=2, validation=8.0)
        assert simulation.run(SPEEDS["steady"]) <= 120

    @pytest.mark.parametrize("warm_up", [0.0, 2.0, 30.0])
    def test_an_epoch_longer_than_the_budget_is_trained_in_part(self, monkeypatch, warm_up):
        simulation = Simulation(monkeypatch, minutes=1, per_epoch=5000, warm_up=warm_up)
        assert 45 <= simulation.run(SPEEDS["steady"]) <= 60
        assert 0 < simulation.trainer.global_step < 5000
        assert simulation.callback.record()["epochs"] == 1
        assert "training.plan=[[" in simulation.callback.record()["repeat"]

    def test_a_machine_that_changes_is_said_and_recorded(self, monkeypatch):
        simulation = Simulation(monkeypatch, minutes=2)
        simulation.run(SPEEDS["half as fast later"])
        assert len(simulation.plan.revisions) > 1
        assert "because an epoch is slower than before" in simulation.said[1]
        assert "training.plan=[[100,900]," in simulation.callback.record()["repeat"]

    def test_small_changes_are_recorded_and_not_said(self, monkeypatch):
        simulation = Simulation(monkeypatch, minutes=10)
        simulation.run(SPEEDS["slower and slower"])
        told, revised = simulation.said, len(simulation.plan.revisions)
        assert revised > 3
        assert len(told) <= 1 + revised / 2
        for before, after in pairwise(float(words.split()[2]) for words in told):
            assert abs(after - before) >= 0.19 * before

    def test_one_minute_is_singular(self, monkeypatch):
        simulation = Simulation(monkeypatch, minutes=1)
        simulation.run(SPEEDS["steady"])
        assert simulation.said[0].startswith("1 minute: ")

    def test_an_interrupt_costs_no_time_and_loses_no_plan(self, monkeypatch):
        simulation = Simulation(monkeypatch, minutes=2)
        first = simulation.run(SPEEDS["steady"], stop_at=425)
        state = simulation.callback.state_dict()
        simulation.now += 5000.0
        simulation.plan = Plan.of(TrainingConfig(minutes=2), 50)
        simulation.callback = simulation.new_callback()
        simulation.callback.load_state_dict(state)
        second = simulation.run(SPEEDS["steady"])
        assert 100 <= first + second <= 120
        assert simulation.plan.revisions == [(100, 900)]

    def test_a_finished_run_goes_on_with_more_minutes(self, monkeypatch):
        simulation = Simulation(monkeypatch, minutes=1)
        simulation.run(SPEEDS["steady"])
        state = simulation.callback.state_dict()
        simulation.minutes, simulation.trainer.should_stop = 2, False
        simulation.callback = simulation.new_callback()
        simulation.callback.load_state_dict(state)
        before = simulation.trainer.global_step
        simulation.run(SPEEDS["steady"])
        assert simulation.trainer.global_step > 1.5 * before
        assert simulation.callback.used <= 120
        assert simulation.callback.record()["repeat"] is None


@pytest.fixture
def fit(registry, tmp_path):
    """Return ``train`` with example components."""

    def run(**options):
        names = {"dataset": "example", "encoder": "example", "strategy": "example"}
        new = {**names, "batch_size": 4, "device": "cpu", "output": tmp_path / "runs"}
        first = {} if "resume" in options else new
        return train(registry=registry, **{"quiet": True, **first, **options})

    return run


def weights(result):
    return list(result.run.encoder.state_dict().values())


class TestRun:
    def test_it_ends_in_time_and_can_be_repeated(self, fit, capfd):
        started = time.perf_counter()
        result = fit(minutes=0.15, quiet=False)
        # The test of so small a model takes less than a second, but machines are busy.
        assert time.perf_counter() - started < 9 * 1.5
        budget = read_object(result.folder / "run.json")["budget"]
        assert budget["minutes"] == 0.15
        assert budget["epochs"] == len(result.history["epoch"])
        assert budget["steps"] == result.history["step"][-1]
        assert "0.15 minutes: " in capfd.readouterr().out
        again = fit(plan=budget["plan"])
        assert all(map(torch.equal, weights(result), weights(again)))
        assert again.history["validation/loss"] == result.history["validation/loss"]

    def test_what_was_chosen_in_the_warm_up_is_repeated_by_the_number_of_epochs(
        self, fit, monkeypatch
    ):
        monkeypatch.setattr(Pace, "steps_within", lambda pace, left, step, per_epoch: 9 * per_epoch)
        monkeypatch.setattr(Pace, "until", lambda pace, steps, step, per_epoch: 0.0)
        result = fit(minutes=5)
        assert read_object(result.folder / "run.json")["budget"]["repeat"].startswith(
            "--set training.epochs=9 "
        )
        again = fit(epochs=9)
        assert again.history["validation/loss"] == result.history["validation/loss"]
        assert all(map(torch.equal, weights(result), weights(again)))

    def test_an_interrupted_run_goes_on_within_its_budget(self, fit, monkeypatch):
        original = InterruptGuard.on_train_batch_end

        def stop(guard, trainer, *arguments):
            guard.requested = trainer.global_step == 25
            original(guard, trainer, *arguments)

        with monkeypatch.context() as patch:
            patch.setattr(InterruptGuard, "on_train_batch_end", stop)
            with pytest.raises(RunInterrupted) as stopped:
                fit(minutes=5)  # enough for 25 steps on any machine
        result = fit(resume=stopped.value.folder, minutes=0.2)
        steps = result.history["step"]
        assert steps[-1] == read_object(result.folder / "run.json")["budget"]["steps"]
        assert steps == sorted(set(steps))

    def test_a_part_of_an_epoch_is_validated_and_saved(self, fit):
        result = fit(plan=[[0, 3]], batch_size=2)
        assert result.history["step"] == [3.0]
        assert result.metrics
        with pytest.raises(ConfigError, match="nothing to resume"):
            fit(resume=result.folder)

    def test_a_finished_run_wants_more_minutes_or_epochs(self, fit):
        result = fit(minutes=0.05)
        with pytest.raises(ConfigError, match=r"within its 0\.05 minutes already.*--minutes"):
            fit(resume=result.folder)
        epochs = len(result.history["epoch"]) + 1
        again = fit(resume=result.folder, epochs=epochs)
        assert len(again.history["epoch"]) >= epochs

    @pytest.mark.parametrize(
        ("options", "words"),
        [
            ({"minutes": 1, "epochs": 3}, "Both 'epochs' and 'minutes'"),
            ({"minutes": 1, "plan": [[0, 3]]}, "leave one of the two away"),
            ({"plan": [[5, 3]]}, "must rise"),
            ({"plan": [[5, 9], [2, 7]]}, "must rise"),
            ({"minutes": 0}, "greater than 0"),
        ],
    )
    def test_contradictions(self, fit, options, words):
        with pytest.raises(ConfigError, match=words):
            fit(**options)
