"""The conformance kit's checks, for each preset and the options that change the equations."""

from types import MappingProxyType

import pytest

from matsciml_core.testing import EncoderContract


class TestCompact(EncoderContract):
    spec_name = "gala"


@pytest.mark.slow
class TestTable8(EncoderContract):
    spec_name = "gala"
    options = MappingProxyType({"preset": "table8"})


@pytest.mark.slow
class TestFading(EncoderContract):
    spec_name = "gala"
    options = MappingProxyType(
        {"include_centre": True, "envelope": True, "hidden": 16, "invariant_mode": "partial"}
    )


@pytest.mark.slow
class TestRank3(EncoderContract):
    spec_name = "gala"
    options = MappingProxyType({"rank": 3, "max_neighbours": 4, "hidden": 8, "depth": 1})


@pytest.mark.slow
class TestEquivariant(EncoderContract):
    spec_name = "gala"
    options = MappingProxyType(
        {"equivariant_attention": True, "hidden": 8, "depth": 1, "max_neighbours": 6}
    )
