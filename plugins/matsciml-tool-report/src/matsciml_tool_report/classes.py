"""Which classes of a label were taken for which: what the confusion matrix shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from matsciml_core.interfaces.crystal_systems import FIRST_SPACE_GROUPS
from matsciml_util_pages.numbers import ABSENT, counted, number, percent
from matsciml_util_pages.run_files import Predictions
from matsciml_util_pages.views import Fact, Table, facts

SPACE_GROUPS = 230
"""Classes of a label of space groups; class k is the international number k + 1."""
MOST = 12
"""Classes of a confusion matrix; rarer ones are put together."""


@dataclass(frozen=True, kw_only=True)
class Confusion:
    """Counts of label and prediction."""

    names: Sequence[str]
    counts: NDArray[np.int64]
    """``(classes, classes)``: rows are labels, columns predictions."""
    grouped: str = ""
    """How classes were put together; empty: not at all."""

    @property
    def support(self) -> NDArray[np.int64]:
        """Number of labels of each class, ``(classes,)``."""
        return np.asarray(self.counts.sum(axis=1))


def confusion(values: Predictions, num_classes: int | None) -> Confusion:
    """Count how often each class was taken for each.

    Space groups are put together as crystal systems; of another label with many classes the most
    frequent ones are kept and the rest is put together.

    Args:
        values: Classes and predicted classes; at least one.
        num_classes: Number of classes of the label, where known.
    """
    labels, chosen = values.labels.astype(np.int64), values.predictions.astype(np.int64)
    if num_classes == SPACE_GROUPS:
        starts = np.array(list(FIRST_SPACE_GROUPS.values()))
        place = np.searchsorted(starts, np.arange(1, SPACE_GROUPS + 1), side="right") - 1
        names = list(FIRST_SPACE_GROUPS)
        return _count(place[labels], place[chosen], names, "crystal systems")
    most = int(max(labels.max(), chosen.max(), (num_classes or 1) - 1)) + 1
    if most <= MOST:
        return _count(labels, chosen, [str(one) for one in range(most)], "")
    kept = np.sort(np.argsort(-np.bincount(labels, minlength=most), kind="stable")[: MOST - 1])
    place = np.full(most, len(kept))
    place[kept] = np.arange(len(kept))
    names = [*(str(one) for one in kept.tolist()), "others"]
    return _count(place[labels], place[chosen], names, f"the {len(kept)} most frequent classes")


def _count(
    labels: NDArray[np.int64], chosen: NDArray[np.int64], names: Sequence[str], grouped: str
) -> Confusion:
    size = len(names)
    counts = np.bincount(labels * size + chosen, minlength=size**2).reshape(size, size)
    return Confusion(names=names, counts=counts.astype(np.int64), grouped=grouped)


def class_table(found: Confusion) -> Table:
    """Return number of labels, recall and precision of each class that occurs."""
    rows = []
    for place, name in enumerate(found.names):
        labels, chosen = int(found.support[place]), int(found.counts[:, place].sum())
        right = int(found.counts[place, place])
        if labels or chosen:
            recall = percent(right / labels) if labels else ABSENT
            precision = percent(right / chosen) if chosen else ABSENT
            rows.append([name, f"{labels:,}", f"{chosen:,}", recall, precision])
    return Table(
        caption="Classes of the test set" + (f", by {found.grouped}" if found.grouped else ""),
        columns=["Class", "Labels", "Predictions", "Found (recall)", "Right (precision)"],
        rows=rows,
        note="Recall: the share of a class's labels that were predicted; precision: the share of "
        "its predictions that were right.",
    )


def class_facts(values: Predictions) -> list[Fact]:
    """Return counts, and how sure the model was where it was right and where it was wrong."""
    right = values.labels == values.predictions
    sure = values.probabilities
    known = sure is not None and bool(np.isfinite(sure).all())

    def mean(chosen: NDArray[np.bool_]) -> str | None:
        return number(float(sure[chosen].mean())) if sure is not None and chosen.any() else None

    return facts(
        ("Crystals compared", counted(len(values.labels), values.noun)),
        ("Predicted right", f"{int(right.sum()):,}"),
        ("Mean probability where right", mean(right) if known else None),
        ("Mean probability where wrong", mean(~right) if known else None),
        ("Predictions that are no finite number, left out", values.not_finite or None),
    )
