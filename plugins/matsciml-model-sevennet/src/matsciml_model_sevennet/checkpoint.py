"""The authors' files of weights, read without running anything in them."""

from __future__ import annotations

import codecs
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy._core import multiarray
from torch import Tensor

from matsciml_core import PretrainedSpec
from matsciml_core.model.foreign import packaged_weights

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
    path = f"pretrained_potentials/{spec.weights.rpartition(', ')[2]}"
    file = packaged_weights("sevenn", "0.13.0", path, spec.digest)
    with torch.serialization.safe_globals(_PLAIN_ARRAYS):
        content = torch.load(file, map_location="cpu", weights_only=True)
    config = content["config"]
    return Checkpoint(
        tensors=content["model_state_dict"],
        rows=config["_type_map"],
        levels=config.get("_modal_map") or {},
    )
