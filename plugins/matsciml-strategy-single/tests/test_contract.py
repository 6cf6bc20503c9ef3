"""The conformance kit's checks."""

from matsciml_core.testing import StrategyContract


class TestSingle(StrategyContract):
    spec_name = "single"
