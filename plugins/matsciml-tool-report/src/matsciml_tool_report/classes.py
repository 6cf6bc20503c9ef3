"""Which classes of a label were taken for which: what the confusion matrix shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from matsciml_core.interfaces.crystal_systems import FIRST_SPACE_GROUPS, SPACE_GROUPS
from matsciml_util_pages.numbers import ABSENT, counted, number, percent
from matsciml_util_pages.run_files import Predictions
from matsciml_util_pages.views import Fact, Table, facts

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

    @property
    def words(self) -> str:
        """The share that is right, and which classes are taken for each other most often."""
        total, right = int(self.counts.sum()), int(np.trace(self.counts))
        text = (
            f"{percent(right / total)} of {counted(total, 'crystal')} are on the diagonal"
            f"{f', by {self.grouped}' if self.grouped else ''}; shades are shares of a row."
        )
        # Mistakes alone: the diagonal would always be the most frequent pair.
        wrong = self.counts - np.diag(np.diagonal(self.counts))
        if not wrong.any():
            return text
        row, column = divmod(int(wrong.argmax()), len(self.names))
        return (
            f"{text} Most often {self.names[row]} is taken for {self.names[column]} "
            f"({int(wrong[row, column]):,} times)."
        )


def count_confusion(values: Predictions, num_classes: int | None) -> Confusion:
    """Count how often each class was taken for each.

    Space groups are put together as crystal systems; of another label with many classes the most
    frequent ones are shown and the rest is put together.

    Args:
        values: Classes and predicted classes; at least one.
        num_classes: Number of classes of the label, where known.
    """
    # The file holds numbers of one type for all labels; those of classes are whole.
    labels, predicted = values.labels.astype(np.int64), values.predictions.astype(np.int64)
    largest = int(max(labels.max(), predicted.max(), (num_classes or 1) - 1))
    if num_classes == SPACE_GROUPS:
        first_groups = np.array(list(FIRST_SPACE_GROUPS.values()))
        space_groups = np.arange(1, SPACE_GROUPS + 1)
        group_of = np.searchsorted(first_groups, space_groups, side="right") - 1
        names, grouped = list(FIRST_SPACE_GROUPS), "crystal systems"
    elif largest < MOST:
        group_of = np.arange(largest + 1)
        names, grouped = [str(index) for index in group_of.tolist()], ""
    else:
        support = np.bincount(labels, minlength=largest + 1)
        frequent = np.sort(np.argsort(-support, kind="stable")[: MOST - 1])
        group_of = np.full(largest + 1, len(frequent))
        group_of[frequent] = np.arange(len(frequent))
        names = [*(str(index) for index in frequent.tolist()), "others"]
        grouped = f"the {len(frequent)} most frequent classes"
    size = len(names)
    # Each pair of label and prediction is a number in base ``size``, which one count goes over.
    pairs = group_of[labels] * size + group_of[predicted]
    counts = np.bincount(pairs, minlength=size**2).reshape(size, size).astype(np.int64)
    return Confusion(names=names, counts=counts, grouped=grouped)


def class_table(confusion: Confusion) -> Table:
    """Return number of labels, recall and precision of each class that occurs."""
    rows = []
    for index, name in enumerate(confusion.names):
        labels = int(confusion.support[index])
        predicted = int(confusion.counts[:, index].sum())
        right = int(confusion.counts[index, index])
        # Most of 230 space groups do not occur among a few hundred crystals.
        if labels or predicted:
            recall = percent(right / labels) if labels else ABSENT
            precision = percent(right / predicted) if predicted else ABSENT
            rows.append([name, f"{labels:,}", f"{predicted:,}", recall, precision])
    grouped = f", by {confusion.grouped}" if confusion.grouped else ""
    return Table(
        caption=f"Classes of the test set{grouped}",
        columns=["Class", "Labels", "Predictions", "Found (recall)", "Right (precision)"],
        rows=rows,
        note="Recall: the share of a class's labels that were predicted; precision: the share of "
        "its predictions that were right.",
    )


def class_facts(values: Predictions) -> list[Fact]:
    """Return counts, and how sure the model was where it was right and where it was wrong."""
    right = values.labels == values.predictions
    probabilities = values.probabilities
    means: list[str | None] = [None, None]
    if probabilities is not None and np.isfinite(probabilities).all():
        means = [
            number(float(probabilities[chosen].mean())) if chosen.any() else None
            for chosen in (right, ~right)
        ]
    return facts(
        ("Crystals compared", counted(len(values.labels), values.noun)),
        ("Predicted right", f"{int(right.sum()):,}"),
        ("Mean probability where right", means[0]),
        ("Mean probability where wrong", means[1]),
        ("Predictions that are no finite number, left out", values.not_finite or None),
    )
