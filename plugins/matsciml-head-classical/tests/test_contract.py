"""The conformance kit's checks, for each head."""

from matsciml_core.testing import TaskHeadContract


class TestTrees(TaskHeadContract):
    spec_name = "trees"
    options = {"trees": 20}


class TestRandomForest(TaskHeadContract):
    spec_name = "trees"
    options = {"trees": 20, "method": "random-forest", "features": "both"}


class TestBoosting(TaskHeadContract):
    spec_name = "boosting"
    # Sixteen crystals: scikit-learn wants twenty in a leaf, and cuts none of them.
    options = {"iterations": 10, "min_samples_leaf": 2}


class TestRidge(TaskHeadContract):
    spec_name = "ridge"


class TestRidgeOfAtoms(TaskHeadContract):
    spec_name = "ridge"
    options = {"penalty": 1.0, "features": "atoms"}
