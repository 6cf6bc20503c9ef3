"""The fingerprint of a site has matminer's own numbers, to the last bit."""

import warnings

import numpy as np
import pytest
from pymatgen.core.structure import Structure

pytest.importorskip("matminer")


@pytest.fixture(scope="module")
def both():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from matminer.featurizers.site.fingerprint import CrystalNNFingerprint

        from matsciml_tool_generate.site_fingerprints import SiteFingerprint

        plain = CrystalNNFingerprint.from_preset("ops")
        return plain, SiteFingerprint(plain)


@pytest.mark.parametrize("moved", [0.0, 0.05, 0.3])
@pytest.mark.parametrize("edge", [3.9, 4.6])
def test_equal_to_matminer(both, edge, moved):
    """Perovskites from perfect to shaken have coordination numbers from 1 to 12 and above."""
    plain, ours = both
    positions = np.array([[0, 0, 0], [0.5, 0.5, 0.5], [0.5, 0.5, 0], [0.5, 0, 0.5], [0, 0.5, 0.5]])
    shift = moved * np.random.default_rng(0).standard_normal((5, 3))
    structure = Structure(np.eye(3) * edge, [56, 22, 8, 8, 8], positions + shift)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for site in (0, 1, 2):
            found = ours.featurize(structure, site)
            assert len(found) == 61
            assert any(found)
            assert found == plain.featurize(structure, site)
