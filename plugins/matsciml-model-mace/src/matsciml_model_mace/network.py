"""Building the network of mace-torch, which changes its process when it is imported."""

from __future__ import annotations

import os
import warnings
from typing import Any

import numpy as np
import torch

from matsciml_model_mace.config import MACEConfig

_UNSAFE = "TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD"
"""Set by mace-torch for the whole process: torch.load then runs whatever a file asks for."""


def import_mace() -> Any:
    """Import the layers of mace-torch, and leave the process as it was.

    e3nn 0.4.4 reads a table of its own that holds a ``slice``, which torch takes for unsafe.
    """
    before = os.environ.get(_UNSAFE)
    with warnings.catch_warnings(), torch.serialization.safe_globals([slice]):
        warnings.simplefilter("ignore")
        import e3nn.o3  # noqa: F401, PLC0415 - first, while its table may be read
        from mace import modules  # noqa: PLC0415
    if before is None:
        os.environ.pop(_UNSAFE, None)
    return modules


def irreps_of(width: int, degree: int) -> str:
    """Return the irreducible representations of features up to a degree, as e3nn writes them.

    Args:
        width: Features of each degree.
        degree: The highest; parity is that of the spherical harmonics.
    """
    return " + ".join(f"{width}x{one}{'eo'[one % 2]}" for one in range(degree + 1))


def build_network(config: MACEConfig) -> Any:
    """Return a network with new weights, and with no energies of free atoms.

    Args:
        config: Its settings.
    """
    modules = import_mace()
    from e3nn import o3  # noqa: PLC0415 - after import_mace

    heads = len(config.heads)
    options = {
        "r_max": config.cutoff,
        "num_bessel": config.radial_functions,
        "num_polynomial_cutoff": config.envelope_power,
        "max_ell": config.max_degree,
        "interaction_cls": modules.interaction_classes[config.interaction],
        "interaction_cls_first": modules.interaction_classes[config.first_interaction],
        "num_interactions": config.num_interactions,
        "num_elements": len(config.elements),
        "hidden_irreps": o3.Irreps(irreps_of(config.width, config.hidden_degree)),
        "MLP_irreps": o3.Irreps(f"{config.readout_width}x0e"),
        "gate": torch.nn.functional.silu,
        "atomic_energies": np.zeros((heads, len(config.elements))),
        "avg_num_neighbors": config.avg_num_neighbors,
        "atomic_numbers": list(config.elements),
        "correlation": config.correlation,
        "radial_type": config.radial_type,
        "radial_MLP": list(config.radial_widths),
        "distance_transform": config.distance_transform,
        "pair_repulsion": config.repulsion,
        "use_reduced_cg": config.reduced_coupling,
        "heads": list(config.heads),
    }
    if config.network == "ScaleShiftMACE":
        options |= {"atomic_inter_scale": [1.0] * heads, "atomic_inter_shift": [0.0] * heads}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of torch, about TorchScript
        return getattr(modules, config.network)(**options)
