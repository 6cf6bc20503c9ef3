"""Structure and composition validity beyond the reference numbers: the rules themselves."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable

import numpy as np
import pytest

from matsciml_core import Crystal
from matsciml_core.errors import ConfigError, GeometryError
from matsciml_core.testing.crystals import all_crystals, bcc_iron
from matsciml_tool_generate.composition_validity import (
    Element,
    can_balance,
    element_data,
    is_valid_composition,
)
from matsciml_tool_generate.structure_validity import is_valid_structure, shortest_distance


class TestShortestDistance:
    def test_known_ones(self, salt: Callable[..., Crystal]) -> None:
        assert shortest_distance(salt()) == pytest.approx(5.6402 / 2, abs=1e-9)
        assert shortest_distance(bcc_iron(2.0)) == pytest.approx(math.sqrt(3), abs=1e-9)

    @pytest.mark.parametrize("crystal", all_crystals(), ids=lambda one: one.id)
    def test_does_not_depend_on_the_cell(self, crystal: Crystal) -> None:
        skewed = np.array([[1, 0, 0], [3, 1, 0], [-7, 5, 1]]) @ crystal.cell
        other = Crystal(
            id="skewed",
            atomic_numbers=crystal.atomic_numbers,
            positions=crystal.positions + 3 * crystal.cell[0] - crystal.cell[2],
            cell=skewed,
        )
        assert shortest_distance(other) == pytest.approx(shortest_distance(crystal), abs=1e-8)

    def test_close_packing(self) -> None:
        fcc = Crystal(
            id="fcc",
            atomic_numbers=[29],
            positions=np.zeros((1, 3)),
            cell=np.array([[0, 1, 1], [1, 0, 1], [1, 1, 0]]) / math.sqrt(2),
        )
        assert shortest_distance(fcc) == pytest.approx(1.0, abs=1e-9)

    @pytest.mark.parametrize("distance", [1e-9, 1e-3, 0.49])
    def test_overlapping_atoms(self, distance: float) -> None:
        crystal = Crystal(
            id="close",
            atomic_numbers=[11, 17],
            positions=[[1, 1, 1], [1, 1, 1 + distance]],
            cell=np.eye(3) * 4,
        )
        assert shortest_distance(crystal) == pytest.approx(distance, abs=1e-9)
        assert not is_valid_structure(crystal)

    def test_atoms_at_the_same_position(self) -> None:
        crystal = Crystal(
            id="same", atomic_numbers=[11, 17], positions=np.ones((2, 3)), cell=np.eye(3) * 4
        )
        assert shortest_distance(crystal) == 0.0
        assert not is_valid_structure(crystal)

    def test_against_a_neighbour_list(self) -> None:
        from matsciml_core.data.ingestion.geometry import measure_geometry

        random, compared = np.random.default_rng(0), 0
        for number in range(60):
            crystal = Crystal(
                id=str(number),
                atomic_numbers=np.full(4, 6),
                positions=random.normal(size=(4, 3)) * 9,
                cell=random.normal(size=(3, 3)) * 3,
            )
            found = shortest_distance(crystal)
            try:
                expected = measure_geometry(crystal).shortest_distance
            except GeometryError:  # too flat for a neighbour list, and not for this
                assert found < 0.5
                continue
            assert min(found, 3.0) == pytest.approx(expected, abs=1e-9)
            compared += 1
        assert compared > 50


class TestStructure:
    def test_sound_crystals(self) -> None:
        assert all(map(is_valid_structure, all_crystals()))

    @pytest.mark.parametrize(("edge", "valid"), [(0.51, True), (0.49, False)])
    def test_own_images_count(self, edge: float, valid: bool) -> None:
        crystal = Crystal(
            id="thin", atomic_numbers=[1], positions=np.zeros((1, 3)), cell=np.diag([edge, 5, 5])
        )
        assert is_valid_structure(crystal) is valid

    def test_volume(self) -> None:
        crystal = Crystal(
            id="small", atomic_numbers=[1], positions=np.zeros((1, 3)), cell=np.eye(3) * 0.45
        )
        assert crystal.volume < 0.1
        assert not is_valid_structure(crystal)


class TestComposition:
    @pytest.mark.parametrize(
        ("numbers", "valid"),
        [
            ([11, 17], True),  # NaCl
            ([11, 11, 17], False),  # no charge of sodium or chlorine balances
            ([26], True),  # one element
            ([26, 26, 26], True),
            ([26, 29], True),  # alloy
            ([22, 8, 8], True),  # TiO2
            ([2, 8], False),  # helium has no oxidation state
            ([9, 8, 8, 8, 8, 8, 8, 8], False),
            ([], False),
        ],
    )
    def test_known_ones(self, numbers: list[int], valid: bool) -> None:
        assert is_valid_composition(numbers) is valid

    def test_elements_without_oxidation_states(self) -> None:
        assert not is_valid_composition([118, 8])
        assert is_valid_composition([118])

    def test_unknown_table(self) -> None:
        element_data.cache_clear()
        with pytest.raises(ConfigError, match="no list of oxidation states 'mine'"):
            is_valid_composition([11, 17], "mine")  # type: ignore[arg-type]

    def test_multiples_of_a_formula_are_alike(self) -> None:
        for numbers in ([22, 8, 8], [11, 11, 17], [31, 33], [26, 26, 8, 8, 8]):
            assert is_valid_composition(numbers) == is_valid_composition(numbers * 6)

    def test_many_elements_are_quick(self) -> None:
        assert is_valid_composition([25, 26, 27, 42, 44, 74, 75, 76, 77, 78, 8, 7, 16, 17, 6])


def all_combinations(elements: list[Element], counts: list[int]) -> bool:
    """Try every combination of states, pair by pair, as SMACT 2.2.1 does."""
    for states in itertools.product(*(one.oxidation_states for one in elements)):
        if sum(state * count for state, count in zip(states, counts, strict=True)):
            continue
        pairs = itertools.permutations(zip(states, elements, strict=True), 2)
        if all(
            not (first > 0 > second)
            or one.electronegativity is None
            or other.electronegativity is None
            or one.electronegativity < other.electronegativity
            for (first, one), (second, other) in pairs
        ):
            return True
    return False


def test_thresholds_say_the_same_as_all_combinations() -> None:
    random = np.random.default_rng(0)
    outcomes = []
    for _ in range(3000):
        number = int(random.integers(2, 5))
        elements = [
            Element(
                tuple(sorted({int(s) for s in random.integers(-4, 5, size=3)})),
                None if random.random() < 0.1 else float(random.integers(1, 5)),
                is_metal=False,
            )
            for _ in range(number)
        ]
        counts = random.integers(1, 4, size=number).tolist()
        expected = all_combinations(elements, counts)
        assert can_balance(elements, counts) is expected
        outcomes.append(expected)
    assert 0.2 < np.mean(outcomes) < 0.8
