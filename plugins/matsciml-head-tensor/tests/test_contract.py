"""The conformance kit's checks, for each loss and with and without products of vectors."""

from types import MappingProxyType

from matsciml_core.testing import TaskHeadContract


class TestNorm(TaskHeadContract):
    spec_name = "tensor-regression"


class TestMSE(TaskHeadContract):
    spec_name = "tensor-regression"
    options = MappingProxyType({"loss": "mse", "products": 0, "hidden": [16, 8]})
