"""Errors on the periodic table."""

from __future__ import annotations

import pytest

from matsciml_core.registry.targets import TargetInfo
from matsciml_tool_report import element_map, error_groups

GAP = TargetInfo(name="gap", kind="scalar", unit="eV")


@pytest.fixture
def map_of(table_of, predictions):
    """Give a function that returns the map of crystals with these atoms and errors."""

    def make(species: list[str], errors: list[float]) -> element_map.ElementMap:
        table = table_of(species)
        values = predictions(list(range(len(errors))), errors)
        found = element_map.element_map(error_groups.losses(GAP, values, table, None), table)
        assert found is not None
        return found

    return make


def test_every_element_has_a_place_of_its_own() -> None:
    places = [element_map.row_and_column(number) for number in range(1, 119)]
    assert len(set(places)) == 118
    assert all(1 <= row <= 9 and 1 <= column <= 18 for row, column in places)


@pytest.mark.parametrize(
    ("number", "place"),
    [(2, (1, 18)), (4, (2, 2)), (5, (2, 13)), (21, (4, 3)), (36, (4, 18)), (56, (6, 2)),
     (71, (8, 17)), (72, (6, 4)), (92, (9, 6)), (104, (7, 4)), (118, (7, 18))],
)  # fmt: skip
def test_known_places(number: int, place: tuple[int, int]) -> None:
    assert element_map.row_and_column(number) == place


def test_rows_are_all_equally_wide(map_of) -> None:
    drawn = map_of(["Na", "U", "La"], [1.0, 1.0, 1.0])
    assert [name for name, _ in drawn.rows] == [*"1234567", "La–Lu", "Ac–Lr"]
    assert all(sum(cell.width for cell in cells) == 18 for _, cells in drawn.rows)
    shown = [cell.symbol for _, cells in drawn.rows for cell in cells if cell.symbol]
    assert len(shown) == len(set(shown)) == 118


def test_heavy_elements_take_no_room_where_there_are_none(map_of) -> None:
    assert [name for name, _ in map_of(["Na"], [1.0]).rows] == [*"123456"]
    assert [name for name, _ in map_of(["Ce"], [1.0]).rows] == [*"123456", "La–Lu"]


def test_colours_follow_the_error(map_of) -> None:
    species = ["Li", "Be", "B", "C", "N", "O", "F"]
    errors = [0.4, 0.6, 0.75, 1.0, 1.25, 1.75, 2.25]  # their mean is 8 / 7
    drawn = map_of(species, errors)
    levels = {cell.symbol: cell.level for _, cells in drawn.rows for cell in cells}
    assert [levels[one] for one in species] == [1, 2, 2, 4, 4, 6, 6]
    assert levels["H"] == 0
    legend = [text for _, text in drawn.legend]
    assert legend == [
        "under 0.571", "to 0.762", "to 0.952", "to 1.37", "to 1.71", "to 2.29", "over 2.29",
    ]  # fmt: skip
    assert drawn.legend_title == "Mean absolute error (eV)"


def test_errors_that_are_all_zero(map_of) -> None:
    drawn = map_of(["Na", "Cl"], [0.0, 0.0])
    assert {cell.level for _, cells in drawn.rows for cell in cells} == {0, 4}
    assert drawn.legend == [(4, "0")]


def test_cells_say_what_they_mean(map_of) -> None:
    drawn = map_of(["Na Cl", "Na"], [0.5, -1.0])
    (sodium,) = (cell for _, cells in drawn.rows for cell in cells if cell.symbol == "Na")
    assert sodium.words.replace("\u00a0", " ") == (
        "Sodium: mean absolute error 0.750 eV, 2 crystals"
    )
    assert (sodium.value, sodium.count, sodium.few) == ("0.750", "2", True)
    assert "a dashed border marks fewer than 10" in drawn.note


def test_extremes_are_named_where_there_are_enough_crystals(map_of) -> None:
    drawn = map_of(["Na"] * 10 + ["Cl"] * 10 + ["Fe"], [1.0] * 10 + [2.0] * 10 + [9.0])
    assert (
        "Among the elements with at least 10 crystals, sodium has the smallest error, 1.00 eV, "
        "and chlorine the largest, 2.00 eV." in drawn.note.replace("\u00a0", " ")
    )
