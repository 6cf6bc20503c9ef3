"""Checks of a task head: what it trains on, and that missing labels leave no trace."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from dataclasses import fields, replace

import torch
from torch import Tensor

from matsciml_core.errors import DataError, UnitError
from matsciml_core.interfaces.batch import CrystalBatch
from matsciml_core.interfaces.feature_head import FeatureHead
from matsciml_core.interfaces.head import Values
from matsciml_core.registry.targets import TargetInfo
from matsciml_core.testing.checks import Broken, Doubtful, Measured, NotApplicable, Worst, check
from matsciml_core.testing.head.subject import Bench, TaskHeadSubject
from matsciml_core.testing.tolerances import SAME_LOSS, ZERO_LOSS

_SCALES_WITH_CELL = ("energy", "forces", "stress")


@check("task-head")
def construction(subject: TaskHeadSubject) -> str:
    """The head is built for every kind of label it declares, and predicts each target.

    Measured: a head is built for each declared kind, fitted on made-up labels, and run; it must
    return one finite tensor per target with one row per crystal, or per atom.

    Why: which head trains a label is decided by the declared kinds.
    """
    for bench in subject.benches():
        prediction = bench.predict()
        expected = {info.name for info in bench.head.targets}
        if set(prediction) != expected:
            raise Broken(f"forward returned {sorted(prediction)}, not {sorted(expected)}.")
        for info in bench.head.targets:
            rows = len(bench.batch.targets[info.name])
            if len(prediction[info.name]) != rows or not prediction[info.name].isfinite().all():
                raise Broken(
                    f"The prediction of {info.name} has the shape "
                    f"{tuple(prediction[info.name].shape)} or is not finite; it needs {rows} rows."
                )
    return ", ".join(subject.declared.target_kinds)


@check("task-head")
def units(subject: TaskHeadSubject) -> str:
    """A label in a unit that the head cannot train on is refused with a UnitError.

    Measured: for each kind with declared units, a head is built for a label in another unit. A
    head for energies, forces or stress that takes any unit is reported as a warning.

    Why: forces are derivatives of energies only if both use eV and Å.
    """
    allowed = subject.component.units
    open_kinds = [kind for kind in subject.declared.target_kinds if not allowed.get(kind)]
    for group in subject.groups:
        for number, info in enumerate(group):
            if info.kind not in open_kinds and not info.is_class:
                _need_refusal(subject, group, number, allowed[info.kind])
    doubtful = [kind for kind in open_kinds if kind in _SCALES_WITH_CELL]
    if doubtful:
        raise Doubtful(f"The head takes {', '.join(doubtful)} in any unit; declare 'units'.")
    if set(open_kinds) == set(subject.declared.target_kinds):
        raise NotApplicable("The head takes any unit.")
    return ", ".join(sorted({unit for kind_units in allowed.values() for unit in kind_units}))


@check("task-head", tolerance=ZERO_LOSS)
def perfect_prediction(subject: TaskHeadSubject) -> Measured:
    """The loss of a perfect prediction is zero, and that of any other is larger.

    Measured: the loss with the normalised labels themselves as prediction, for targets whose
    prediction has the shape of the label; and, for all, that the loss of the untrained head is
    finite and positive.

    Why: this ties together the loss, the mask and the normalised space.
    """
    worst = Worst()
    for bench in subject.benches():
        prediction = bench.predict()
        untrained = float(bench.loss(prediction).detach())
        if not 0 < untrained < float("inf"):
            raise Broken(
                f"The loss of an untrained head is {untrained:g}.", measured=str(untrained)
            )
        if all(bench.is_plain(info, prediction) for info in bench.head.targets):
            target = bench.head.transform(bench.batch)
            filled = {name: torch.nan_to_num(values) for name, values in target.items()}
            worst.add(abs(float(bench.loss(filled, target).detach())), f"for {bench.names}")
    return worst.found


@check("task-head", tolerance=SAME_LOSS)
def masked_values(subject: TaskHeadSubject) -> Measured:
    """What stands at a missing label influences neither the loss nor its gradient.

    Measured: missing labels are replaced by NaN, 0, 10³⁰ and −10³⁰ (for classes by −1 and by
    valid classes) with the mask unchanged; the largest relative change of loss and gradient.

    Why: multiplying by a mask leaves NaN where NaN was; and a missing label that is filled with
    zero is trained on as if it had been measured.
    """
    worst = Worst()
    for bench in subject.benches():
        results = [_loss_and_gradient(bench, target) for target in _absurd_targets(bench)]
        for result in results:
            worst.add(_relative(result, results[0]), f"for {bench.names}")
        if not results[0].isfinite().all():
            raise Broken(f"Loss or gradient of {bench.names} is not finite.", measured="NaN")
    return worst.found


@check("task-head", tolerance=SAME_LOSS)
def mean_over_labelled(subject: TaskHeadSubject) -> Measured:
    """The loss is a mean over the labelled entries, not over the batch.

    Measured: the relative difference between the loss of a batch in which a quarter of the
    labels are missing and the loss of its labelled entries alone.

    Why: dividing by the size of the batch gives rare labels less weight, and makes the learning
    rate depend on which crystals happen to meet.
    """
    worst = Worst()
    for bench in subject.benches():
        prediction, target = bench.predict(), bench.head.transform(bench.batch)
        mask = bench.head.mask(bench.batch)
        # Of a label with several values, rows in which all of them are there.
        rows = {
            name: values.flatten(1).all(dim=1) if values.ndim > 1 else values
            for name, values in mask.items()
        }
        only = [{n: values[n][rows[n]] for n in rows} for values in (prediction, target, mask)]
        alone, within = bench.head.loss(*only), bench.head.loss(prediction, target, mask)
        worst.add(_relative(within.detach(), alone.detach()), f"for {bench.names}")
    return worst.found


@check("task-head", tolerance=SAME_LOSS)
def weighted_rows(subject: TaskHeadSubject) -> Measured:
    """A row of weight 2 counts like the same row twice.

    Measured: the relative difference between loss and gradient of a batch whose first row has
    twice the weight of the others, over the mean weight, and those of the batch with that row
    repeated; and that the loss grows in proportion to the weights.

    Why: weights that are lost in some branch of a loss train on other data than were asked for.
    """
    worst = Worst()
    if "weights" not in inspect.signature(subject.component.loss).parameters:
        raise NotApplicable("The loss takes no weights; runs with weights reject the head.")
    for bench in subject.benches():
        target, mask = bench.head.transform(bench.batch), bench.head.mask(bench.batch)
        weights, twice = {}, {}
        for name, labelled in mask.items():
            rows = torch.arange(len(labelled))
            weights[name] = 1.0 + (rows == 0).double()
            counts = labelled.reshape(len(labelled), -1).sum(1)
            weights[name] /= (weights[name] * counts).sum() / counts.sum()
            twice[name] = torch.cat((rows[:1], rows))
        results = []
        for weighted in (True, False):
            leaves = bench.leaves()
            if weighted:
                loss = bench.head.loss(leaves, target, mask, weights)
            else:
                repeated = (
                    {name: values[name][twice[name]] for name in twice}
                    for values in (leaves, target, mask)
                )
                loss = bench.head.loss(*repeated)
            torch.autograd.backward(loss)
            grads = [one.grad.flatten() for one in leaves.values() if one.grad is not None]
            results.append(torch.cat([loss.detach().flatten(), *grads]))
        worst.add(_relative(*results), f"for {bench.names}")
        tripled = {name: 3.0 * one for name, one in weights.items()}
        tripled_loss = bench.head.loss(bench.leaves(), target, mask, tripled).detach()
        worst.add(_relative(tripled_loss / 3.0, results[0][:1]), f"for {bench.names}")
    return worst.found


@check("task-head")
def no_labels(subject: TaskHeadSubject) -> None:
    """A batch without any label gives a loss of zero that can be differentiated.

    Measured: all labels of a batch are removed; the loss must be zero and have a graph, and the
    gradients of the head finite.

    Why: with rare labels such batches occur; a mean over nothing is NaN and ends the run.
    """
    for bench in subject.benches():
        bench.batch.targets = _emptied(bench)
        loss = bench.loss(bench.predict())
        if float(loss.detach()) != 0.0 or not loss.requires_grad:
            raise Broken(
                f"The loss of {bench.names} is {float(loss):g}"
                f"{'' if loss.requires_grad else ' and has no graph'}.",
                measured=f"{float(loss):g}",
            )
        torch.autograd.backward(loss)
        _need_finite_gradients(bench)


@check("task-head")
def gradients(subject: TaskHeadSubject) -> str:
    """The gradient of the loss reaches every parameter of the head, and the embedding.

    Measured: after a backward pass, parameters without a gradient, and whether the encoder that
    made the embedding got one.

    Why: a detached prediction trains nothing, and the loss falls all the same for a while.
    """
    total = 0
    if issubclass(subject.component, FeatureHead):
        raise NotApplicable("The head is fitted at once, without gradients.")
    for bench in subject.benches():
        torch.autograd.backward(bench.loss(bench.predict()))
        _need_finite_gradients(bench)
        parameters = list(bench.head.named_parameters())
        idle = [name for name, one in parameters if one.requires_grad and one.grad is None]
        if idle:
            raise Broken(f"No gradient reaches {', '.join(idle)} ({bench.names}).")
        if all(one.grad is None or not one.grad.any() for one in bench.embed.parameters()):
            raise Broken(f"No gradient reaches the encoder ({bench.names}).")
        total += sum(one.numel() for _, one in parameters)
    return f"{total} parameters"


@check("task-head")
def unlabelled_training(subject: TaskHeadSubject) -> None:
    """Fitting on a training split without labels is refused with a DataError.

    Measured: ``fit`` with a batch in which every label is missing.

    Why: a mean over nothing is NaN, and everything predicted afterwards would be too.
    """
    for bench in subject.benches():
        fresh = subject.build(bench.head.targets)
        empty = replace(bench.batch.without_edges(), targets=_emptied(bench))
        try:
            fresh.fit(iter([empty]))
        except DataError:
            continue
        raise Broken(f"fit accepts a training split without any label ({bench.names}).")


@check("task-head")
def batch_untouched(subject: TaskHeadSubject) -> None:
    """The head does not write to the batch or to the embedding.

    Measured: after prediction, loss and backward pass no tensor of either was written to.

    Why: several heads share one embedding and one batch.
    """
    for bench in subject.benches():
        embedding = bench.embedding()
        tensors = dict(_tensors(bench.batch)) | {
            "embedding.atoms": embedding.atoms,
            "embedding.crystals": embedding.crystals,
        }
        versions = {name: tensor._version for name, tensor in tensors.items()}
        prediction = bench.head(embedding, bench.batch)
        torch.autograd.backward(bench.loss(prediction))
        bench.head.inverse_transform(prediction, bench.batch)
        written = [name for name, tensor in tensors.items() if tensor._version != versions[name]]
        if written:
            raise Broken(f"The head wrote to {', '.join(written)} ({bench.names}).")


def _need_refusal(
    subject: TaskHeadSubject, group: tuple[TargetInfo, ...], number: int, allowed: tuple[str, ...]
) -> None:
    # One of two: whatever the head allows, the other one is wrong.
    other = next(unit for unit in ("K", "GPa") if unit not in allowed)
    wrong = (*group[:number], replace(group[number], unit=other), *group[number + 1 :])
    try:
        subject.build(wrong)
    except UnitError:
        return
    raise Broken(f"A label of kind {group[number].kind} in {other} is accepted.")


def _absurd_targets(bench: Bench) -> Iterator[dict[str, Tensor]]:
    """Yield the labels with different nonsense where they are missing."""
    target, mask = bench.head.transform(bench.batch), bench.head.mask(bench.batch)
    for number, value in enumerate((float("nan"), 0.0, 1e30, -1e30)):
        yield {
            info.name: torch.where(
                mask[info.name],
                target[info.name],
                target[info.name].new_tensor((-1, 0, 1, 1)[number] if info.is_class else value),
            )
            for info in bench.head.targets
        }


def _loss_and_gradient(bench: Bench, target: Values) -> Tensor:
    """Return the loss, and its gradient with respect to the prediction, in one vector."""
    prediction = bench.leaves()
    loss = bench.loss(prediction, target)
    torch.autograd.backward(loss)
    parts = [one.grad.flatten() for one in prediction.values() if one.grad is not None]
    return torch.cat([loss.detach().flatten(), *parts])


def _relative(found: Tensor, expected: Tensor) -> float:
    scale = expected.abs().max().clamp_min(1e-30)
    return float((found - expected).abs().max() / scale)


def _emptied(bench: Bench) -> dict[str, Tensor]:
    return {
        info.name: torch.full_like(
            bench.batch.targets[info.name], -1 if info.is_class else torch.nan
        )
        for info in bench.head.targets
    }


def _need_finite_gradients(bench: Bench) -> None:
    for name, parameter in bench.head.named_parameters():
        if parameter.grad is not None and not parameter.grad.isfinite().all():
            raise Broken(f"The gradient of '{name}' is not finite ({bench.names}).", measured="NaN")


def _tensors(batch: CrystalBatch) -> Iterator[tuple[str, Tensor]]:
    for item in fields(batch):
        value = getattr(batch, item.name)
        if isinstance(value, Tensor):
            yield f"batch.{item.name}", value
    for name, value in batch.targets.items():
        yield f"batch.targets['{name}']", value
