"""The conformance kit's checks."""

from matsciml_core.testing import StrategyContract


class TestProbe(StrategyContract):
    spec_name = "probe"
