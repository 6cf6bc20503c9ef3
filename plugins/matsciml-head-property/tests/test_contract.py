"""The conformance kit's checks, for each head, loss and weighting."""

from matsciml_core.testing import TaskHeadContract


class TestL1(TaskHeadContract):
    spec_name = "regression"


class TestMSE(TaskHeadContract):
    spec_name = "regression"
    options = {"loss": "mse"}


class TestHuberWithoutHiddenLayers(TaskHeadContract):
    spec_name = "regression"
    options = {"loss": "huber", "hidden": []}


class TestBinary(TaskHeadContract):
    spec_name = "binary-classifier"


class TestBalancedBinary(TaskHeadContract):
    spec_name = "binary-classifier"
    options = {"balance": True}


class TestMulticlass(TaskHeadContract):
    spec_name = "multiclass-classifier"


class TestWeightedAndSmoothed(TaskHeadContract):
    spec_name = "multiclass-classifier"
    options = {"class_weights": "inverse-sqrt", "label_smoothing": 0.05}


class TestLogitAdjusted(TaskHeadContract):
    spec_name = "multiclass-classifier"
    options = {"logit_adjustment": 1.0, "hidden": []}
