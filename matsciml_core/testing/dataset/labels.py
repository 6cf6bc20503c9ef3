"""Checks of a dataset: labels are what the plugin declares them to be."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from matsciml_core.registry.targets import TargetInfo
from matsciml_core.testing.checks import Broken, Doubtful, Measured, NotApplicable, check
from matsciml_core.testing.dataset.subject import DatasetSubject
from matsciml_core.testing.tolerances import EXACT

ZERO_SHARE = 0.05
"""More exact zeros than this, in a label that is never missing, look like missing values."""
PLAUSIBLE = {
    "eV/atom": 20.0,
    "eV": 100.0,
    "eV/Å": 100.0,
    "eV/Å³": 10.0,
    "Å": 100.0,
    "g/cm³": 30.0,
    "GPa": 2000.0,
    "log10(GPa)": 4.0,
    "C/m²": 50.0,
    "cm⁻¹": 5000.0,
    "K": 10000.0,
    "μB": 1000.0,
    "e": 20.0,
}
"""Unit → magnitude that no crystal in the usual databases reaches. Total energies, which grow
with the cell, are not looked at."""


@check("dataset")
def declared_labels(subject: DatasetSubject) -> str:
    """The dataset has exactly the labels that its plugin declares, with their kinds and units.

    Measured: names, kinds, units, shapes and numbers of classes in the spec and in the dataset.
    Which labels there are is compared for the default settings only, for which the spec states
    them; with others a dataset may serve other data.

    Why: ``info`` and ``list-plugins`` read the spec, without opening the data; heads are chosen
    and units are printed by it.
    """
    declared = {info.name: info for info in subject.declared.targets}
    found = subject.targets
    if subject.default_config and declared.keys() != found.keys():
        missing, extra = declared.keys() - found.keys(), found.keys() - declared.keys()
        raise Broken(
            f"Only the spec declares {sorted(missing) or 'nothing'}, only the dataset has "
            f"{sorted(extra) or 'nothing'}.",
            measured=f"{len(missing)} missing, {len(extra)} undeclared",
        )
    for name in declared.keys() & found.keys():
        _compare_info(name, declared[name], found[name])
    return f"{len(found)} labels"


@check("dataset")
def no_other_labels(subject: DatasetSubject) -> None:
    """No crystal carries a label that is not declared.

    Measured: the label names of a sample of crystals against the declared ones.

    Why: a label without kind and unit cannot be trained on; most often its name is misspelt, and
    the declared one is missing.
    """
    for crystal in subject.sample:
        others = crystal.labels.keys() - subject.targets.keys()
        if others:
            raise Broken(f"Crystal '{crystal.id}' carries {sorted(others)}, which nobody declares.")


@check("dataset")
def label_values(subject: DatasetSubject) -> None:
    """Labels are numbers of the declared shape; class indices are whole and within range.

    Measured: for a sample of crystals, every label has the shape that its declaration says, such
    as ``(3, 3)`` for stress or ``(atoms, 3)`` for forces, and is never infinite; a class is a
    whole number below the number of classes, or −1 where missing.

    Why: a label of the wrong shape broadcasts against a prediction without an error.
    """
    for crystal in subject.sample:
        for name, value in crystal.labels.items():
            info = subject.targets.get(name)
            if info is not None and value is not None:
                problem = _problem(np.asarray(value), info, crystal.num_atoms)
                if problem:
                    raise Broken(f"Label '{name}' of crystal '{crystal.id}' {problem}.")


@check("dataset")
def labels_present(subject: DatasetSubject) -> str:
    """Every declared label exists for at least one crystal.

    Measured: the smallest share of crystals that have a label, over all labels, in a sample.

    Why: training on a label that is always missing fails late, and a list of labels is a promise.
    """
    shares = {}
    for name, info in subject.targets.items():
        values = subject.labels[name]
        shares[name] = len(subject.present(info)) / max(values.numel(), 1)
    empty = [name for name, share in shares.items() if not share]
    if empty:
        raise Broken(f"No crystal has {', '.join(empty)}.", measured="0 %")
    return f"{100 * min(shares.values(), default=1.0):.0f} % or more"


@check("dataset")
def labels_vary(subject: DatasetSubject) -> None:
    """Every label takes at least two values.

    Measured: the number of different values of each label in a sample.

    Why: a constant column is a fault of the reader, and cannot be normalised or learnt.
    """
    for name, info in subject.targets.items():
        values = subject.present(info)
        if values.numel() > 1 and len(torch.unique(values)) < 2:
            raise Broken(f"Label '{name}' is always {values[0].item():g}.", measured="1 value")


@check("dataset")
def missing_is_not_zero(subject: DatasetSubject) -> str:
    """A missing label is absent, and not zero.

    Measured: the share of values that are exactly zero, for labels that are never missing. Many
    exact zeros are reported as a warning, because some labels (a band gap) can be zero.

    Why: zeros that stand for missing values are trained on as if they had been measured.
    """
    worst, share = "", 0.0
    for name, info in subject.targets.items():
        values = subject.present(info)
        if not info.is_class and len(values) == subject.labels[name].numel() > 0:
            zeros = float((values == 0).double().mean())
            worst, share = max((worst, share), (name, zeros), key=lambda item: item[1])
    measured = f"{100 * share:.0f} % zeros"
    if share > ZERO_SHARE:
        raise Doubtful(
            f"{100 * share:.0f} % of '{worst}' are exactly 0 and none is missing; are the zeros "
            "missing values?",
            measured=measured,
        )
    return measured


@check("dataset")
def plausible_magnitude(subject: DatasetSubject) -> None:
    """Labels have magnitudes that are possible in their units.

    Measured: the largest magnitude of each label against a bound for its unit, for example
    20 eV/atom. Reported as a warning.

    Why: energies in meV, in hartree or per cell instead of per atom, and placeholders such as
    −999, train without an error.
    """
    for name, info in subject.targets.items():
        bound = PLAUSIBLE.get(info.unit)
        if bound is None or info.extensive:
            continue
        largest = float(subject.present(info).abs().max()) if len(subject.present(info)) else 0.0
        if largest > bound:
            raise Doubtful(
                f"'{name}' reaches {largest:.3g} {info.unit}; more than {bound:g} is unusual.",
                measured=f"{largest:.3g} {info.unit}",
            )


@check("dataset", tolerance=EXACT)
def labels_in_batches(subject: DatasetSubject) -> Measured:
    """Batches carry every declared label, in float64, or in int64 for classes.

    Measured: the number of labels of a batch that are absent, have the wrong type, or hold an
    infinite value.

    Why: masks are made from NaN, or −1 for a class; everything else is trained on.
    """
    if not subject.targets:
        raise NotApplicable("The dataset has no labels.")
    batch = subject.dataset.__getitems__(subject.sample_indices)
    wrong = set(batch.targets) ^ set(subject.targets)
    for name, info in subject.targets.items():
        values = batch.targets.get(name)
        expected = torch.int64 if info.is_class else torch.float64
        if values is not None and (values.dtype != expected or bool(values.isinf().any())):
            wrong.add(name)
    return Measured(float(len(wrong)), ", ".join(sorted(wrong)))


def _compare_info(name: str, declared: TargetInfo, found: TargetInfo) -> None:
    ignored = ("description",)
    pairs = zip(asdict(declared).items(), asdict(found).values(), strict=True)
    for (field, one), other in pairs:
        if field not in ignored and one != other:
            raise Broken(
                f"Label '{name}': the spec says {field} = {one!r}, the dataset {other!r}.",
                measured=str(other),
            )


def _problem(value: NDArray[Any], info: TargetInfo, atoms: int) -> str | None:
    """Return what is wrong with one label, as the end of a sentence."""
    if value.dtype.kind not in "fiub":
        return f"is {value.dtype}, not a number"
    shape = info.value_shape(atoms)
    if value.shape != shape:
        return f"has the shape {value.shape}; it must be {shape}"
    if np.isinf(value).any():
        return "is infinite"
    if info.is_class and not np.isin(value, np.arange(-1, info.classes)).all():
        return f"is {value}; classes go from 0 to {info.classes - 1}, and −1 where missing"
    return None
