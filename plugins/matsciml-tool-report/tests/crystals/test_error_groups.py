"""Errors told apart, by crystal system and by element."""

from __future__ import annotations

import numpy as np
import pytest

from matsciml_core.registry.targets import TargetInfo
from matsciml_tool_report import element_map, error_groups
from matsciml_tool_report.error_summary import surest_mistakes

FORCES = TargetInfo(name="forces", kind="forces", unit="eV/Å", per_atom=True)
STRESS = TargetInfo(name="stress", kind="stress", unit="eV/Å³")
GAP = TargetInfo(name="gap", kind="scalar", unit="eV")
FORMATION = TargetInfo(name="formation_energy", kind="scalar", unit="eV/atom")
CHARGE = TargetInfo(name="charge", kind="scalar", unit="e", per_atom=True)
GROUP = TargetInfo(name="group", kind="multiclass", unit="class", num_classes=230)


def test_by_system(table_of, predictions) -> None:
    table = table_of(["Na"] * 5, [225, 195, 194, 0, 1])
    values = predictions([0, 1, 2, 3, 4], [1.0, -3.0, 0.5, 2.0, -0.25])
    found = error_groups.losses(GAP, values, table, np.full(5, 4.0))
    by_name = {one.name: one for one in error_groups.by_system(found, table)}
    assert list(by_name) == ["triclinic", "hexagonal", "cubic", "none found"]
    assert (by_name["cubic"].crystals, by_name["cubic"].error) == (2, 2.0)
    # Absolute errors 1 and 3: their deviation is √2, and that of the mean √2 / √2.
    assert by_name["cubic"].standard_error == pytest.approx(1.0)
    assert by_name["hexagonal"].standard_error is None
    assert by_name["none found"].error == 2.0
    assert by_name["cubic"].baseline == 4.0


def test_every_space_group_is_in_its_system(table_of, predictions) -> None:
    edges = [1, 2, 3, 15, 16, 74, 75, 142, 143, 167, 168, 194, 195, 230]
    table = table_of(["Na"] * len(edges), edges)
    values = predictions(list(range(len(edges))), [1.0] * len(edges))
    found = error_groups.losses(GAP, values, table, None)
    assert [one.crystals for one in error_groups.by_system(found, table)] == [2] * 7


def test_table_says_what_it_shows(table_of, predictions) -> None:
    table = table_of(["Na"] * 3, [225, 225, 1])
    values = predictions([0, 1, 2], [1.0, 3.0, 0.5])
    found = error_groups.losses(FORMATION, values, table, None)
    shown = error_groups.system_table(found, table)
    assert shown is not None
    assert list(shown.columns) == [
        "Crystal system", "Crystals", "MAE (eV/atom)", "Its standard error",
    ]  # fmt: skip
    assert shown.rows == [["Triclinic", "1", "0.500", "—"], ["Cubic", "2", "2.00", "1.00"]]
    assert shown.bars == [0.25, 1.0]
    assert "the data state" in shown.note
    assert "one crystal, or errors that are all the same" in shown.note


def test_nothing_known(table_of, predictions) -> None:
    table = table_of(["Na"])
    table.space_groups[:] = -1
    found = error_groups.losses(GAP, predictions([0], [1.0]), table, None)
    assert error_groups.system_table(found, table) is None


def test_by_element_of_crystals(table_of, predictions) -> None:
    table = table_of(["Na Cl", "Na2 O Na", "Fe"])
    values = predictions([2, 0, 1, 9], [5.0, -1.0, 2.0, 7.0])
    found = error_groups.losses(GAP, values, table, None)
    by_group = error_groups.by_element(found, table)
    assert {one: (group.crystals, group.error) for one, group in by_group.items()} == {
        8: (1, 2.0), 11: (2, 1.5), 17: (1, 1.0), 26: (1, 5.0),
    }  # fmt: skip


def test_by_element_of_atoms(table_of, predictions) -> None:
    table = table_of(["Na Cl", "Cl Na"])
    errors = [1.0, 1.0, 1.0, 4.0, 4.0, 4.0, 6.0, 6.0, 6.0, 3.0, 3.0, 3.0]
    values = predictions([0] * 6 + [1] * 6, errors, [*range(6), *range(6)])
    found = error_groups.losses(FORCES, values, table, None)
    by_group = error_groups.by_element(found, table)
    assert {one: (group.values, group.error) for one, group in by_group.items()} == {
        11: (6, 2.0), 17: (6, 5.0),
    }  # fmt: skip
    assert [group.crystals for group in by_group.values()] == [2, 2]
    drawn = element_map.element_map(found, table)
    assert drawn is not None
    assert "Errors are those of the element's atoms." in drawn.note
    assert "error of all values, 3.50\u00a0eV/Å" in drawn.note


def test_one_number_per_atom(table_of, predictions) -> None:
    table = table_of(["Na Cl"])
    found = error_groups.losses(CHARGE, predictions([0, 0], [1.0, 2.0], [0, 1]), table, None)
    assert [one.error for one in error_groups.by_element(found, table).values()] == [1.0, 2.0]


def test_stress_belongs_to_crystals(table_of, predictions) -> None:
    table = table_of(["Na Cl"])
    values = predictions([0] * 9, [1.0] * 9, list(range(9)))
    found = error_groups.losses(STRESS, values, table, None)
    assert {one.values for one in error_groups.by_element(found, table).values()} == {9}
    assert not found.per_atom


def test_atoms_beyond_a_crystal_are_left_out(table_of, predictions) -> None:
    table = table_of(["Na"])
    values = predictions([0] * 6, [1.0] * 6, list(range(6)))
    found = error_groups.losses(FORCES, values, table, None)
    assert [one.values for one in error_groups.by_element(found, table).values()] == [3]


def test_classes_are_right_or_wrong(table_of, predictions) -> None:
    table = table_of(["Na", "Na", "Cl"], [225, 225, 1])
    values = predictions([0, 1, 2], [0.0, 1.0, 1.0])
    found = error_groups.losses(GROUP, values, table, None)
    assert [one.error for one in error_groups.by_system(found, table)] == [100.0, 50.0]
    assert (found.title, found.short, found.unit) == ("Predicted wrong", "Wrong", "%")


def test_surest_mistakes_come_first(predictions) -> None:
    values = predictions(
        [0, 1, 2, 3], [0.0, 1.0, 1.0, 1.0], probabilities=np.array([0.99, 0.4, 0.9, 0.6])
    )
    assert [(one.id, one.probability) for one in surest_mistakes(values)] == [
        ("c2", 0.9), ("c3", 0.6), ("c1", 0.4),
    ]  # fmt: skip
