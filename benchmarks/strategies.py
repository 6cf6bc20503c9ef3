"""Measure what resolving conflicts between tasks costs, beside the plain sum of their losses.

    python benchmarks/strategies.py

One step of ``pcgrad`` has one forward pass and a backward pass for each of T tasks, one of
``additive`` a forward and a backward pass. A backward pass costs about two forward passes, so that
the ratio cannot be below (1 + 2T)/3; what is above it is the project's own doing. Steps are those
of ``matsciml run``, logging and optimiser included, on one batch of crystals that is used again
and again; the two strategies take turns. Memory is what tensors take at the worst moment of a
step, parameters and optimiser included. ``--check`` fails where a limit is exceeded.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from _measure import machine, markdown_list, markdown_table, on_one_core

if TYPE_CHECKING:
    from matsciml_core.data.loader import BatchSource
    from matsciml_core.interfaces.batch import CrystalBatch
    from matsciml_core.training.module import TrainingModule

RESULTS = Path(__file__).parent / "results" / "strategies.md"
MOST_TIME = 1.15
"""Largest allowed ratio of the measured cost to the floor."""
MOST_MEMORY = 1.5
"""Largest allowed ratio of peak memory."""
STRATEGIES = ("additive", "pcgrad")
TARGETS = ("formation_energy_per_atom", "energy_above_hull", "is_stable", "space_group")
"""Labels that nearly every crystal has."""


@dataclass
class Case:
    """One encoder with a number of tasks."""

    encoder: str
    tasks: int
    seconds: dict[str, list[float]] = field(default_factory=dict)
    """Median time of a step in each repeat, by strategy, s."""
    memory: dict[str, float] = field(default_factory=dict)
    """Peak, by strategy, MiB."""

    @property
    def floor(self) -> float:
        """The smallest possible ratio of time."""
        return (1 + 2 * self.tasks) / 3

    @property
    def time_ratio(self) -> float:
        """Median over the repeats of the ratio within a repeat, which shares its disturbances."""
        pairs = zip(*(self.seconds[name] for name in STRATEGIES), strict=True)
        return statistics.median(gradients / plain for plain, gradients in pairs)

    @property
    def memory_ratio(self) -> float:
        """Peak memory of the second strategy as a multiple of the first one's."""
        plain, gradients = (self.memory[name] for name in STRATEGIES)
        return gradients / plain


def main() -> None:
    """Measure, print and write the table."""
    arguments = _arguments()
    if arguments.device == "cpu":
        on_one_core()
    cases = [
        _measure(Case(encoder, tasks), arguments)
        for encoder in arguments.encoder
        for tasks in arguments.tasks
    ]
    page = _page(cases, arguments)
    print(page)
    if arguments.write:
        RESULTS.write_text(page, encoding="utf-8")
    worst = max(case.time_ratio / case.floor for case in cases)
    most = max(case.memory_ratio for case in cases)
    if arguments.check and (worst > MOST_TIME or most > MOST_MEMORY):
        sys.exit(f"A limit is exceeded: time {worst:.2f} x the floor, memory {most:.2f} x.")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--encoder", nargs="+", default=["megnet", "egnn"])
    parser.add_argument("--tasks", nargs="+", type=int, default=[2, 4], choices=(2, 3, 4))
    parser.add_argument("--batch-size", type=int, default=32, help="crystals in the batch")
    parser.add_argument("--steps", type=int, default=20, help="timed steps in a repeat")
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    parser.add_argument("--set", nargs="*", default=[], help="settings of the encoders, key=value")
    parser.add_argument("--check", action="store_true", help="fail where a limit is exceeded")
    parser.add_argument("--write", action="store_true", help=f"write {RESULTS.name}")
    return parser.parse_args()


def _measure(case: Case, arguments: argparse.Namespace) -> Case:
    """Let the strategies take turns, then look at one step's memory."""
    for _ in range(arguments.repeats):
        for name in STRATEGIES:
            seconds = _time_steps(*_prepared(case, name, arguments), arguments)
            case.seconds.setdefault(name, []).append(seconds)
    for name in STRATEGIES:
        case.memory[name] = _peak(*_prepared(case, name, arguments), arguments)
    return case


def _prepared(
    case: Case, strategy: str, arguments: argparse.Namespace
) -> tuple[TrainingModule, dict[str, CrystalBatch]]:
    """Build a model as ``matsciml run`` does, and one batch of its training set."""
    import torch

    from matsciml_core.registry.manager import build_registry
    from matsciml_core.training import assemble
    from matsciml_core.training.config_data import parse_overrides
    from matsciml_core.training.module import TrainingModule
    from matsciml_core.training.plan import Plan

    registry = build_registry()
    targets = list(TARGETS[: case.tasks])
    options = {"name": case.encoder, **parse_overrides(arguments.set)}
    raw = {"dataset": "mp", "encoder": options, "strategy": strategy, "targets": targets}
    config = assemble.resolve(raw, registry)
    (prepared,) = assemble.prepare_datasets(config, registry)
    torch.manual_seed(0)
    encoder = assemble.build_component(
        registry.get("encoder", case.encoder), config.encoder.options, "encoder"
    )
    tasks = assemble.build_tasks(config, registry, [prepared], encoder)
    built = assemble.build_strategy(config, registry, tasks)
    source = assemble.build_source(prepared, "train", encoder, dtype=torch.float32, cached=False)
    batch = source[_fully_labelled(source, arguments.batch_size)]
    plan = Plan.of(config.training, steps_per_epoch=50)
    return TrainingModule(encoder, tasks, built, config.training, plan), {"mp": batch}


def _fully_labelled(source: BatchSource, count: int) -> list[int]:
    """Return places of crystals that have every label: a task without one would cost nothing."""
    import torch

    from matsciml_core.interfaces.head import label_mask

    batch = source.plain(range(len(source)))
    masks = [label_mask(batch.targets[name], batch.target_info[name]) for name in source.labels]
    known = torch.stack(masks).all(dim=0)
    places = known.nonzero()[:, 0].tolist()
    if len(places) < count:
        sys.exit(f"Only {len(places)} crystals have all labels; use a smaller --batch-size.")
    return places[:count]


def _time_steps(
    module: TrainingModule, batch: dict[str, CrystalBatch], arguments: argparse.Namespace
) -> float:
    """Return the median time of a step, s; the first steps warm up."""
    times: list[float] = []
    _fit(module, _Clock(batch, arguments.steps + 4, times), arguments)
    steps = [after - before for before, after in pairwise(times[3:])]
    return statistics.median(steps)


class _Clock:
    """Serves one batch again and again, and notes when it is asked for the next one."""

    def __init__(self, batch: dict[str, CrystalBatch], count: int, times: list[float]) -> None:
        """Keep the batch."""
        self.batch, self.count, self.times = batch, count, times

    def __len__(self) -> int:
        """Return the number of steps."""
        return self.count

    def __iter__(self) -> Iterator[dict[str, CrystalBatch]]:
        """Serve the steps."""
        import torch

        for _ in range(self.count):
            if torch.cuda.is_available():
                torch.cuda.synchronize()
            self.times.append(time.perf_counter())
            yield self.batch


def _peak(
    module: TrainingModule, batch: dict[str, CrystalBatch], arguments: argparse.Namespace
) -> float:
    """Return the memory of tensors at the worst moment of the third step, MiB."""
    import torch

    if arguments.device == "cuda":
        _fit(module, _Clock(batch, 2, []), arguments)
        torch.cuda.reset_peak_memory_stats()
        _fit(module, _Clock(batch, 1, []), arguments)
        return torch.cuda.max_memory_allocated() / 2**20
    _fit(module, _Clock(batch, 2, []), arguments)
    parameters = sum(one.numel() * one.element_size() for one in module.parameters())
    with torch.profiler.profile(profile_memory=True) as profile:
        _fit(module, _Clock(batch, 1, []), arguments)
    # The optimiser's two moments are made anew by each fit and so are in the profile already.
    return (parameters + _largest_sum(profile)) / 2**20


def _largest_sum(profile: Any) -> float:
    """Return the most bytes that were allocated at one time during a profile."""
    events = [one for one in profile.profiler.kineto_results.events() if one.name() == "[memory]"]
    held = most = 0
    for event in sorted(events, key=lambda one: one.start_ns()):
        held += event.nbytes()
        most = max(most, held)
    return most


def _fit(module: TrainingModule, steps: _Clock, arguments: argparse.Namespace) -> None:
    import logging
    import warnings

    import pytorch_lightning as pl

    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pl.Trainer(
            accelerator=arguments.device,
            devices=1,
            max_epochs=1,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        ).fit(module, steps)


def _page(cases: Sequence[Case], arguments: argparse.Namespace) -> str:
    import torch

    lines = [
        "# What gradient surgery costs",
        "",
        "Made by `python benchmarks/strategies.py`. One step of `pcgrad` as a multiple of one of",
        "`additive`, and the floor (1 + 2T)/3 that follows from T backward passes instead of one.",
        f"{arguments.batch_size} crystals of `mp` in a batch; medians of {arguments.repeats} "
        f"repeats of {arguments.steps} steps.",
        "",
    ]
    header = ("encoder", "tasks", "additive, ms", "pcgrad, ms", "ratio", "floor", "ratio / floor")
    memory = ("memory, additive, MiB", "memory, pcgrad, MiB", "ratio")
    table = markdown_table((*header, *memory), [_row(case) for case in cases])
    device = torch.cuda.get_device_name() if arguments.device == "cuda" else "one CPU core"
    described = markdown_list({"device": device, **machine(("torch", "pytorch-lightning"))})
    return "\n".join([*lines, table, "", described, ""])


def _row(case: Case) -> list[str]:
    plain, gradients = (1e3 * statistics.median(case.seconds[name]) for name in STRATEGIES)
    return [
        case.encoder,
        str(case.tasks),
        f"{plain:.1f}",
        f"{gradients:.1f}",
        f"{case.time_ratio:.2f}",
        f"{case.floor:.2f}",
        f"{case.time_ratio / case.floor:.2f}",
        *(f"{case.memory[name]:.1f}" for name in STRATEGIES),
        f"{case.memory_ratio:.2f}",
    ]


if __name__ == "__main__":
    main()
