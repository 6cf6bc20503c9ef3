"""The conformance kit's checks."""

from matsciml_core.testing import StrategyContract


class TestAdditive(StrategyContract):
    spec_name = "additive"


class TestUncertainty(StrategyContract):
    spec_name = "additive"
    options = {"weighting": "uncertainty"}
