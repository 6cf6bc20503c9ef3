"""The layout in which the MEGNet weights were published, translated into this plugin's names."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from matsciml_core.errors import DataError
from matsciml_core.interfaces.config import validate
from matsciml_model_megnet.config import MEGNetConfig
from matsciml_model_megnet.encoder import ELEMENT_ROWS

_ELEMENTS = "embedding.layer_node_embedding.weight"
_STATES = "embedding.layer_state_embedding.weight"

_RULES = (
    (r"^bond_expansion\.rbf\.centers$", "encoder.expansion.centres"),
    (r"^embedding\.layer_state_embedding", "encoder.state_embedding"),
    (r"(edge|node|state)_encoder\.", r"encoder.encode_\1."),
    (r"^blocks\.(\d+)\.conv\.(edge|node|state)_func\.", r"encoder.blocks.\1.update.\2."),
    (r"^blocks\.(\d+)\.(edge|node|state)_func\.", r"encoder.blocks.\1.dense.\2."),
    (r"(edge|node)_s2s\.lstm\.(weight|bias)_ih_l(\d+)", r"encoder.read_\1.cells.\3.input.\2"),
    (r"(edge|node)_s2s\.lstm\.(weight|bias)_hh_l(\d+)", r"encoder.read_\1.cells.\3.recurrent.\2"),
    (r"^output_proj\.", "heads.0."),
    (r"([._])edge\.", r"\1edges."),
    (r"([._])node\.", r"\1atoms."),
)
"""Applied one after the other. Published dense layers are numbered 0, 2, 4; ours 0, 1, 2."""

_TARGETS = {
    "formation energy, eV/atom": {"name": "formation_energy_per_atom", "unit": "eV/atom"},
    "band gap, eV": {"name": "band_gap", "unit": "eV"},
}
_REFERENCES = (
    "Chen, Ye, Zuo, Zheng, Ong, Chem. Mater. 31, 3564 (2019), doi:10.1021/acs.chemmater.9b01294",
    "Chen, Zuo, Ye, Li, Ong, Nat. Comput. Sci. 1, 46 (2021), doi:10.1038/s43588-020-00002-x",
)


def new_name(published: str) -> str:
    """Return this plugin's name for a published dense layer, LSTM or state embedding."""
    name = re.sub(r"layers\.(\d+)", lambda found: f"layers.{int(found[1]) // 2}", published)
    for pattern, replacement in _RULES:
        name = re.sub(pattern, replacement, name)
    return name


def rename(published: Mapping[str, Tensor], symbols: Sequence[str]) -> dict[str, Tensor]:
    """Return the tensors under this plugin's names, elements in the rows of their numbers.

    Args:
        published: Tensors by published name, ``(out, in)`` or ``(out,)``, dimensionless.
        symbols: Chemical symbols in the order of the published element table.

    Raises:
        KeyError: The element table is missing.
    """
    table = published[_ELEMENTS]
    renamed = {new_name(name): value for name, value in published.items() if name != _ELEMENTS}
    # Elements that the network was not trained on get the mean of the others.
    rows = table.mean(dim=0).repeat(ELEMENT_ROWS, 1)
    rows[torch.tensor(_numbers(symbols))] = table
    return {"encoder.element_embedding.weight": rows, **renamed}


def describe(published: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> dict[str, Any]:
    """Return what ``model.json`` says about a published network.

    Args:
        published: The published description.
        tensors: The published tensors, ``(out, in)`` or ``(out,)``, dimensionless; their shapes
            give the widths.

    Raises:
        KeyError: An entry or tensor is missing.
        DataError: The network has a feature that this plugin does not know.
    """
    target = published["target"]
    if target["kind"] not in _TARGETS:
        raise DataError(
            f"The published network predicts '{target['kind']}'; this plugin reads networks for "
            f"{' or '.join(_TARGETS)}."
        )
    settings = _settings(published["hyper"], tensors)
    config = validate(MEGNetConfig, settings, where="encoder")
    return {
        "encoder": {"name": "megnet", "config": config.model_dump(mode="json")},
        "heads": [
            {
                "name": "megnet-published",
                "config": {
                    "widths": _widths(tensors, "output_proj"),
                    "activation": "softplus2",
                },
                "targets": [{**_TARGETS[target["kind"]], "kind": "scalar"}],
                "normalisation": {"mean": target["mean"], "std": target["std"]},
            }
        ],
        "source": published["name"],
        "elements": list(published["element_types"]),
        "references": list(_REFERENCES),
    }


def _settings(hyper: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> dict[str, Any]:
    centres = hyper["gaussian_centers"]
    if hyper["activation"] != "softplus(x)-ln2" or centres["first"] != 0.0:
        raise DataError(
            "The published network has another activation or other Gaussians than MEGNet's "
            "softplus(x) - ln 2 and centres from 0 Å; this plugin cannot represent it."
        )
    if abs(centres["last"] - hyper["cutoff"] - 1.0) > 1e-6:
        raise DataError(
            f"The published Gaussians end at {centres['last']} Å; this plugin needs them to end "
            f"1 Å beyond the cutoff, {hyper['cutoff']} Å."
        )
    settings = {
        "cutoff": hyper["cutoff"],
        "num_blocks": hyper["nblocks"],
        "hidden_widths": _widths(tensors, "edge_encoder"),
        "convolution_widths": _widths(tensors, "blocks.0.conv.edge_func"),
        "elements": "learnt",
        "element_width": tensors[_ELEMENTS].shape[1],
        "gaussian_centres": centres["number"],
        "gaussian_exponent": hyper["gaussian_exponent_factor"],
        "set2set_layers": hyper["s2s_layers"],
        "set2set_iterations": hyper["s2s_iterations"],
        "dropout": hyper["dropout"],
    }
    if _STATES not in tensors:
        return {**settings, "state": "zeros"}
    rows, width = tensors[_STATES].shape
    return {**settings, "state": "embedding", "state_rows": rows, "state_width": width}


def _widths(tensors: Mapping[str, Tensor], stack: str) -> list[int]:
    """Return the output widths of a published stack of dense layers."""
    pattern = re.compile(re.escape(stack) + r"\.layers\.(\d+)\.bias")
    found = {int(m[1]): len(tensors[name]) for name in tensors if (m := pattern.fullmatch(name))}
    if not found:
        raise KeyError(f"{stack}.layers.0.bias")
    return [found[number] for number in sorted(found)]


def _numbers(symbols: Sequence[str]) -> list[int]:
    # Only a conversion needs it, and it takes a second to load.
    from pymatgen.core import Element  # noqa: PLC0415

    return [Element(symbol).Z for symbol in symbols]
