"""The packages that only the judging of generated crystals needs."""

from __future__ import annotations

import warnings
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from matsciml_core.errors import MissingPackageError

INSTALL = "pip install 'matsciml[generation]'"


def require(package: str, purpose: str) -> None:
    """Refuse at once, before anything is read, what would fail for want of a package.

    Args:
        package: Its name.
        purpose: What it is for, as the beginning of a sentence.

    Raises:
        MissingPackageError: It is not installed.
    """
    if find_spec(package) is None:
        raise MissingPackageError(
            f"{purpose} needs {package}, which is not installed; run: {INSTALL}"
        )


def import_judge(module: str, purpose: str) -> Any:
    """Import a module of an optional package.

    Args:
        module: Its full name, for example ``smact.screening``.
        purpose: What it is for, as the beginning of a sentence.

    Returns:
        The module.

    Raises:
        MissingPackageError: It is not installed, or cannot be imported here.
    """
    package = module.partition(".")[0]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what the packages use of others is their business
            return import_module(module)
    except ImportError as error:
        cause = "is not installed"
        if (error.name or "").partition(".")[0] != package:
            cause = f"cannot be imported ({' '.join(str(error).split())})"
        raise MissingPackageError(
            f"{purpose} needs {package}, which {cause}; run: {INSTALL}"
        ) from error
