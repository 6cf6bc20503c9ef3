"""The conformance kit's checks, for each preset and for the paper's literal inputs."""

from types import MappingProxyType

import pytest

from matsciml_core.testing import EncoderContract

POSITIONS = "reads Cartesian coordinates and divides variances by n - 1, as in the paper's Table 7"


class TestMP2018(EncoderContract):
    spec_name = "megnet"


class TestTable7(EncoderContract):
    spec_name = "megnet"
    options = MappingProxyType({"preset": "table7"})


class TestFidelities(EncoderContract):
    spec_name = "megnet"
    options = MappingProxyType({"state": "embedding", "state_index": 2, "set2set_iterations": 3})


class TestTable7Literally(EncoderContract):
    """What the paper's own inputs cost; each of these promises is kept by the preset."""

    spec_name = "megnet"
    options = MappingProxyType(
        {
            "preset": "table7",
            "edge_features": "r_mu",
            "node_extra": "positions",
            "state_deviation": "sample",
        }
    )

    @pytest.mark.xfail(reason=POSITIONS)
    def test_translation(self):
        super().test_translation()

    @pytest.mark.xfail(reason=POSITIONS)
    def test_rotation(self):
        super().test_rotation()

    @pytest.mark.xfail(reason=POSITIONS)
    def test_reflection(self):
        super().test_reflection()

    @pytest.mark.xfail(reason=POSITIONS)
    def test_periodic_image(self):
        super().test_periodic_image()

    @pytest.mark.xfail(reason=POSITIONS)
    def test_lattice_basis(self):
        super().test_lattice_basis()

    @pytest.mark.xfail(reason=POSITIONS)
    def test_supercell(self):
        super().test_supercell()
