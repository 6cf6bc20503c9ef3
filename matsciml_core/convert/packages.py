"""Import an optional package, or say in one sentence what to install."""

from __future__ import annotations

import os
import warnings
from importlib import import_module
from typing import Any

from matsciml_core.errors import MissingPackageError

_INSTALL = {
    "ase": "ase",
    "dgl": "dgl==1.1.3",
    "pymatgen": "pymatgen",
    "torch_geometric": "torch_geometric",
    "torch_sim": "torch-sim-atomistic",
}
"""Package → what pip is asked for. Later releases of DGL load no current torch."""


def import_package(module: str) -> Any:
    """Import a module of a package that the core does not need.

    Args:
        module: Its full name, for example ``ase.calculators.singlepoint``.

    Returns:
        The module.

    Raises:
        MissingPackageError: The package is not installed, or cannot be loaded here.
    """
    package = module.partition(".")[0]
    if package == "dgl":
        # Without it, DGL prints a notice and writes a file into the home folder.
        os.environ.setdefault("DGLBACKEND", "pytorch")
    install = f"pip install '{_INSTALL[package]}'"
    try:
        # What the package itself uses of others is not the user's to fix.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            return import_module(module)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] == package:
            raise MissingPackageError(
                f"This needs {package}, which is not installed; run: {install}"
            ) from error
        # Distributions are not always called like their modules, so that none is named here.
        raise MissingPackageError(
            f"This needs {package}, which needs the module '{error.name}'; install the package "
            "that provides it."
        ) from error
    except (ImportError, OSError) as error:  # OSError: a shared library that does not load
        cause = " ".join(str(error).split())
        raise MissingPackageError(
            f"This needs {package}, which cannot be loaded here ({cause}); run: {install}"
        ) from error
