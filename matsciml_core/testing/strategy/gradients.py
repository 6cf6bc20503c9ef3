"""Checks of a strategy: the gradients it hands to each parameter."""

from __future__ import annotations

import copy

import torch
from torch import Tensor

from matsciml_core.testing.checks import SEED, Broken, Doubtful, Measured, Worst, check
from matsciml_core.testing.strategy.subject import (
    Network,
    StrategySubject,
    apply,
    cosine,
    largest_difference,
    plain,
    step,
)
from matsciml_core.testing.tolerances import SAME_GRADIENT

_SCALES = (1e-10, 1.0, 1e10)
_PARALLEL = 1 - 1e-9
"""Smallest cosine of vectors that count as parallel, in double precision."""


@check("strategy", tolerance=SAME_GRADIENT)
def single_task(subject: StrategySubject) -> Measured:
    """One task alone receives its plain gradient.

    Measured: the largest relative difference between the gradients of all parameters and the
    plain derivatives of the loss.

    Why: whatever a strategy does about conflicts, a single task has none.
    """
    tasks = subject.tasks(1)
    gradients = step(subject.build(tasks), tasks).gradients()
    return Measured(largest_difference(gradients, plain(tasks, 0).gradients()))


@check("strategy", tolerance=SAME_GRADIENT)
def heads_keep_their_gradient(subject: StrategySubject) -> Measured:
    """A head receives a gradient of its own task, and of no other.

    Measured: for two tasks, one minus the cosine between each head's gradient and the plain
    gradient of its own task; the larger of the two.

    Why: heads are not shared, so there is no conflict in them to resolve.
    """
    tasks = subject.tasks(2)
    gradients = step(subject.build(tasks), tasks).gradients()
    worst = Worst()
    for index in range(2):
        expected = plain(tasks, index).gradients()
        # The angle alone: a strategy may weight its tasks, and so scale the gradients of heads.
        angle = cosine(_head(gradients, index), _head(expected, index))
        worst.add(max(0.0, 1 - angle), f"head {index + 1}")
    return worst.found


@check("strategy")
def task_order(subject: StrategySubject) -> str:
    """The order in which tasks are listed does not matter.

    Measured: the largest relative difference of the gradients when tasks are listed, and losses
    handed over, in reversed order, for two and for three tasks. Three tasks may differ for a
    strategy that works on one gradient after the other: that is reported as a warning.

    Why: the order of ``--target`` on the command line is not a setting.
    """
    differences = []
    for count in subject.possible((2, 3)):
        tasks = subject.tasks(count)
        network = Network(tasks)
        losses = dict(reversed(network.losses().items()))
        strategy = subject.build(list(reversed(tasks)))
        # Both start from one state of the generator, so that only the order differs.
        torch.default_generator.manual_seed(SEED)
        apply(strategy, losses, network)
        expected = step(subject.build(tasks), tasks).gradients()
        differences.append(largest_difference(network.gradients(), expected))
    measured = f"{max(differences):.2g}"
    limit = SAME_GRADIENT.float64
    if differences[0] > limit or (
        differences[-1] > limit and not subject.component.needs_task_gradients
    ):
        raise Broken(f"Reversing the tasks changes gradients by {measured}.", measured=measured)
    if differences[-1] > limit:
        raise Doubtful("With three tasks the gradients depend on their order.", measured=measured)
    return measured


@check("strategy")
def scales(subject: StrategySubject) -> str:
    """Losses that are ten orders of magnitude apart give finite gradients.

    Measured: every gradient is finite, and the shared one not zero, with one loss multiplied by
    10⁻¹⁰ or 10¹⁰ and with all of them.

    Why: energies in eV and forces in eV/Å, or one diverging task, are no reason for NaN.
    """
    count = subject.possible((1, 2))[-1]
    tasks = subject.tasks(count)
    strategy = subject.build(tasks)
    for scale in _SCALES:
        for factors in ([scale] * count, [scale, *[1.0] * (count - 1)]):
            network = step(strategy, tasks, factors)
            _need_finite(network, f"for losses scaled by {factors}")
            if not network.shared_gradient().any():
                raise Broken(f"The shared gradient is zero for losses scaled by {factors}.")
    return "1e-10 to 1e10"


@check("strategy")
def zero_gradient(subject: StrategySubject) -> None:
    """A task whose gradient is zero does no harm.

    Measured: every gradient is finite when one loss, or all of them, are multiplied by zero.

    Why: dividing by the norm of a gradient fails for a task that is solved, or has no label.
    """
    count = subject.possible((1, 2))[-1]
    tasks = subject.tasks(count)
    strategy = subject.build(tasks)
    for factors in ([0.0] * count, [0.0, *[1.0] * (count - 1)]):
        _need_finite(step(strategy, tasks, factors), "where a task has no gradient")


@check("strategy")
def not_finite(subject: StrategySubject) -> None:
    """A loss that is not finite spoils one step at most.

    Measured: after a step in which one loss is NaN, the gradients of an ordinary step are finite.

    Why: the training loop leaves such a step out; a strategy that has taken the NaN into its own
    state gives NaN for ever.
    """
    count = subject.possible((1, 2))[-1]
    tasks = subject.tasks(count)
    strategy = subject.build(tasks)
    network = Network(tasks)
    losses = network.losses()
    spoilt = network.keys[0]
    apply(strategy, {**losses, spoilt: losses[spoilt] * float("nan")}, network)
    fresh = Network(tasks)
    apply(strategy, fresh.losses(), fresh)
    _need_finite(fresh, "after a step in which a loss was NaN")


@check("strategy", tolerance=SAME_GRADIENT)
def identical_tasks(subject: StrategySubject) -> Measured:
    """Two tasks that agree pull in their common direction.

    Measured: one minus the cosine between the shared gradient for the same loss handed over
    twice and the plain gradient of that loss.

    Why: tasks that do not conflict leave nothing to resolve.
    """
    tasks = subject.tasks(2)
    network = Network(tasks)
    loss = network.losses()[network.keys[0]]
    apply(subject.build(tasks), {network.keys[0]: loss, network.keys[1]: 1.0 * loss}, network)
    expected = plain(tasks, 0).shared_gradient()
    return Measured(max(0.0, 1 - cosine(network.shared_gradient(), expected)))


@check("strategy")
def opposed_tasks(subject: StrategySubject) -> str:
    """Two tasks that contradict each other give finite gradients.

    Measured: the shared gradient for a loss and its negative is finite and not longer than the
    two together.

    Why: this is the conflict that gradient surgery is for; dividing by a cancelled sum fails.
    """
    tasks = subject.tasks(2)
    network = Network(tasks)
    loss = network.losses()[network.keys[0]]
    apply(subject.build(tasks), {network.keys[0]: loss, network.keys[1]: -loss}, network)
    _need_finite(network, "for opposed tasks")
    length = float(plain(tasks, 0).shared_gradient().norm())
    share = float(network.shared_gradient().norm()) / length
    if share > 2 + 1e-9:
        raise Broken("The gradient of opposed tasks is longer than both together.")
    return f"{share:.2g} of one gradient"


@check("strategy", tolerance=SAME_GRADIENT)
def accumulation(subject: StrategySubject) -> Measured:
    """Gradients are added to those that a parameter has already.

    Measured: the largest relative difference between the gradients of a step and what the same
    step adds to gradients of one.

    Why: batches that are too large are trained in parts; overwriting keeps only the last part.
    """
    tasks = subject.tasks(subject.possible((1, 2))[-1])
    strategy = subject.build(tasks)
    network = Network(tasks)
    for parameter in network.parameters():
        parameter.grad = torch.ones_like(parameter)
    torch.default_generator.manual_seed(SEED)
    apply(copy.deepcopy(strategy), network.losses(), network)
    added = {name: gradient - 1 for name, gradient in network.gradients().items()}
    return Measured(largest_difference(added, step(strategy, tasks).gradients()))


@check("strategy")
def unused_and_frozen(subject: StrategySubject) -> None:
    """Parameters that nothing uses, and frozen ones, are left alone.

    Measured: with a layer that no loss depends on, and then with half of the shared layer
    frozen, a step works, and neither receives a gradient.

    Why: encoders have layers that some tasks do not use, and fine-tuning freezes parts of them.
    """
    tasks = subject.tasks(subject.possible((1, 2))[-1])
    strategy = subject.build(tasks)
    network = Network(tasks)
    network.shared.bias.requires_grad_(False)
    apply(strategy, network.losses(), network)
    touched = [
        name
        for name, gradient in network.gradients().items()
        if gradient.any() and (name.startswith("unused") or name == "shared.bias")
    ]
    if touched:
        raise Broken(f"A gradient was given to {', '.join(touched)}.")
    if not network.shared.weight.grad.any():  # type: ignore[union-attr]
        raise Broken("The rest of the shared layer got no gradient.")


@check("strategy")
def missing_task(subject: StrategySubject) -> None:
    """A step in which a task has no label works.

    Measured: for two tasks of which one loss is absent, all gradients are finite, the shared one
    is not zero, and the head of the absent task gets none.

    Why: labels are rare, and batches come from one dataset at a time.
    """
    tasks = subject.tasks(2)
    for present in (0, 1):
        network = Network(tasks)
        key = network.keys[present]
        apply(subject.build(tasks), {key: network.losses()[key]}, network)
        _need_finite(network, "with a task missing")
        if not network.shared_gradient().any():
            raise Broken("The shared gradient is zero although one task has labels.")
        if _head(network.gradients(), 1 - present).any():
            raise Broken("The head of the missing task got a gradient.")


def _head(gradients: dict[str, Tensor], index: int) -> Tensor:
    return torch.cat([gradients[f"heads.{index}.{name}"].flatten() for name in ("weight", "bias")])


def _need_finite(network: Network, when: str) -> None:
    for name, gradient in network.gradients().items():
        if not gradient.isfinite().all():
            raise Broken(f"The gradient of '{name}' is not finite {when}.", measured="NaN")
