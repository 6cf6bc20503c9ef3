"""The conformance kit's checks, with few layers and with those of the pretrained weights."""

from types import MappingProxyType

from matsciml_core.testing import EncoderContract


class TestSmall(EncoderContract):
    spec_name = "chgnet"
    options = MappingProxyType(
        {"width": 8, "num_layers": 2, "radial_functions": 5, "angular_functions": 5, "cutoff": 5.0}
    )
