"""Checks of a strategy: what it keeps of a step, and what survives saving."""

from __future__ import annotations

import copy
import gc
import pickle
import weakref
from collections.abc import Sequence

import torch
from torch import Tensor

from matsciml_core.testing.checks import Broken, Measured, Worst, check
from matsciml_core.testing.strategy.subject import (
    Network,
    StrategySubject,
    apply,
    largest_difference,
    step,
)
from matsciml_core.testing.tolerances import EXACT


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
        raise Broken("combine changed the losses that it received.")
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
        # Slow, and so only where it is needed: objects that refer to each other are no leak.
        gc.collect()
    if _alive(traces):
        raise Broken("The losses of a step are still alive after it.")
    gradients = (parameter.grad for parameter in network.parameters())
    if any(gradient is not None and gradient.requires_grad for gradient in gradients):
        raise Broken("A gradient carries a graph.")
    apply(strategy, network.losses(), network)


@check("strategy", tolerance=EXACT)
def save_and_load(subject: StrategySubject) -> Measured:
    """The strategy can be copied and pickled, and its state survives saving.

    Measured: after a step, the largest difference between the gradients of the strategy, of a
    pickled copy, and of a new one into which its state was loaded.

    Why: checkpoints hold the strategy's state; a resumed run continues as if uninterrupted.
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
