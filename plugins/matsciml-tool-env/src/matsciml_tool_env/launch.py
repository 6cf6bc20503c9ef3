"""Run a command line within an environment."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NoReturn

from matsciml_core.errors import ConfigError
from matsciml_core.registry.environments import EnvironmentSpec
from matsciml_tool_env.index import PluginEnvironment

_FOREIGN = ("PYTHONHOME", "PYTHONPATH", "VIRTUAL_ENV", "__PYVENV_LAUNCHER__")
"""Variables by which packages of another environment would come in."""


def run_there(environment: EnvironmentSpec, arguments: Sequence[str]) -> NoReturn:
    """Replace this process by the command line of an environment.

    The same process goes on: what is typed, Ctrl-C and the exit code need nobody between.

    Args:
        environment: The environment.
        arguments: What follows the program's name.

    Raises:
        ConfigError: The environment has no interpreter that can be started.
    """
    python = str(PluginEnvironment(Path(environment.folder)).python)
    command = [python, "-m", "matsciml_cli", *arguments]
    sys.stdout.flush()
    sys.stderr.flush()
    try:
        os.execve(python, command, own_variables(os.environ))
    except OSError as error:
        raise ConfigError(
            f"The environment '{environment.name}' cannot be used ({error.strerror}: {python}); "
            f"remove it with 'matsciml env remove {environment.name}', and make it again."
        ) from error


def own_variables(variables: Mapping[str, str]) -> dict[str, str]:
    """Return environment variables for a process that sees the packages of its own folder only.

    Args:
        variables: Those of this process.
    """
    own = {name: value for name, value in variables.items() if name not in _FOREIGN}
    # A folder in which somebody works must not be searched for modules, see matsciml_cli.
    return {**own, "PYTHONSAFEPATH": "1", "PYTHONNOUSERSITE": "1"}
