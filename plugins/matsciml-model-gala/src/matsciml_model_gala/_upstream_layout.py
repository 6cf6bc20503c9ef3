"""The names under which the benchmark paper's program keeps a GALA network, translated."""

from __future__ import annotations

import re
from collections.abc import Mapping

import torch
from torch import Tensor

from matsciml_model_gala.encoder import ELEMENT_ROWS

_RULES = (
    (r"^(tied|invar)_att_nets\.(\d+)\.", r"layers.\2.attention."),
    (r"^eqvar_att_nets\.(\d+)\.", r"updates.\1.attention."),
    (r"^eqvar_norm_layers\.(\d+)\.norm$", r"updates.\1.norm.norm"),
    (r"^nonlin_mlps\.(\d+)\.0\.", r"layers.\1.mixing.first."),
    (r"^nonlin_mlps\.(\d+)\.3\.", r"layers.\1.mixing.last."),
    (r"^final_mlp\.0\.", "final_norm."),
    (r"^final_mlp\.1\.", "final.first."),
    (r"^final_mlp\.4\.", "final.last."),
    (r"value_net\.0\.", "input_norm."),
    (r"value_net\.1\.", "value.first."),
    (r"value_net\.4\.", "value.last."),
    (r"(score|scale)_net\.0\.", r"\1.first."),
    (r"(score|scale)_net\.3\.", r"\1.last."),
    (r"norm\.mu$", "norm.mean"),
    (r"norm\.sigma$", "norm.deviation"),
    (r"vector_kernels$", "vector"),
)
"""Applied one after the other."""

_UNUSED = re.compile(
    r"^(score_nets|value_nets|scale_nets|energy_projection)\.|\.(momentum|epsilon)$"
)
"""Networks that are used under another name, or not at all, and constants."""


def rename(upstream: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return a network's tensors under this plugin's names, element types in equal rows.

    The dense layer on [one-hot(centre) + one-hot(member), one-hot(centre) − one-hot(member)],
    with weight (W₊, W₋), becomes two tables: W₊ + W₋ for the centre, W₊ − W₋ for the member.
    Covariant parts of tied layers are dropped, because their result is not used.

    Args:
        upstream: Tensors by name, ``(out, in)`` or ``(out,)``, dimensionless.

    Returns:
        The state of a :class:`~matsciml_model_gala.encoder.GALA` of the same settings.
    """
    plus, minus = upstream["up_project.weight"].chunk(2, dim=1)  # (hidden, types) each
    state = {
        "centre_table.weight": _rows((plus + minus).T),
        "member_table.weight": _rows((plus - minus).T),
        "pair_bias": upstream["up_project.bias"],
    }
    kernels: dict[str, dict[int, Tensor]] = {}
    for name, tensor in upstream.items():
        if _is_unused(name):
            continue
        kernel = re.fullmatch(r"(.*)(merge|join)_kernels\.(\d+)", name)
        if kernel:
            key = new_name(kernel[1]) + kernel[2]
            kernels.setdefault(key, {})[int(kernel[3])] = tensor
        else:
            state[new_name(name)] = tensor
    stacked = {key: torch.stack([k[n] for n in sorted(k)]) for key, k in kernels.items()}
    return state | stacked


def new_name(upstream: str) -> str:
    """Return this plugin's name for a tensor."""
    for pattern, replacement in _RULES:
        upstream = re.sub(pattern, replacement, upstream)
    return upstream


def _is_unused(name: str) -> bool:
    if name.startswith("tied_att_nets.") and re.search(r"scale_net\.|vector_kernels$", name):
        return True
    return name.startswith("up_project.") or _UNUSED.search(name) is not None


def _rows(table: Tensor) -> Tensor:
    rows = table.new_zeros(ELEMENT_ROWS, table.shape[1])
    rows[: len(table)] = table
    return rows
