"""Which classes are taken for which, as counts, as a figure, and in words."""

from __future__ import annotations

import numpy as np

from matsciml_core.interfaces.crystal_systems import FIRST_SPACE_GROUPS
from matsciml_tool_report.classes import class_facts, class_table, count_confusion
from matsciml_tool_report.heat_maps import confusion_matrix
from matsciml_util_pages.plots import Plot
from matsciml_util_pages.run_files import Predictions


def predictions(labels, chosen, **more):
    ids = tuple(f"c{k}" for k in range(len(labels)))
    numbers = np.array(labels, dtype=np.float64), np.array(chosen, dtype=np.float64)
    return Predictions(ids, *numbers, 0, **more)


def test_counts():
    found = count_confusion(predictions([0, 0, 0, 1], [0, 0, 1, 1]), None)
    assert found.names == ["0", "1"]
    assert found.counts.tolist() == [[2, 1], [0, 1]]


def test_classes_that_no_test_crystal_has_are_shown_where_they_are_few():
    assert count_confusion(predictions([0, 1], [0, 0]), 4).counts.shape == (4, 4)


def test_space_groups_are_put_together_as_crystal_systems():
    numbers = np.array([1, 2, 3, 15, 16, 74, 75, 142, 143, 167, 168, 194, 195, 230])
    found = count_confusion(predictions(numbers - 1, numbers - 1), 230)
    assert found.names == list(FIRST_SPACE_GROUPS)
    assert found.counts.tolist() == (2 * np.eye(7)).tolist()


def test_many_classes_leave_the_frequent_ones():
    labels = [k for k in range(40) for _ in range(1 + (k == 33) * 5)]
    found = count_confusion(predictions(labels, labels), 40)
    assert "33" in found.names
    assert found.names[-1] == "others"
    assert len(found.names) == 12
    assert found.counts.sum() == len(labels)


def test_in_words():
    found = count_confusion(predictions([0] * 8 + [1] * 2, [0] * 6 + [1] * 4), None)
    drawing = confusion_matrix(found)
    assert isinstance(drawing, Plot)
    words = drawing.caption.replace("\u00a0", " ")
    assert words.startswith("80.0 % of 10 crystals are on the diagonal")
    assert words.endswith("Most often 0 is taken for 1 (2 times).")
    assert "density-3" in drawing.svg


def test_table_leaves_out_classes_that_never_occur():
    table = class_table(count_confusion(predictions([0, 0, 3], [0, 1, 3]), 5))
    rows = [[cell.replace("\u00a0", " ") for cell in row] for row in table.rows]
    assert rows == [
        ["0", "2", "1", "50.0 %", "100 %"],
        ["1", "0", "1", "—", "0 %"],
        ["3", "1", "1", "100 %", "100 %"],
    ]


def test_how_sure_it_was():
    values = predictions([0, 1, 1], [0, 0, 1], probabilities=np.array([0.9, 0.6, 0.7]))
    found = {fact.name: fact.value for fact in class_facts(values)}
    assert found["Mean probability where right"] == "0.800"
    assert found["Mean probability where wrong"] == "0.600"
    assert "Mean probability where right" not in {
        fact.name for fact in class_facts(predictions([0, 1], [0, 1]))
    }
