"""The conformance kit's checks, for each preset and each kind of feature."""

from types import MappingProxyType

from matsciml_core.testing import EncoderContract


class TestDefault(EncoderContract):
    spec_name = "nequip"


class TestSmall(EncoderContract):
    spec_name = "nequip"
    options = MappingProxyType({"preset": "small"})


class TestBothParities(EncoderContract):
    spec_name = "nequip"
    options = MappingProxyType({"parity": "both", "num_features": 4, "lmax": 2})


class TestScalarsOnly(EncoderContract):
    spec_name = "nequip"
    options = MappingProxyType({"lmax": 0, "num_features": 16, "cutoff": 4.0})
