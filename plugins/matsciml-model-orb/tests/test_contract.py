"""The conformance kit's checks, with narrow layers."""

from __future__ import annotations

from types import MappingProxyType

from matsciml_core.testing import EncoderContract


class TestSmall(EncoderContract):
    spec_name = "orb"
    options = MappingProxyType(
        {"width": 8, "hidden": 12, "num_interactions": 2, "readout_width": 6}
    )
