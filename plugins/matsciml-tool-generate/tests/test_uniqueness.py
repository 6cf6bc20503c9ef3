"""Uniqueness and novelty."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from matsciml_core import Crystal
from matsciml_core.testing.crystals import hcp_magnesium, rutile
from matsciml_tool_generate import matching
from matsciml_tool_generate.uniqueness import find_duplicates


def supercell(crystal: Crystal, name: str) -> Crystal:
    """The crystal with its first lattice vector doubled, moved as a whole."""
    shift = np.concatenate([crystal.positions, crystal.positions + crystal.cell[0]]) + 0.37
    return Crystal(
        id=name,
        atomic_numbers=np.tile(crystal.atomic_numbers, 2),
        positions=shift,
        cell=crystal.cell * np.array([[2.0], [1.0], [1.0]]),
    )


class TestDuplicates:
    def test_representatives(self, salt: Callable[..., Crystal]) -> None:
        generated = [
            salt(name="a"),
            rutile(),
            supercell(salt(), "the same, doubled"),
            salt(numbers=(11, 35), name="NaBr"),
            salt(5.9, name="a larger one"),  # the matcher compares at equal volume
        ]
        found = find_duplicates(generated, workers=1)
        assert found.representative == (0, 1, 0, 3, 0)
        assert found.uniqueness == pytest.approx(3 / 5)
        assert found.in_training == (False,) * 5

    def test_novelty(self, salt: Callable[..., Crystal]) -> None:
        training = [supercell(rutile(), "known"), hcp_magnesium()]
        found = find_duplicates([salt(), rutile()], training, workers=1)
        assert found.in_training == (False, True)
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
        assert find_duplicates([salt(), caesium_chloride], workers=1).representative == (0, 1)

    def test_what_pymatgen_cannot_compare(
        self, salt: Callable[..., Crystal], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        class Broken:
            def fit(self, *args: object, **settings: object) -> bool:
                raise ValueError

        monkeypatch.setattr(matching, "matcher", lambda tolerances: Broken())
        assert find_duplicates([salt(), salt()], [salt()], workers=1).representative == (0, 1)
