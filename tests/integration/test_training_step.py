"""A training step with real strategies: accumulation, masks, skipped steps, forces, inspection."""

import math
import warnings
from dataclasses import replace

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from torch import nn

from matsciml_core import (
    Crystal,
    CrystalBatch,
    Dataset,
    Embedding,
    Encoder,
    Provenance,
    TargetInfo,
    Task,
    build_registry,
)
from matsciml_core.data.loader import BatchSampler, BatchSource, CrystalLoader
from matsciml_core.data.steps import StepLoader
from matsciml_core.testing.examples import ExampleHead
from matsciml_core.training.callbacks import GradientAnglesFile, TrainingLosses
from matsciml_core.training.config import TrainingConfig
from matsciml_core.training.gradient_angles import read_gradient_angles
from matsciml_core.training.module import TrainingModule
from matsciml_core.training.plan import Plan

ENERGY = TargetInfo(name="energy", kind="scalar", unit="eV")
GAP = TargetInfo(name="gap", kind="scalar", unit="eV")
STRATEGIES = ["additive", "pcgrad", "multi-data"]


class PlainEncoder(Encoder):
    """Embeds species and positions; counts how often it is called."""

    neighbours = None
    atom_width = crystal_width = 6

    def __init__(self):
        super().__init__()
        self.first = nn.Linear(4, 6)
        self.second = nn.Linear(6, 6)
        self.unused = nn.Linear(2, 2)
        self.calls = 0

    def forward(self, batch):
        self.calls += 1
        number = batch.atomic_numbers.to(batch.positions.dtype).unsqueeze(1) / 50
        atoms = torch.tanh(self.first(torch.cat((number, batch.positions), dim=1)))
        atoms = torch.tanh(self.second(atoms))
        sums = atoms.new_zeros(batch.num_crystals, 6).index_add(0, batch.crystal_index, atoms)
        return Embedding(atoms=atoms, crystals=sums / batch.atoms_per_crystal.unsqueeze(1))


class Sceptic(ExampleHead):
    """Takes labels beyond all reason for missing ones."""

    def mask(self, batch):
        known = super().mask(batch)
        return {name: known[name] & (batch.targets[name].abs() < 1e6) for name in known}


class SlopeHead(ExampleHead):
    """Predicts the length of the gradient of its output with respect to positions."""

    needs_position_gradient = True

    def forward(self, embedding, batch):
        assert batch.positions.requires_grad
        energy = super().forward(embedding, batch)
        (slope,) = torch.autograd.grad(
            sum(one.sum() for one in energy.values()), batch.positions, create_graph=True
        )
        sums = slope.new_zeros(batch.num_crystals)
        sums = sums.index_add(0, batch.crystal_index, slope.square().sum(1))
        return {name: one + sums for name, one in energy.items()}


def crystals(count, seed=0):
    generator = torch.Generator().manual_seed(seed)
    rows = []
    for k in range(count):
        values = torch.rand(5, generator=generator, dtype=torch.float64)
        rows.append(
            Crystal(
                id=f"{seed}-{k}",
                atomic_numbers=[int(10 + 40 * values[0])],
                positions=values[1:4].reshape(1, 3).numpy(),
                cell=3.0 * torch.eye(3).numpy(),
                labels={
                    "energy": float(values[1] + values[2]),
                    "gap": float(values[3] - 3 * values[1]),
                },
            )
        )
    return rows


def batch_of(rows, infos=(ENERGY, GAP)):
    return CrystalBatch.from_crystals(rows, infos)


def module_with(
    strategy, *, datasets=("toy",), options=None, head=ExampleHead, infos=(ENERGY, GAP), **training
):
    torch.manual_seed(3)
    encoder = PlainEncoder()
    tasks = []
    for dataset in datasets:
        for info in infos:
            part = head([info], 6, 6)
            part.fit([batch_of(crystals(30))])
            tasks.append(Task(dataset=dataset, head_name="example", head=part))
    spec = build_registry().get("strategy", strategy)
    config = spec.load_config()
    built = spec.load()(config.from_options(options or {}, where="strategy") if config else None)
    built.validate(tasks)
    settings = TrainingConfig(schedule="constant", learning_rate=1e-2, **training)
    return TrainingModule(encoder, tasks, built, settings, Plan.of(settings, 100)).double()


class Steps:
    """Steps that are served as they are."""

    def __init__(self, steps):
        self.steps = steps

    def __len__(self):
        return len(self.steps)

    def __iter__(self):
        return iter(self.steps)


def fit(
    module,
    steps,
    *,
    epochs=1,
    callbacks=(),
    validation=None,
    folder=None,
    checkpoint=None,
    **trainer,
):
    pl.Trainer(
        accelerator="cpu",
        max_epochs=epochs,
        logger=False,
        callbacks=[TrainingLosses(), *callbacks],
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        default_root_dir=folder,
        inference_mode=False,
        **trainer,
    ).fit(
        module,
        Steps(steps) if isinstance(steps, list) else steps,
        Steps(validation) if validation else None,
        ckpt_path=checkpoint,
        weights_only=True,
    )
    return module


@pytest.fixture(autouse=True)
def quiet():
    """Silence Lightning's advice that does not apply here."""
    with warnings.catch_warnings():
        for words in ("does not have many workers", "log_every_n_steps", "LeafSpec"):
            warnings.filterwarnings("ignore", f".*{words}.*")
        warnings.filterwarnings("ignore", ".*have no `val_dataloader`.*")
        yield


def weights(module):
    return torch.cat([one.detach().flatten() for one in module.parameters()])


@pytest.mark.parametrize("strategy", STRATEGIES)
class TestEveryStrategy:
    def test_accumulated_batches_are_one_batch(self, strategy):
        rows = crystals(8)
        joint = fit(module_with(strategy), [{"toy": batch_of(rows)}])
        parts = [{"toy": batch_of(rows[k : k + 2])} for k in (0, 2, 4, 6)]
        parted = fit(module_with(strategy, accumulate_batches=4), parts)
        torch.testing.assert_close(weights(parted), weights(joint), rtol=1e-12, atol=1e-12)
        assert parted.trainer.global_step == joint.trainer.global_step == 1

    def test_the_last_batches_of_an_epoch_make_a_step_too(self, strategy):
        steps = [{"toy": batch_of(crystals(2, seed))} for seed in range(5)]
        found = fit(module_with(strategy, accumulate_batches=2), steps, epochs=2)
        assert found.trainer.global_step == 6
        last = module_with(strategy)
        fit(last, [steps[4]])
        alone = fit(module_with(strategy, accumulate_batches=2), [steps[4]])
        torch.testing.assert_close(weights(alone), weights(last), rtol=1e-12, atol=1e-12)

    def test_one_forward_pass_per_step(self, strategy):
        module = module_with(strategy)
        fit(module, [{"toy": batch_of(crystals(4))}] * 3)
        assert module.encoder.calls == 3

    def test_what_lies_under_a_mask_has_no_influence(self, strategy):
        results = []
        for absurd in (1e30, -7e25, math.nan):
            batch = batch_of(crystals(6))
            batch.targets["gap"][3:] = absurd
            results.append(weights(fit(module_with(strategy, head=Sceptic), [{"toy": batch}])))
        assert results[0].isfinite().all()
        assert torch.equal(results[0], results[1])
        assert torch.equal(results[0], results[2])

    def test_crystals_without_a_label_have_no_influence_on_its_task(self, strategy):
        few, many = batch_of(crystals(3)), batch_of(crystals(6))
        for batch in (few, many):
            batch.targets = {"gap": batch.targets["gap"]}
        many.targets["gap"][3:] = math.nan
        one, other = (fit(module_with(strategy), [{"toy": batch}]) for batch in (few, many))
        torch.testing.assert_close(weights(one), weights(other), rtol=1e-12, atol=1e-12)

    def test_a_task_without_labels_keeps_its_head(self, strategy):
        batch = batch_of(crystals(6))
        batch.targets = {"energy": batch.targets["energy"]}
        module = module_with(strategy)
        before = module.tasks[1].head.layers["gap"].weight.clone()
        fit(module, [{"toy": batch}])
        assert torch.equal(module.tasks[1].head.layers["gap"].weight, before)
        alone = fit(module_with(strategy, infos=(ENERGY,)), [{"toy": batch}])
        torch.testing.assert_close(alone.encoder.state_dict(), module.encoder.state_dict())

    def test_a_step_that_is_not_finite_is_left_out(self, strategy):
        good = {"toy": batch_of(crystals(4))}
        bad = {"toy": batch_of(crystals(4))}
        bad["toy"].targets["gap"][1] = math.inf
        spoilt = fit(module_with(strategy), [good, bad, good])
        clean = fit(module_with(strategy), [good, good])
        torch.testing.assert_close(weights(spoilt), weights(clean), rtol=1e-12, atol=1e-12)
        assert float(spoilt.trainer.callback_metrics["train/skipped_steps"]) == 1
        assert float(clean.trainer.callback_metrics["train/skipped_steps"]) == 0

    def test_clipping_comes_last(self, strategy):
        module = module_with(strategy, gradient_clip=1e-3)
        fit(module, [{"toy": batch_of(crystals(4))}])
        gradients = [one.grad for one in module.parameters() if one.grad is not None]
        norm = torch.cat([one.flatten() for one in gradients]).norm()
        assert float(norm) == pytest.approx(1e-3, rel=1e-3)

    def test_heads_that_differentiate_are_trained_and_validated(self, strategy):
        module = module_with(strategy, head=SlopeHead)
        batch = batch_of(crystals(4))
        before = module.encoder.first.weight.clone()
        fit(module, [{"toy": batch}] * 2, validation=[{"toy": batch}])
        assert not batch.positions.requires_grad
        assert math.isfinite(float(module.trainer.callback_metrics["validation/loss"]))
        assert not torch.equal(module.encoder.first.weight, before)

    def test_mixed_precision_leaves_sums_over_gradients_exact(self, strategy):
        module = module_with(strategy).float()
        steps = [{"toy": batch_of(crystals(4)).to(dtype=torch.float32)}] * 2
        seen = []
        if module.strategy_module.needs_task_gradients:
            original = module.strategy_module.aggregate

            def aggregate(gradients, losses):
                found = original(gradients, losses)
                seen.append((gradients.clone(), found))
                return found

            module.strategy_module.aggregate = aggregate
        fit(module, steps, precision="bf16-mixed")
        assert weights(module).isfinite().all()
        for gradients, found in seen:
            assert found.dtype == torch.float32
            inside = gradients.double()
            solution = torch.linalg.lstsq(inside.T, found.double().unsqueeze(1)).solution
            torch.testing.assert_close(
                (inside.T @ solution)[:, 0], found.double(), atol=1e-6, rtol=0
            )

    def test_what_nothing_uses_is_left_alone(self, strategy):
        module = module_with(strategy, weight_decay=0.1)
        before = module.encoder.unused.weight.clone()
        fit(module, [{"toy": batch_of(crystals(4))}])
        assert module.encoder.unused.weight.grad is None
        assert torch.equal(module.encoder.unused.weight, before)


def test_without_conflict_pcgrad_is_additive():
    batch = batch_of(crystals(4))
    batch.targets["gap"] = batch.targets["energy"]
    results = []
    for strategy in ("additive", "pcgrad"):
        module = module_with(strategy)
        one, two = (task.head for task in module.tasks)
        two.load_state_dict(
            {key.replace("energy", "gap"): value for key, value in one.state_dict().items()}
        )
        fit(module, [{"toy": batch}])
        results.append(weights(module))
    torch.testing.assert_close(results[1], results[0], rtol=1e-12, atol=1e-12)


def test_with_conflict_pcgrad_is_not_additive():
    batch = {"toy": batch_of(crystals(6))}
    first, second = (fit(module_with(name), [batch] * 3) for name in ("additive", "pcgrad"))
    assert not torch.allclose(weights(first), weights(second))


def test_learned_weights_are_trained_and_not_decayed():
    module = module_with("additive", options={"weighting": "uncertainty"}, weight_decay=0.5)
    learned = module.strategy_module.log_variance
    before = learned.detach().clone()
    fit(module, [{"toy": batch_of(crystals(4))}] * 3)
    assert not torch.equal(learned, before)
    groups = module.trainer.optimizers[0].param_groups
    (group,) = [one for one in groups if any(item is learned for item in one["params"])]
    assert group["weight_decay"] == 0


def test_several_datasets_of_which_a_step_has_one():
    module = module_with("multi-data", datasets=("large", "small"))
    fit(module, [{"large": batch_of(crystals(4))}, {"small": batch_of(crystals(3, 1))}])
    assert {"train/large/energy/loss", "train/small/gap/loss"} <= set(
        module.trainer.callback_metrics
    )


@pytest.mark.parametrize("strategy", STRATEGIES)
class TestInspection:
    def test_angles_are_recorded_every_few_steps(self, strategy, tmp_path):
        module = module_with(strategy, inspect_gradients=2)
        steps = [{"toy": batch_of(crystals(4, seed))} for seed in range(5)]
        fit(module, steps, callbacks=[GradientAnglesFile(tmp_path)])
        (pair,) = read_gradient_angles(tmp_path)
        assert (pair.task, pair.other) == ("toy/energy", "toy/gap")
        assert pair.steps.tolist() == [0, 2, 4]
        assert pair.layers == ("first", "second", "unused", "all")
        assert (abs(pair.cosine[[0, 1, 3]]) <= 1).all()

    def test_looking_changes_nothing(self, strategy):
        steps = [{"toy": batch_of(crystals(4, seed))} for seed in range(4)]
        looked = fit(module_with(strategy, inspect_gradients=1), steps)
        plain = fit(module_with(strategy), steps)
        assert torch.equal(weights(looked), weights(plain))

    def test_accumulated_gradients_are_those_of_the_joint_batch(self, strategy, tmp_path):
        rows = crystals(8)
        for name, steps, count in (
            ("joint", [{"toy": batch_of(rows)}], 1),
            ("parts", [{"toy": batch_of(rows[:4])}, {"toy": batch_of(rows[4:])}], 2),
        ):
            (tmp_path / name).mkdir()
            module = module_with(strategy, inspect_gradients=1, accumulate_batches=count)
            fit(module, steps, callbacks=[GradientAnglesFile(tmp_path / name)])
        joint, parts = (read_gradient_angles(tmp_path / name)[0] for name in ("joint", "parts"))
        assert parts.cosine[-1] == pytest.approx(joint.cosine[-1], rel=1e-5)


def test_a_batch_is_not_written_to():
    batch = batch_of(crystals(3))
    before = replace(batch, positions=batch.positions.clone())
    fit(module_with("pcgrad", head=SlopeHead), [{"toy": batch}])
    assert torch.equal(batch.positions, before.positions)
    assert not batch.positions.requires_grad


class Listener(ExampleHead):
    """Keeps what it is told of the progress of training."""

    def loss(self, prediction, target, mask):
        self.heard = [*getattr(self, "heard", []), (self.progress, torch.is_grad_enabled())]
        return super().loss(prediction, target, mask)


def test_heads_learn_how_far_training_is_and_validation_has_one_measure():
    module = module_with("additive", head=Listener, accumulate_batches=2)
    batch = {"toy": batch_of(crystals(4))}
    fit(module, [batch] * 4, validation=[batch], epochs=2)
    one = 1 / module.plan.steps
    expected = [0.0, 0.0, one, one, 1.0, 2 * one, 2 * one, 3 * one, 3 * one, 1.0]
    for task in module.tasks:
        assert [progress for progress, _ in task.head.heard] == pytest.approx(expected)
        assert [not training for _, training in task.head.heard] == [t == 1 for t in expected]


class StopsAfter(pl.Callback):
    """Saves a checkpoint as soon as a step is finished, and ends the run."""

    def __init__(self, batches, path):
        self.batches, self.path = batches, path

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        if batch_idx + 1 == self.batches:
            trainer.save_checkpoint(self.path)
            raise KeyboardInterrupt


def loader_of(mode):
    loaders = {}
    for number, (name, count) in enumerate((("large", 20), ("small", 6))):
        dataset = SmallDataset(count, number)
        source = BatchSource(
            dataset,
            np.arange(count),
            neighbourhood=None,
            labels=("energy", "gap"),
            dtype=torch.float64,
        )
        loaders[name] = CrystalLoader(source, BatchSampler(count, 4, shuffle=True, seed=number))
    return StepLoader(loaders, mode, seed=5)


class SmallDataset(Dataset):
    """Crystals made from a seed."""

    def __init__(self, count, seed):
        super().__init__()
        self.rows = crystals(count, seed)

    targets = {"energy": ENERGY, "gap": GAP}
    provenance = Provenance(source="made up by a test")

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, index):
        return self.rows[index]


@pytest.mark.parametrize(
    ("strategy", "options"),
    [
        ("pcgrad", {}),
        ("gradnorm", {}),
        ("additive", {"weighting": "uncertainty"}),
        ("multi-data", {"sampling": "temperature"}),
    ],
)
def test_a_resumed_run_is_as_if_it_had_not_been_interrupted(strategy, options, tmp_path):
    def module():
        return module_with(strategy, datasets=("large", "small"), options=options)

    mode = module().strategy_module.batch_mode
    whole = fit(module(), loader_of(mode), epochs=2)
    interrupted = module()
    stop = StopsAfter(3, tmp_path / "last.ckpt")
    with pytest.raises(SystemExit):
        fit(interrupted, loader_of(mode), epochs=2, callbacks=[stop])
    resumed = fit(
        module(), loader_of(mode), epochs=2, checkpoint=tmp_path / "last.ckpt", folder=tmp_path
    )
    assert resumed.trainer.global_step == whole.trainer.global_step
    assert torch.equal(weights(resumed), weights(whole))
