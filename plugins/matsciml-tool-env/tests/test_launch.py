"""What a command in another environment is started with."""

from __future__ import annotations

import pytest

from matsciml_core import EnvironmentSpec
from matsciml_core.errors import ConfigError
from matsciml_tool_env.launch import own_variables, run_there


def test_packages_of_this_environment_stay_here():
    variables = own_variables({"PYTHONPATH": "/x", "VIRTUAL_ENV": "/y", "PATH": "/bin"})
    assert variables.keys() == {"PATH", "PYTHONSAFEPATH", "PYTHONNOUSERSITE"}


def test_an_interpreter_that_is_gone(tmp_path):
    gone = EnvironmentSpec(name="x", summary="s", class_path="a:b", folder=str(tmp_path))
    with pytest.raises(ConfigError, match=r"'x' cannot be used .*env remove x"):
        run_there(gone, ["info", "x"])
