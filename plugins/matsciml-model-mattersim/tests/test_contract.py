"""The conformance kit's checks, with narrow layers."""

from __future__ import annotations

from types import MappingProxyType

from matsciml_core.testing import EncoderContract


class TestSmall(EncoderContract):
    spec_name = "mattersim"
    options = MappingProxyType({"width": 8, "num_blocks": 2})
