"""The conformance kit's checks."""

from matsciml_core.testing import StrategyContract


class TestBalanced(StrategyContract):
    spec_name = "multi-data"


class TestProportional(StrategyContract):
    spec_name = "multi-data"
    options = {"sampling": "proportional"}


class TestTemperature(StrategyContract):
    spec_name = "multi-data"
    options = {"sampling": "temperature", "temperature": 3}
