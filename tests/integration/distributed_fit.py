"""Trains a small model on one process or on two ranks, and saves its weights.

Run as ``python distributed_fit.py FOLDER``, or the same under ``torch.distributed.run``. With two
ranks each gets an uneven part of every batch, so that they have different numbers of labels, of
some tasks none.
"""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytorch_lightning as pl
import torch
import torch.distributed as dist
from torch import nn

from matsciml_core import Crystal, CrystalBatch, Embedding, Encoder, TargetInfo, Task
from matsciml_core.registry.manager import build_registry
from matsciml_core.testing.examples import ExampleHead
from matsciml_core.training.config import TrainingConfig
from matsciml_core.training.module import TrainingModule
from matsciml_core.training.plan import Plan

INFOS = (
    TargetInfo(name="energy", kind="scalar", unit="eV"),
    TargetInfo(name="gap", kind="scalar", unit="eV"),
)
RANKS = int(os.environ.get("WORLD_SIZE", "1"))
DATASETS = ("large", "small")
RUNS = {
    "additive": ("additive", {}),
    "uncertainty": ("additive", {"weighting": "uncertainty"}),
    "pcgrad": ("pcgrad", {}),
    "gradnorm": ("gradnorm", {}),
    "multi-data": ("multi-data", {}),
}


class SmallEncoder(Encoder):
    """Embeds species and positions; has a layer that nothing uses."""

    neighbours = None
    atom_width = crystal_width = 6

    def __init__(self) -> None:
        """Build the layers."""
        super().__init__()
        self.first = nn.Linear(4, 6)
        self.second = nn.Linear(6, 6)
        self.unused = nn.Linear(2, 2)

    def forward(self, batch: CrystalBatch) -> Embedding:
        """Embed a batch."""
        number = batch.atomic_numbers.to(batch.positions.dtype).unsqueeze(1) / 50
        atoms = torch.tanh(self.first(torch.cat((number, batch.positions), dim=1)))
        atoms = torch.tanh(self.second(atoms))
        sums = atoms.new_zeros(batch.num_crystals, 6).index_add(0, batch.crystal_index, atoms)
        return Embedding(atoms=atoms, crystals=sums / batch.atoms_per_crystal.unsqueeze(1))


def crystals(count: int, seed: int) -> list[Crystal]:
    """Return crystals of which some have no gap."""
    generator = torch.Generator().manual_seed(seed)
    rows = []
    for k in range(count):
        values = torch.rand(4, generator=generator, dtype=torch.float64)
        labels = {"energy": float(values[1] + values[2])}
        if k % 3:
            labels["gap"] = float(values[3] - 3 * values[1])
        rows.append(
            Crystal(
                id=f"{seed}-{k}",
                atomic_numbers=[int(10 + 40 * values[0])],
                positions=values[1:].reshape(1, 3).numpy(),
                cell=3.0 * torch.eye(3).numpy(),
                labels=labels,
            )
        )
    return rows


def joint_steps() -> list[dict[str, list[Crystal]]]:
    """Return the crystals of each step; a whole dataset is absent from one of them."""
    steps = [{"large": crystals(9, seed), "small": crystals(5, 50 + seed)} for seed in range(5)]
    del steps[2]["small"]
    return steps


def batches(rank: int, ranks: int) -> list[dict[str, CrystalBatch]]:
    """Return the part of a rank: a third of each batch, or the rest of it."""
    steps = []
    for step in joint_steps():
        part = {}
        for name, rows in step.items():
            cut = len(rows) // 3
            mine = rows if ranks == 1 else (rows[:cut], rows[cut:])[rank]
            part[name] = without_empty_labels(CrystalBatch.from_crystals(mine, INFOS))
        steps.append(part)
    return steps


def without_empty_labels(batch: CrystalBatch) -> CrystalBatch:
    """Drop labels that no crystal of the batch has, as the data path does."""
    kept = {name: one for name, one in batch.targets.items() if not one.isnan().all()}
    return replace(batch, targets=kept)


class Steps:
    """Steps that are served as they are."""

    def __init__(self, steps: list[dict[str, CrystalBatch]]) -> None:
        """Keep them."""
        self.steps = steps

    def __len__(self) -> int:
        """Return their number."""
        return len(self.steps)

    def __iter__(self) -> Iterator[dict[str, CrystalBatch]]:
        """Serve them."""
        return iter(self.steps)


def build(name: str, *, accumulate: int = 1) -> TrainingModule:
    """Build a model with the strategy of one of the runs, always from the same weights."""
    torch.manual_seed(3)
    encoder = SmallEncoder()
    fitted_on = [CrystalBatch.from_crystals(crystals(30, 99), INFOS)]
    tasks = []
    for dataset in DATASETS:
        groups = [INFOS] if dataset == "large" and name == "multi-data" else [[i] for i in INFOS]
        for infos in groups:
            head = ExampleHead(infos, 6, 6)
            head.fit(fitted_on)
            tasks.append(Task(dataset=dataset, head_name="example", head=head))
    strategy, options = RUNS[name]
    spec = build_registry().get("strategy", strategy)
    config = spec.load_config()
    built = spec.load()(None if config is None else config.from_options(options, where="strategy"))
    built.validate(tasks)
    settings = TrainingConfig(
        schedule="constant",
        learning_rate=1e-2,
        gradient_clip=0.5,
        accumulate_batches=accumulate,
    )
    return TrainingModule(encoder, tasks, built, settings, Plan.of(settings, 100)).double()


def main(folder: Path) -> None:
    """Train every run and save the weights of this rank."""
    for name in RUNS:
        for accumulate in (1, 2):
            trainer = pl.Trainer(
                accelerator="cpu",
                strategy="ddp" if RANKS > 1 else "auto",
                devices=RANKS,
                max_epochs=2,
                logger=False,
                enable_checkpointing=False,
                enable_progress_bar=False,
                enable_model_summary=False,
                num_sanity_val_steps=0,
            )
            module = build(name, accumulate=accumulate)
            trainer.fit(module, Steps(batches(trainer.global_rank, trainer.world_size)))
            torch.save(
                module.state_dict(), folder / f"{name}-{accumulate}-{trainer.global_rank}.pt"
            )
    if dist.is_initialized():
        dist.destroy_process_group()


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main(Path(sys.argv[1]))
