"""The conformance kit's checks, for each loss."""

from matsciml_core.testing import TaskHeadContract


class TestL1(TaskHeadContract):
    spec_name = "regression"


class TestMSE(TaskHeadContract):
    spec_name = "regression"
    options = {"loss": "mse"}


class TestHuberWithoutHiddenLayers(TaskHeadContract):
    spec_name = "regression"
    options = {"loss": "huber", "hidden": []}
