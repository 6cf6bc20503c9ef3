"""Names of devices are checked where no torch is imported yet."""

from __future__ import annotations

import pytest

from matsciml_core.device_names import check_device_name
from matsciml_core.errors import ConfigError
from matsciml_core.training.config import build_config


@pytest.mark.parametrize("name", ["auto", "cpu", "cuda", "cuda:1", "mps"])
def test_names_that_a_machine_may_have(name):
    assert check_device_name(name) == name


@pytest.mark.parametrize("name", ["gpu", "", "cuda:", "cuda:x", "GPU:0", "cpu cuda"])
def test_others_are_refused_with_those_there_are(name):
    with pytest.raises(ConfigError, match=r"There is no device .*; use auto, cpu, cuda, or cuda:1"):
        check_device_name(name)


def test_a_configuration_is_refused_too():
    data = {"datasets": [{"name": "a"}], "encoder": {"name": "b"}, "training": {"device": "gpu"}}
    with pytest.raises(ConfigError, match="There is no device 'gpu'"):
        build_config(data)
