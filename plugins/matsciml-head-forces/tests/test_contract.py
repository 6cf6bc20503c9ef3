"""The conformance kit's checks, for each loss and scale."""

from matsciml_core.testing import TaskHeadContract


class TestEnergyForcesStress(TaskHeadContract):
    spec_name = "energy-forces"


class TestMSE(TaskHeadContract):
    spec_name = "energy-forces"
    options = {"loss": "mse", "scale": "energy"}


class TestHuber(TaskHeadContract):
    spec_name = "energy-forces"
    options = {"loss": "huber", "activation": "softplus", "hidden": [16]}
