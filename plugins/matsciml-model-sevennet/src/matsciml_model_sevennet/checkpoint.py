"""The authors' files of weights, read without running anything in them."""

from __future__ import annotations

import codecs
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy._core import multiarray
from torch import Tensor

from matsciml_core import PretrainedSpec
from matsciml_core.errors import DataError
from matsciml_core.files import hash_of

# Beside tensors the files hold their settings, with arrays of NumPy: these rebuild plain numbers,
# and nothing else can be called. Files are known by their hashes on top of that.
_PLAIN_ARRAYS: list[Any] = [
    (multiarray._reconstruct, "numpy.core.multiarray._reconstruct"),
    np.ndarray,
    np.dtype,
    np.dtypes.Float32DType,
    np.dtypes.Float64DType,
    codecs.encode,
]


@dataclass(frozen=True)
class Checkpoint:
    """What is used of a file of weights."""

    tensors: Mapping[str, Tensor]
    """The tensors of the authors' network."""
    rows: Mapping[int, int]
    """Atomic number → row in the tensors that go by element."""
    levels: Mapping[str, int]
    """Level of theory → row in the tensors that go by it; empty: there is one level."""


def read(spec: PretrainedSpec) -> Checkpoint:
    """Read the file that a record names.

    The package itself is not imported.

    Args:
        spec: The model.

    Raises:
        DataError: The file is not there, or not the one that the record names.
    """
    file = weights_folder() / spec.weights.rpartition(", ")[2]
    if not file.is_file() or hash_of(file) != spec.digest:
        raise DataError(
            f"'{file}' is missing or not the file of sevenn 0.13.0; install it anew with: "
            "pip install --force-reinstall --no-deps sevenn==0.13.0"
        )
    with torch.serialization.safe_globals(_PLAIN_ARRAYS):
        content = torch.load(file, map_location="cpu", weights_only=True)
    config = content["config"]
    return Checkpoint(
        tensors=content["model_state_dict"],
        rows=config["_type_map"],
        levels=config.get("_modal_map") or {},
    )


def weights_folder() -> Path:
    """Return the folder of weights in the installed package.

    Raises:
        DataError: The package is not installed.
    """
    package = find_spec("sevenn")
    if package is None or not package.submodule_search_locations:
        raise DataError("sevenn is not installed; run: pip install sevenn==0.13.0")
    return Path(package.submodule_search_locations[0]) / "pretrained_potentials"
