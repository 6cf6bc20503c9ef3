"""The conformance kit's checks, with narrow layers of otherwise the pretrained settings."""

from types import MappingProxyType

from matsciml_core.testing import EncoderContract

SMALL = {"widths": (8, 4, 2), "num_layers": 2, "radial_widths": (8,), "cutoff": 4.0, "onset": 3.5}


class TestSmall(EncoderContract):
    spec_name = "sevennet"
    options = MappingProxyType({**SMALL, "avg_num_neighbors": 10.0, "scalar_bias": True})
