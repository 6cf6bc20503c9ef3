"""Reconstruction: what comes back, and how well it matches."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from matsciml_core import Crystal
from matsciml_core.errors import ConfigError
from matsciml_core.testing.crystals import rutile, sodium_chloride
from matsciml_tool_generate.reconstruction import ReconstructionSettings, reconstruct, score

Make = Callable[..., Any]


class TestScore:
    def test_shares_and_distances(self, salt: Callable[..., Crystal]) -> None:
        moved = Crystal(
            id="moved",
            atomic_numbers=[11, 17],
            positions=salt().positions + np.array([[0, 0, 0], [0.2, 0, 0]]),
            cell=salt().cell,
        )
        pairs = [(salt(), salt()), (moved, salt()), (None, salt()), (rutile(), salt())]
        found = score(pairs, [True, True, True, True], workers=1)
        assert found.match_rate == 0.5
        first, second, *rest = found.distances
        assert first == pytest.approx(0.0, abs=1e-9)
        # Both atoms end 0.1 Å from where the best common shift puts them.
        assert second == pytest.approx(0.1 / (salt().volume / 2) ** (1 / 3), rel=1e-6)
        assert rest == [None, None]
        assert found.rms == pytest.approx((first + second) / 2)

    def test_invalid_ones_do_not_match(self, salt: Callable[..., Crystal]) -> None:
        found = score([(salt(), salt())], [False], workers=1)
        assert (found.match_rate, found.distances) == (0.0, (None,))
        assert np.isnan(found.rms)


class TestModel:
    def test_rock_salt_comes_back(self, make_model: Make) -> None:
        settings = ReconstructionSettings(batch_size=2, workers=1)
        crystals = [sodium_chloride(), rutile(), sodium_chloride()]
        # The toy model takes the edge of a cube from the volume, so that rock salt's is too small.
        made, found = reconstruct(make_model(), crystals, settings)
        assert [one.id for one in made if one is not None] == ["NaCl", "TiO2", "NaCl"]
        assert found.match_rate == pytest.approx(2 / 3)
        assert found.distances[1] is None
        assert 0 < found.rms < 0.05

    def test_unknown_choice(self, make_model: Make) -> None:
        with pytest.raises(ConfigError, match="none of nothing, atoms, species"):
            reconstruct(
                make_model(), [sodium_chloride()], ReconstructionSettings(condition="everything")
            )
