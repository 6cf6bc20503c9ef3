"""The conformance kit's checks, for the defaults and for the other way to combine messages."""

from types import MappingProxyType

from matsciml_core.testing import EncoderContract


class TestDefaults(EncoderContract):
    spec_name = "mpnn-dgl"


class TestSumOverAllNeighbours(EncoderContract):
    spec_name = "mpnn-dgl"
    options = MappingProxyType(
        {"aggregation": "sum", "max_neighbours": None, "cutoff": 4.0, "set2set_layers": 2}
    )
