"""Relaxation and molecular dynamics with trained models, through ASE and torch-sim.

Public names are imported on first use, so that the commands' help loads neither torch nor ASE.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_MODULE_OF = {
    "Dynamics": "matsciml_tool_simulate.dynamics",
    "DynamicsConfig": "matsciml_tool_simulate.dynamics",
    "ModelCalculator": "matsciml_util_potential.calculator",
    "TorchSimModel": "matsciml_tool_simulate.torch_sim",
    "relax": "matsciml_util_potential.relaxation",
}

# Without TorchSimModel, which needs an extra: an import of everything must not fail for it.
__all__ = ["Dynamics", "DynamicsConfig", "ModelCalculator", "relax"]

if TYPE_CHECKING:
    from matsciml_tool_simulate.dynamics import Dynamics, DynamicsConfig
    from matsciml_tool_simulate.torch_sim import TorchSimModel as TorchSimModel
    from matsciml_util_potential.calculator import ModelCalculator
    from matsciml_util_potential.relaxation import relax


def __getattr__(name: str) -> Any:
    """Import a public name from the module that defines it (PEP 562).

    Raises:
        MissingPackageError: The name is ``TorchSimModel``, and torch-sim is not installed.
    """
    if name not in _MODULE_OF:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    if name == "TorchSimModel":  # its module needs the package for the base class
        from matsciml_core.convert import import_package  # noqa: PLC0415 - loads torch

        import_package("torch_sim")
    return getattr(import_module(_MODULE_OF[name]), name)


def __dir__() -> list[str]:
    """List the public names without importing them."""
    return sorted([*__all__, "TorchSimModel"])
