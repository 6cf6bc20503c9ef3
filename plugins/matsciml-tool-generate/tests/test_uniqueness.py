"""Uniqueness, novelty, reconstruction."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from matsciml_core import Crystal
from matsciml_core.testing.crystals import hcp_magnesium, rutile
from matsciml_tool_generate import uniqueness
from matsciml_tool_generate.uniqueness import find_duplicates, reconstruction


def supercell(crystal: Crystal, name: str) -> Crystal:
    """The crystal with its first lattice vector doubled, moved as a whole."""
    shift = np.concatenate([crystal.positions, crystal.positions + crystal.cell[0]]) + 0.37
    return Crystal(
        id=name,
        atomic_numbers=np.tile(crystal.atomic_numbers, 2),
        positions=shift,
        cell=crystal.cell * np.array([[2.0], [1.0], [1.0]]),
    )


class TestSame:
    def test_groups(self, salt: Callable[..., Crystal]) -> None:
        generated = [
            salt(name="a"),
            rutile(),
            supercell(salt(), "the same, doubled"),
            salt(numbers=(11, 35), name="NaBr"),
            salt(5.9, name="a larger one"),  # the matcher compares at equal volume
        ]
        found = find_duplicates(generated, workers=1)
        assert found.group == (0, 1, 0, 3, 0)
        assert found.uniqueness == pytest.approx(3 / 5)
        assert found.is_known == (False,) * 5

    def test_novelty(self, salt: Callable[..., Crystal]) -> None:
        training = [supercell(rutile(), "known"), hcp_magnesium()]
        found = find_duplicates([salt(), rutile()], training, workers=1)
        assert found.is_known == (False, True)
        assert found.novelty == 0.5

    def test_nothing(self) -> None:
        found = find_duplicates([], [rutile()])
        assert np.isnan(found.uniqueness)
        assert np.isnan(found.novelty)

    def test_other_arrangement_of_the_same_atoms(self, salt: Callable[..., Crystal]) -> None:
        caesium_chloride = Crystal.from_fractional(
            id="B2",
            atomic_numbers=[11, 17],
            fractional=[[0, 0, 0], [0.5, 0.5, 0.5]],
            cell=np.eye(3) * 3.4,
        )
        assert find_duplicates([salt(), caesium_chloride], workers=1).group == (0, 1)

    def test_what_pymatgen_cannot_compare(
        self, salt: Callable[..., Crystal], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        class Broken:
            def fit(self, *args: object, **settings: object) -> bool:
                raise ValueError

        monkeypatch.setattr(uniqueness, "_matcher", lambda tolerances: Broken())
        assert find_duplicates([salt(), salt()], [salt()], workers=1).group == (0, 1)


class TestReconstruction:
    def test_shares_and_distances(self, salt: Callable[..., Crystal]) -> None:
        moved = Crystal(
            id="moved",
            atomic_numbers=[11, 17],
            positions=salt().positions + np.array([[0, 0, 0], [0.2, 0, 0]]),
            cell=salt().cell,
        )
        pairs = [(salt(), salt()), (moved, salt()), (None, salt()), (rutile(), salt())]
        found = reconstruction(pairs, [True, True, True, True], workers=1)
        assert found.match_rate == 0.5
        first, second, *rest = found.distances
        assert first == pytest.approx(0.0, abs=1e-9)
        # Both atoms end 0.1 Å from where the best common shift puts them.
        assert second == pytest.approx(0.1 / (salt().volume / 2) ** (1 / 3), rel=1e-6)
        assert rest == [None, None]
        assert found.rms == pytest.approx((first + second) / 2)

    def test_invalid_ones_do_not_match(self, salt: Callable[..., Crystal]) -> None:
        found = reconstruction([(salt(), salt())], [False], workers=1)
        assert (found.match_rate, found.distances) == (0.0, (None,))
        assert np.isnan(found.rms)
