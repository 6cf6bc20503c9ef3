"""Small networks of mace-torch with new weights, in the files that it writes."""

from __future__ import annotations

import pytest
import torch


@pytest.fixture
def write_network(tmp_path):
    """Give a function that saves a network, and returns the file."""
    pytest.importorskip("mace", reason="mace-torch is not installed")
    from matsciml_model_mace.network import import_mace

    modules = import_mace()
    import numpy as np
    from e3nn import o3

    def built_of(key, value):
        """Return the object of mace-torch or e3nn that a text names."""
        if key.startswith("interaction_cls"):
            return modules.interaction_classes[value]
        if key == "readout_cls":
            return modules.readout_classes[value]
        return o3.Irreps(value) if "irreps" in key else value

    def write(name="small", *, network="ScaleShiftMACE", dtype=torch.float64, heads=(), **options):
        torch.manual_seed(4)
        rows = max(len(heads), 1)
        scale = {"atomic_inter_scale": [0.8, 0.7], "atomic_inter_shift": [0.1, 0.2]}
        if not heads:
            scale = {"atomic_inter_scale": 0.8, "atomic_inter_shift": 0.1}
        residual = modules.interaction_classes["RealAgnosticResidualInteractionBlock"]
        settings = {
            "r_max": 4.5,
            "num_bessel": 6,
            "num_polynomial_cutoff": 5,
            "max_ell": 2,
            "interaction_cls": residual,
            "interaction_cls_first": residual,
            "num_interactions": 2,
            "num_elements": 4,
            "hidden_irreps": o3.Irreps("8x0e + 8x1o"),
            "MLP_irreps": o3.Irreps("16x0e"),
            "gate": torch.nn.functional.silu,
            "atomic_energies": -np.arange(1.0, 1.0 + 4 * rows).reshape(rows, 4),
            "avg_num_neighbors": 20.3,
            "atomic_numbers": [8, 11, 12, 17],
            "correlation": 3,
            "heads": list(heads) or None,
            **(scale if network == "ScaleShiftMACE" else {}),
            **{key: built_of(key, value) for key, value in options.items()},
        }
        torch.set_default_dtype(dtype)
        try:
            built = getattr(modules, network)(**settings)
            torch.save(built, tmp_path / f"{name}.model")
        finally:
            torch.set_default_dtype(torch.float32)
        return tmp_path / f"{name}.model"

    return write
