"""The conformance kit's checks."""

from matsciml_core.testing import EncoderContract


class TestDescriptors(EncoderContract):
    spec_name = "descriptors"


class TestEverything(EncoderContract):
    spec_name = "descriptors"
    options = {
        "statistics": ["mean", "deviation", "min", "max", "range"],
        "bins": 12,
        "symprec": 0.01,
    }
