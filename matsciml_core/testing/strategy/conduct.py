"""Checks of a strategy: what it accepts and refuses, and what it leaves behind."""

from __future__ import annotations

import copy
import gc
import pickle
import weakref
from collections.abc import Sequence
from math import inf
from typing import get_args

import torch
from torch import Tensor

from matsciml_core.errors import ConfigError
from matsciml_core.interfaces.strategy import BatchMode, Strategy, Task
from matsciml_core.testing.checks import Broken, Measured, NotApplicable, Worst, check
from matsciml_core.testing.strategy.subject import (
    Network,
    StrategySubject,
    apply,
    largest_difference,
    make_tasks,
    step,
)
from matsciml_core.testing.tolerances import EXACT


@check("strategy")
def construction(subject: StrategySubject) -> str:
    """The strategy is built from its settings alone, and accepts as many tasks as it declares.

    Measured: ``validate`` accepts one task, and two and three where the spec allows them, on one
    dataset and on several where the spec allows them; ``batch_mode`` is one of those that exist,
    and where it is ``drawn``, each dataset has a positive share.

    Why: ``run`` decides by the spec what may be combined, before any data is read.
    """
    numbers = subject.possible((1, 2, 3))
    for number in numbers:
        subject.build(make_tasks(number, datasets=1))
        strategy = subject.build(subject.tasks(number))
    if strategy.batch_mode not in get_args(BatchMode):
        modes = ", ".join(get_args(BatchMode))
        raise Broken(f"batch_mode is '{strategy.batch_mode}'; use one of {modes}.")
    if strategy.batch_mode == "drawn":
        _need_shares(strategy)
    return f"{numbers[-1]} tasks"


@check("strategy")
def limits(subject: StrategySubject) -> str:
    """More tasks or datasets than declared are refused with a ConfigError.

    Measured: ``validate`` with one task more, and one dataset more, than the spec allows; the
    error must be a ConfigError with a sentence.

    Why: a strategy that silently trains the first of two tasks wastes a night.
    """
    tasks, datasets = subject.declared.max_tasks, subject.declared.max_datasets
    if tasks is None and datasets is None:
        raise NotApplicable("The spec declares no limit.")
    if tasks is not None:
        _need_refusal(subject, make_tasks(tasks + 1, datasets=1), "tasks")
    if datasets is not None:
        _need_refusal(subject, make_tasks(datasets + 1, datasets=datasets + 1), "datasets")
    return f"tasks {tasks or 'any'}, datasets {datasets or 'any'}"


@check("strategy")
def loss_to_log(subject: StrategySubject) -> str:
    """The combined loss is one finite number with a graph, and the losses stay as they are.

    Measured: ``combine`` for as many tasks as the strategy trains, up to two.

    Why: training differentiates it, or logs it; every task's own loss is logged beside it.
    """
    tasks = subject.tasks(subject.possible((1, 2))[-1])
    strategy, network = subject.build(tasks), Network(tasks)
    losses = network.losses()
    before = {key: loss.detach().clone() for key, loss in losses.items()}
    total = strategy.combine(losses)
    if not isinstance(total, Tensor) or total.ndim or not total.isfinite():
        raise Broken(f"combine returned {total!r}; return one finite number.")
    if not total.requires_grad:
        raise Broken("combine returned a number without a graph.")
    if losses.keys() != before.keys() or any(
        not torch.equal(losses[key], value) for key, value in before.items()
    ):
        raise Broken("combine changed the losses it was given.")
    return f"{float(total.detach()):.3g}"


@check("strategy")
def no_stale_graph(subject: StrategySubject) -> None:
    """Nothing of a step's graph stays alive after the step, and a second step works.

    Measured: after a step the losses are released; they must be gone from memory, no gradient
    may carry a graph, and another step with the same strategy must work.

    Why: a strategy that keeps the losses keeps every activation of every step.
    """
    tasks = subject.tasks(subject.possible((1, 2))[-1])
    strategy, network = subject.build(tasks), Network(tasks)
    losses = network.losses()
    traces = [weakref.ref(loss) for loss in losses.values()]
    apply(strategy, losses, network)
    del losses
    if _alive(traces):
        gc.collect()  # slow; a cycle is no leak
    if _alive(traces):
        raise Broken("The losses of a step are still alive after it.")
    if any(one.grad is not None and one.grad.requires_grad for one in network.parameters()):
        raise Broken("A gradient carries a graph.")
    apply(strategy, network.losses(), network)


@check("strategy", tolerance=EXACT)
def save_and_load(subject: StrategySubject) -> Measured:
    """The strategy can be copied and pickled, and its state survives saving.

    Measured: after a step, the largest difference between the gradients of the strategy, of a
    pickled copy, and of a new one into which its state was loaded.

    Why: checkpoints hold the strategy's state; a resumed run goes on as if uninterrupted.
    """
    tasks = subject.tasks(subject.possible((1, 2))[-1])
    strategy, network = subject.build(tasks), Network(tasks)
    apply(strategy, network.losses(), network)
    pickled = pickle.loads(pickle.dumps(copy.deepcopy(strategy)))
    restored = subject.build(tasks)
    restored.load_state_dict(strategy.state_dict())
    expected = step(strategy, tasks).gradients()
    worst = Worst()
    for twin, where in ((pickled, "pickled"), (restored, "saved and loaded")):
        worst.add(largest_difference(step(twin, tasks).gradients(), expected), where)
    return worst.found


def _alive(traces: Sequence[weakref.ref[Tensor]]) -> bool:
    return any(trace() is not None for trace in traces)


def _need_shares(strategy: Strategy) -> None:
    sizes = {"data0": 3, "data1": 40}
    shares = strategy.shares(sizes)
    if shares.keys() != sizes.keys() or not all(0 < share < inf for share in shares.values()):
        raise Broken(f"The shares of datasets are {dict(shares)}; give a positive number for each.")


def _need_refusal(subject: StrategySubject, tasks: Sequence[Task], what: str) -> None:
    try:
        subject.component(subject.config).validate(tasks)
    except ConfigError as error:
        if str(error).strip():
            return
        raise Broken(f"Too many {what} are refused without a sentence.") from error
    raise Broken(f"Too many {what} ({len(tasks)}) are accepted.", measured=f"{len(tasks)} {what}")
