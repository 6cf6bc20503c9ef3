"""Checks of a task head: what it reports is in physical units, and survives saving."""

from __future__ import annotations

import copy
import pickle
from dataclasses import replace

import safetensors.torch
import torch
from torch import Tensor

from matsciml_core.interfaces.batch import CrystalBatch
from matsciml_core.interfaces.head import TaskHead
from matsciml_core.registry.targets import TargetInfo
from matsciml_core.testing.checks import SEED, Broken, Measured, Worst, check
from matsciml_core.testing.head.subject import (
    Bench,
    TaskHeadSubject,
    connected,
    has_values,
)
from matsciml_core.testing.tolerances import EXACT, PRECISION, ROUND_TRIP, SAME_LOSS

_SHIFT = 0.5
"""Error, in the label's unit, that a mean absolute error must report."""


@check("task-head", tolerance=ROUND_TRIP)
def normalisation(subject: TaskHeadSubject) -> Measured:
    """Going to the normalised space and back gives the labels again, and missing stays missing.

    Measured: the largest relative error of ``inverse_transform(transform(batch))`` where labels
    exist, for targets whose prediction has the shape of the label.

    Why: metrics and reports are in physical units; a wrong way back falsifies every one of them.
    """
    worst = Worst()
    for bench in subject.benches():
        target, mask = bench.head.transform(bench.batch), bench.head.mask(bench.batch)
        plain = bench.predict()
        for info in bench.head.targets:
            lost = target[info.name].isnan() if not info.is_class else target[info.name] < 0
            if not torch.equal(lost, ~mask[info.name]):
                raise Broken(f"Missing labels of {info.name} do not stay missing.")
        if all(bench.is_plain(info, plain) for info in bench.head.targets):
            back = bench.head.inverse_transform(target, bench.batch)
            for name, labels in bench.batch.targets.items():
                error = (back[name] - labels)[mask[name]].abs().max()
                worst.add(float(error / labels[mask[name]].abs().max()), f"for {name}")
    return worst.found


@check("task-head")
def physical_values(subject: TaskHeadSubject) -> None:
    """Predictions in physical units have the shape of the labels; for classes, probabilities.

    Measured: ``inverse_transform`` of an untrained prediction: finite, one row per crystal or atom,
    and the label's shape but for structures; for classes all values are between 0 and 1.

    Why: metrics compare these values with the labels, element by element.
    """
    for bench in subject.benches():
        values = bench.physical()
        for info in bench.head.targets:
            value, labels = values[info.name], bench.batch.targets[info.name]
            if not value.isfinite().all() or len(value) != len(labels):
                raise Broken(f"The prediction of {info.name} has no finite value for every row.")
            if info.is_class and not bool(((value >= 0) & (value <= 1)).all()):
                raise Broken(f"The prediction of {info.name} is no probability.")
            if has_values(info) and value.shape != labels.shape:
                raise Broken(
                    f"The prediction of {info.name} has the shape {tuple(value.shape)}, its "
                    f"label {tuple(labels.shape)}."
                )


@check("task-head", tolerance=SAME_LOSS)
def batch_equals_singles(subject: TaskHeadSubject) -> Measured:
    """The prediction for a crystal does not depend on the other crystals of its batch.

    Measured: the largest relative difference between predictions for a batch and for each of
    its crystals alone, in physical units.

    Why: a squeezed axis goes wrong for the one batch of an epoch that holds a single crystal.
    """
    worst = Worst()
    for group in subject.groups:
        bench = subject.bench(group)
        together = bench.physical()
        singles = [_alone(bench, number) for number in range(bench.batch.num_crystals)]
        for name, value in together.items():
            joined = torch.cat([single[name] for single in singles])
            scale = value.abs().max().clamp_min(1e-30)
            worst.add(float((joined - value).abs().max() / scale), f"for {name}")
    return worst.found


@check("task-head")
def metrics(subject: TaskHeadSubject) -> str:
    """Metrics exist for every target, are new each time, and are in physical units.

    Measured: every metric is fed with labelled predictions in physical units and gives a finite
    number; a metric called ``mae`` fed with labels shifted by 0.5 gives 0.5.

    Why: a metric object that is shared between runs or stages mixes their results.
    """
    names: set[str] = set()
    for bench in subject.benches():
        first, second = bench.head.metrics(), bench.head.metrics()
        values, mask = bench.physical(), bench.head.mask(bench.batch)
        for info in bench.head.targets:
            if not first.get(info.name):
                raise Broken(f"There is no metric for {info.name}.")
            if any(one is second[info.name][key] for key, one in first[info.name].items()):
                raise Broken(f"The metrics of {info.name} are the same objects every time.")
            chosen, labels = mask[info.name], bench.batch.targets[info.name]
            for key, metric in first[info.name].items():
                metric.update(values[info.name][chosen], labels[chosen])
                if not torch.as_tensor(metric.compute()).isfinite().all():
                    raise Broken(f"The metric '{key}' of {info.name} is not finite.")
            _check_mae(info, second, labels[chosen])
            names |= first[info.name].keys()
    return ", ".join(sorted(names))


@check("task-head")
def baseline_predictions(subject: TaskHeadSubject) -> str:
    """Every target has at least one baseline, fitted on the training labels.

    Measured: every predictor gives finite values of the label's shape for each target that it
    predicts; one called ``mean``, for a number per crystal, gives the mean of the training labels.

    Why: an error means little beside none; every report sets it beside these.
    """
    names: set[str] = set()
    for bench in subject.benches():
        found = bench.head.baseline_predictions(bench.batch)
        names |= found.keys()
        for info in bench.head.targets:
            mine = {
                name: values[info.name] for name, values in found.items() if info.name in values
            }
            if not mine:
                raise Broken(f"There is no baseline of {info.name}.")
            for predictor, value in mine.items():
                _check_baseline(bench, predictor, info, value)
    return ", ".join(sorted(names))


@check("task-head", tolerance=EXACT)
def save_and_load(subject: TaskHeadSubject) -> Measured:
    """Parameters and fitted constants survive a safetensors file.

    Measured: the state of a fitted head is written with safetensors and loaded into a new head
    that was never fitted; the predictions that differ, baselines included, are counted.

    Why: normalisation constants kept outside the state are lost with the checkpoint, and every
    prediction of the loaded model is then off by a factor.
    """
    differences = 0
    for bench in subject.benches():
        state = {name: one.contiguous().clone() for name, one in bench.head.state_dict().items()}
        fresh = subject.build(bench.head.targets, seed=SEED + 1).double().eval()
        fresh.load_state_dict(safetensors.torch.load(safetensors.torch.save(state)))
        differences += _count_differences(bench, fresh)
    return Measured(float(differences))


@check("task-head", tolerance=EXACT)
def copies(subject: TaskHeadSubject) -> Measured:
    """A fitted head can be copied and pickled, also after it has been used.

    Measured: after a backward pass the head is pickled and deep-copied; the predictions of the
    copies that differ are counted.

    Why: worker processes get pickled models; weight averaging and early stopping keep copies.
    """
    differences = 0
    for bench in subject.benches():
        torch.autograd.backward(bench.loss(bench.predict()))
        pickled = pickle.loads(pickle.dumps(bench.head))
        differences += _count_differences(bench, pickled)
        differences += _count_differences(bench, copy.deepcopy(bench.head))
    return Measured(float(differences))


@check("task-head", tolerance=PRECISION)
def precision(subject: TaskHeadSubject) -> Measured:
    """The head runs in float32, as it is trained, and agrees with float64.

    Measured: the largest relative difference between physical predictions in both precisions.

    Why: normalisation constants in float64 must not turn a float32 prediction into nonsense or
    an error.
    """
    worst = Worst()
    for bench in subject.benches():
        exact = bench.physical()
        single = Bench(
            head=copy.deepcopy(bench.head).float(),
            batch=_detached(bench.batch).to(dtype=torch.float32),
            embed=copy.deepcopy(bench.embed).float(),
        )
        loss = single.loss(single.predict())
        if not loss.isfinite():
            raise Broken(f"The loss of {bench.names} in float32 is {float(loss):g}.")
        for name, value in single.physical().items():
            scale = exact[name].abs().max().clamp_min(1e-30)
            worst.add(float((value.double() - exact[name]).abs().max() / scale), f"for {name}")
    return worst.found


def _alone(bench: Bench, number: int) -> dict[str, Tensor]:
    crystal = _detached(bench.batch).crystals()[number]
    batch = connected([crystal], tuple(bench.head.targets))
    return Bench(head=bench.head, batch=batch, embed=bench.embed).physical()


def _detached(batch: CrystalBatch) -> CrystalBatch:
    return replace(batch, positions=batch.positions.detach(), cell=batch.cell.detach())


def _check_mae(info: TargetInfo, found: dict, labels: Tensor) -> None:  # type: ignore[type-arg]
    metric = found[info.name].get("mae")
    if metric is not None and not info.is_class:
        metric.update(labels + _SHIFT, labels)
        reported = float(metric.compute())
        if abs(reported - _SHIFT) > 1e-5:
            raise Broken(
                f"'mae' of {info.name} reports {reported:g} for an error of {_SHIFT} {info.unit}.",
                measured=f"{reported:g}",
            )


def _check_baseline(bench: Bench, predictor: str, info: TargetInfo, value: Tensor) -> None:
    labels = bench.batch.targets[info.name]
    right_form = len(value) == len(labels) and (not has_values(info) or value.shape == labels.shape)
    if not (right_form and value.isfinite().all()):
        raise Broken(f"'{predictor}' of {info.name} has the wrong shape, or is not finite.")
    if predictor == "mean" and info.kind == "scalar":
        mean = float(labels.nanmean())
        if abs(float(value.double().mean()) - mean) > 1e-5 * abs(mean):
            raise Broken(
                f"'mean' of {info.name} is {float(value.mean()):g}, the labels' is {mean:g}.",
                measured=f"{float(value.mean()):g}",
            )


def _count_differences(bench: Bench, other: TaskHead) -> int:
    twin = Bench(head=other, batch=_detached(bench.batch), embed=bench.embed)
    pairs = [(bench.physical(), twin.physical())]
    mine = bench.head.baseline_predictions(bench.batch)
    theirs = other.baseline_predictions(twin.batch)
    pairs += [(values, theirs.get(name, {})) for name, values in mine.items()]
    return sum(
        name not in found or not torch.equal(found[name], value)
        for expected, found in pairs
        for name, value in expected.items()
    )
