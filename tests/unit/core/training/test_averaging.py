"""The average of the weights: what it is, and that it is what is validated, tested and saved."""

from __future__ import annotations

import math
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from matsciml_core import RunInterrupted, train
from matsciml_core.files import read_object
from matsciml_core.training.averaging import WeightAverage, averaged_tensors
from matsciml_core.training.guards import InterruptGuard
from matsciml_core.training.plan import Plan

KEY = "validation/example/energy/mae"


class Normalised(nn.Module):
    """A layer of each kind that has buffers, and a weight that is not trained."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(2, 2)
        self.norm = nn.BatchNorm1d(2)
        self.fixed = nn.Parameter(torch.ones(2), requires_grad=False)
        self.register_buffer("scale", torch.tensor(2.5))
        self.register_buffer("mask", torch.tensor([0.0, -math.inf]))


def run_steps(average, module, changes, start=0):
    """Let a callback see steps that each add a number to every weight and running mean."""
    trainer = SimpleNamespace(global_step=start)
    average.on_train_start(trainer, module)
    for change in changes:
        trainer.global_step += 1
        with torch.no_grad():
            for one in (module.linear.weight, module.norm.running_mean):
                one.add_(change)
            module.norm.num_batches_tracked.add_(1)
        average.on_train_batch_end(trainer, module)
        average.on_train_batch_end(trainer, module)  # a further batch of the same step


class TestAverage:
    @pytest.mark.parametrize("decay", [0.0, 0.25, 0.9])
    def test_each_step_is_weighted_as_stated(self, decay):
        module, average = Normalised(), WeightAverage(decay)
        live = expected = module.linear.weight[0, 0].item()
        changes = [0.5, -1.0, 2.0, 0.25]
        for step, change in enumerate(changes, start=1):
            live += change
            share = min(decay, (1 + step) / (10 + step))
            expected = share * expected + (1 - share) * live
        run_steps(average, module, changes)
        average.on_validation_epoch_start(None, module)
        assert module.linear.weight[0, 0].item() == pytest.approx(expected, rel=1e-6)

    def test_over_the_last_steps_it_is_the_plain_mean_and_before_the_weights_themselves(self):
        module, plan = Normalised(), Plan(warm_up=0.0, revisions=[(0, 8)])
        average = WeightAverage(0.9, last=0.5, plan=plan)
        start = module.linear.weight[0, 0].item()
        run_steps(average, module, [1.0] * 4)
        average.on_validation_epoch_start(None, module)
        assert module.linear.weight[0, 0].item() == pytest.approx(start + 4)
        average.on_validation_epoch_end(None, module)
        trainer = SimpleNamespace(global_step=4)
        for _ in range(4):
            trainer.global_step += 1
            with torch.no_grad():
                module.linear.weight.add_(1.0)
            average.on_train_batch_end(trainer, module)
        average.on_validation_epoch_start(None, module)
        assert module.linear.weight[0, 0].item() == pytest.approx(start + (5 + 6 + 7 + 8) / 4)

    def test_while_the_length_is_open_nothing_is_averaged(self):
        module = Normalised()
        average = WeightAverage(0.9, last=0.5, plan=Plan(warm_up=0.0))
        run_steps(average, module, [1.0, 2.0])
        live = module.linear.weight.clone()
        average.on_validation_epoch_start(None, module)
        assert torch.equal(module.linear.weight, live)

    def test_the_weights_come_back_bit_for_bit(self):
        module, average = Normalised(), WeightAverage(0.9)
        run_steps(average, module, [0.1, 0.2, 0.3])
        before = {name: one.clone() for name, one in module.state_dict().items()}
        average.on_validation_epoch_start(None, module)
        assert not torch.equal(module.linear.weight, before["linear.weight"])
        average.on_validation_epoch_end(None, module)
        assert all(torch.equal(one, before[name]) for name, one in module.state_dict().items())

    def test_statistics_follow_the_weights_and_all_else_is_that_of_the_model(self):
        module, average = Normalised(), WeightAverage(0.9)
        run_steps(average, module, [1.0])
        average.on_validation_epoch_start(None, module)
        share = 1 - 2 / 11  # of the new value after step 1
        torch.testing.assert_close(module.norm.running_mean, torch.full((2,), share))
        assert module.norm.num_batches_tracked.item() == 1
        assert module.scale.item() == 2.5
        assert module.mask.tolist() == [0.0, -math.inf]

    def test_of_what_is_not_trained_there_is_no_average(self):
        names = set(averaged_tensors(Normalised()))
        assert {"linear.weight", "norm.running_var", "scale"} <= names
        assert not names & {"fixed", "mask", "norm.num_batches_tracked"}

    def test_it_goes_on_from_a_checkpoint_as_if_nothing_had_happened(self):
        whole, average = Normalised(), WeightAverage(0.9)
        half, first, second = Normalised(), WeightAverage(0.9), WeightAverage(0.9)
        half.load_state_dict(whole.state_dict())
        run_steps(average, whole, [0.1, 0.2, 0.3, 0.4])
        run_steps(first, half, [0.1, 0.2])
        checkpoint = {"state_dict": dict(half.state_dict())}
        first.on_save_checkpoint(None, half, checkpoint)
        resumed = Normalised()
        resumed.load_state_dict(checkpoint["state_dict"])
        second.on_load_checkpoint(None, resumed, checkpoint)
        run_steps(second, resumed, [0.3, 0.4], start=2)
        for one in (average, second):
            one.on_validation_epoch_start(None, None)
        for name, tensor in whole.state_dict().items():
            if name != "fixed":
                assert torch.equal(tensor, resumed.state_dict()[name]), name


@pytest.fixture
def fit(registry, tmp_path):
    """Return ``train`` with example components."""

    def run(**options):
        names = {"dataset": "example", "encoder": "example", "strategy": "example"}
        new = {**names, "batch_size": 4, "device": "cpu", "output": tmp_path / "runs"}
        first = {} if "resume" in options else {**new, "learning_rate": 0.05, "epochs": 3}
        return train(registry=registry, quiet=True, **{**first, **options})

    return run


def weights(result):
    return {name: one.clone() for name, one in result.run.encoder.state_dict().items()}


class TestRun:
    def test_it_is_on_unless_switched_off(self, fit):
        averaged, plain = fit(), fit(average_decay=0)
        files = [one.folder / "checkpoints/best.ckpt" for one in (averaged, plain)]
        states = [torch.load(file, weights_only=True) for file in files]
        live, average = states[0]["live_weights"], states[0]["state_dict"]
        assert any(not torch.equal(live[name], average[name]) for name in live)
        assert "live_weights" not in states[1]

    def test_what_is_validated_is_what_is_saved(self, fit):
        result = fit(average_decay=0.9)
        best = result.history["validation/loss"].index(min(result.history["validation/loss"]))
        state = torch.load(result.folder / "checkpoints/best.ckpt", weights_only=True)["state_dict"]
        for name, one in result.model.encoder.state_dict().items():
            assert torch.equal(one, state[f"encoder.{name}"])
        summary = read_object(result.folder / "run.json")
        measured = summary["metrics"]["validation"]["example/energy"]["mae"]
        assert measured == pytest.approx(result.history[KEY][best], rel=1e-5)

    @pytest.mark.parametrize("within_epoch", [True, False])
    def test_an_interrupted_run_ends_as_an_undisturbed_one(self, fit, monkeypatch, within_epoch):
        whole = fit()
        steps = int(whole.history["step"][0])
        hook = "on_train_batch_end" if within_epoch else "on_train_epoch_end"
        original = getattr(InterruptGuard, hook)

        def stop(guard, trainer, *arguments):
            guard.requested = trainer.global_step == steps + (2 if within_epoch else 0)
            original(guard, trainer, *arguments)

        with monkeypatch.context() as patch:
            patch.setattr(InterruptGuard, hook, stop)
            with pytest.raises(RunInterrupted) as stopped:
                fit()
        resumed = fit(resume=stopped.value.folder)
        for name, one in weights(whole).items():
            assert torch.equal(one, weights(resumed)[name]), name
        assert resumed.history["validation/loss"] == whole.history["validation/loss"]

    def test_a_checkpoint_within_an_epoch_has_the_last_step_in_its_average(self, fit, monkeypatch):
        whole = fit()
        saved = {}
        original = InterruptGuard.on_train_batch_end

        def stop(guard, trainer, *arguments):
            if trainer.global_step == 3:
                saved.update(torch.load(guard.checkpoint, weights_only=True))
                guard.requested = True
            original(guard, trainer, *arguments)

        with monkeypatch.context() as patch:
            patch.setattr(InterruptGuard, "on_train_batch_end", stop)
            # A checkpoint after each step, by TimedCheckpoints.
            with pytest.raises(RunInterrupted) as stopped:
                fit(checkpoint_minutes=1e-9)
        assert saved["global_step"] == 3
        file = stopped.value.folder / "checkpoints/last.ckpt"
        torch.save(saved, file)
        resumed = fit(resume=stopped.value.folder)
        assert resumed.history["validation/loss"] == whole.history["validation/loss"]
