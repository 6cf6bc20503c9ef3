"""A model of this project out of a file of MatterSim's weights, without mattersim."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from matsciml_core import Registry, Task
from matsciml_core.errors import DataError
from matsciml_core.interfaces.elements import symbol
from matsciml_core.model.components import build_head
from matsciml_core.model.foreign import ENERGY_LABELS, Provenance
from matsciml_core.model.storage import save_model
from matsciml_core.model.undisturbed import undisturbed
from matsciml_model_mattersim.config import MatterSimConfig
from matsciml_model_mattersim.encoder import HEAVIEST, MatterSim
from matsciml_model_mattersim.layers import DEGREES, RADIAL
from matsciml_model_mattersim.records import PAPER

ELEMENTS = (*range(1, 84), *range(89, 95))
"""The 89 elements that the paper has data of; files have rows for all up to plutonium."""
_BASES = ("rbf.", "sbf.")
"""What of a file follows from the settings."""


def convert(
    file: Path, folder: Path, provenance: Provenance, registry: Registry
) -> MatterSimConfig:
    """Write a model of a file of weights.

    Args:
        file: What mattersim saved of a network.
        folder: Where to write it; made if it does not exist.
        provenance: What to record of the weights.
        registry: Where the head for energies is looked up.

    Returns:
        The settings that the file was found to have.

    Raises:
        DataError: The file is none of MatterSim, or has what the encoder has not.
        RegistryError: The head for energies is not installed.
    """
    state, arguments = read_checkpoint(file)
    try:
        config = settings_of(state, arguments)
        tensors = dict(encoder_state(state, config))
        with undisturbed():  # layers start with random numbers
            encoder = MatterSim(config)
            encoder.load_state_dict(tensors)
            head = _energy_head(encoder, state["normalizer.shift"], registry)
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise DataError(
            f"The tensors in '{file}' are not those of M3GNet in mattersim 1.2.3 ({error}); use it "
            "by mattersim itself."
        ) from error
    known = [symbol(number) for number in ELEMENTS]
    folder.mkdir(parents=True, exist_ok=True)  # not before it is known that there is a model
    save_model(
        folder,
        "mattersim",
        encoder,
        [Task(dataset="mattersim", head_name="energy-forces", head=head)],
        {
            "pretrained": provenance.record(file, known, isolated_atoms=False),
            "elements": known,
            "citations": [PAPER.bibtex()],
        },
    )
    return config


def read_checkpoint(file: Path) -> tuple[dict[str, Tensor], Mapping[str, Any]]:
    """Return the tensors of a file and what its network was built with; nothing is run.

    The state of the optimiser and the average of the weights are left: mattersim predicts with the
    weights themselves.

    Raises:
        DataError: It is no such file.
    """
    hint = "name the '.pth' file that mattersim fetches or saves"
    try:
        found = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # whatever a damaged pickle leads to
        problem = str(error).strip().splitlines()[:1]
        raise DataError(
            f"'{file}' is no file of plain values and tensors by torch.save "
            f"({' '.join(problem)}); {hint}."
        ) from error
    parts = found if isinstance(found, Mapping) else {}
    state, arguments = parts.get("model"), parts.get("model_args")
    if not isinstance(state, Mapping) or not isinstance(arguments, Mapping):
        raise DataError(f"'{file}' has no 'model' with 'model_args'; {hint}.")
    if parts.get("model_name") != "m3gnet":
        raise DataError(
            f"The network in '{file}' is '{parts.get('model_name')}', and 'm3gnet' can be used."
        )
    if not all(isinstance(tensor, Tensor) for tensor in state.values()):
        raise DataError(f"The 'model' in '{file}' holds more than tensors; {hint}.")
    return dict(state), arguments


def settings_of(state: Mapping[str, Tensor], arguments: Mapping[str, Any]) -> MatterSimConfig:
    """Return the settings of the network that tensors belong to.

    Args:
        state: Those of the file: layers, ``(out, in)``, dimensionless.
        arguments: What the network was built with.

    Raises:
        KeyError: Something is missing.
        ValueError: The network has another basis, or other elements.
    """
    if (arguments["max_n"], arguments["max_l"]) != (RADIAL, DEGREES):
        raise ValueError(f"its bases are not {RADIAL} radial and {DEGREES} angular functions")
    if state["atom_embedding.mlp.0.linear.weight"].shape[1] != HEAVIEST + 1:
        raise ValueError("its elements are not those up to plutonium")
    options = {
        "width": int(arguments["units"]),
        "num_blocks": int(arguments["num_blocks"]),
        "cutoff": float(arguments["cutoff"]),
        "three_body_cutoff": float(arguments["threebody_cutoff"]),
    }
    return MatterSimConfig.from_options(options, where="mattersim")


def encoder_state(
    state: Mapping[str, Tensor], config: MatterSimConfig
) -> Iterator[tuple[str, Tensor]]:
    """Yield the tensors of the encoder by the names that they have here.

    Args:
        state: Those of the file: layers, ``(out, in)``, dimensionless but for the scales of
            energies, ``(95,)``, eV.
        config: The settings of the network.

    Raises:
        ValueError: The file has tensors for which there is no place.
    """
    left = dict(state)
    yield "elements.weight", left.pop("atom_embedding.mlp.0.linear.weight").T.contiguous()
    yield "edges.weight", left.pop("edge_encoder.mlp.0.linear.weight")
    yield "scales", left.pop("normalizer.scale")
    yield from _gated("readout", "final", left, 3)
    for number in range(config.num_blocks):
        ours, theirs = f"interactions.{number}", f"graph_conv.{number}"
        for part in ("weight", "bias"):
            yield f"{ours}.mask.{part}", left.pop(f"{theirs}.three_body.atom_mlp.linear.{part}")
        yield from _gated(
            f"{ours}.angles", f"{theirs}.three_body.edge_gate_mlp", left, 1, parts=("weight",)
        )
        for one, its in (("atoms", "atom"), ("edges", "edge")):
            yield from _gated(f"{ours}.{one}", f"{theirs}.gated_mlp_{its}", left, 2)
            weights = left.pop(f"{theirs}.edge_layer_{its}.linear.weight")
            yield f"{ours}.{one[:-1]}_weights.weight", weights
    del left["normalizer.shift"]  # of the head
    unknown = sorted(name for name in left if not name.startswith(_BASES))
    if unknown:
        raise ValueError(f"no place for {', '.join(unknown[:3])}")


def _gated(
    ours: str,
    theirs: str,
    left: dict[str, Tensor],
    layers: int,
    parts: tuple[str, ...] = ("weight", "bias"),
) -> Iterator[tuple[str, Tensor]]:
    """Yield the tensors of a gated perceptron, and take them out of those that are left."""
    for part in parts:
        first = [left.pop(f"{theirs}.{branch}.0.linear.{part}") for branch in ("g", "sigma")]
        yield f"{ours}.first.{part}", torch.cat(first)
        for layer in range(1, layers):
            for name, branch in (("core", "g"), ("gate", "sigma")):
                tensor = left.pop(f"{theirs}.{branch}.{layer}.linear.{part}")
                yield f"{ours}.{name}.{layer - 1}.{part}", tensor


def _energy_head(encoder: MatterSim, shifts: Tensor, registry: Registry) -> Any:
    """Return the head that adds constants to the encoder's energies: one for each element."""
    spec = registry.get("task-head", "energy-forces")
    head: Any = build_head(registry, spec, ENERGY_LABELS, encoder, {"hidden": []})
    (layer,) = head.layers.layers
    with torch.no_grad():
        layer.weight.zero_()[:, -1] = 1.0
        head.references[: HEAVIEST + 1] = shifts.double()
    return head
