"""The weights that come with the authors' package, as an encoder and heads of MatSciML."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from matsciml_core import Encoder, PretrainedSpec, Registry, TargetInfo, Task
from matsciml_core.model.components import build_head
from matsciml_core.model.foreign import ENERGY_LABELS, packaged_weights
from matsciml_model_chgnet.config import CHGNetConfig
from matsciml_model_chgnet.encoder import ELEMENTS, CHGNet

MOMENTS = TargetInfo(name="magnetic_moment", kind="scalar", unit="μB", per_atom=True)
_FILES = {
    "chgnet": "pretrained/0.3.0/chgnet_0.3.0_e29f68s314m37.pth.tar",
    "chgnet-r2scan": "pretrained/r2scan/chgnet_r2scan_transfer_learning_e15f36s161m23.pth.tar",
}
"""Name of the model → its file in the package."""
_READOUT = (0, 2, 4, 7)
"""The dense layers among those of the authors' read-out, which counts activations."""


def build(spec: PretrainedSpec, registry: Registry) -> tuple[Encoder, list[Task]]:
    """Return CHGNet with the published weights, and heads for energy, forces, stress and moments.

    The package itself is not imported: only its file is read, and nothing in it can run.

    Args:
        spec: Which of the models.
        registry: Where the heads are from.

    Raises:
        DataError: The file is not the one that the record names.
        RegistryError: A head is not installed.
    """
    file = packaged_weights("chgnet", "0.4.2", _FILES[spec.name], spec.digest)
    # weights_only: tensors, numbers and text, where the package itself would unpickle anything.
    state = torch.load(file, map_location="cpu", weights_only=True)["model"]["state_dict"]
    encoder = CHGNet(CHGNetConfig())
    encoder.load_state_dict(dict(encoder_state(state)))
    return encoder, [
        Task(dataset=spec.name, head_name=name, head=head)
        for name, head in (
            ("energy-forces", _energy_head(encoder, state, registry)),
            ("regression", _moments_head(encoder, registry)),
        )
    ]


def encoder_state(state: Mapping[str, Tensor]) -> Iterator[tuple[str, Tensor]]:
    """Yield the tensors of the encoder by the names that they have here.

    Args:
        state: The tensors of the authors' network, ``(out, in)`` for weights and ``(out,)`` for
            biases, dimensionless.
    """
    yield "elements.weight", state["atom_embedding.embedding.weight"]
    for ours, theirs in (("lengths", "ag"), ("short_lengths", "bg")):
        name = f"bond_basis_expansion.rbf_expansion_{theirs}.frequencies"
        yield f"{ours}.frequencies", state[name]
    yield "angles.frequencies", state["angle_basis_expansion.fourier_expansion.frequencies"]
    for ours, theirs in (
        ("bond_embedding", "bond_embedding"),
        ("atom_weights", "bond_weights_ag"),
        ("bond_weights", "bond_weights_bg"),
        ("angle_embedding", "angle_embedding"),
        ("moments", "site_wise"),
        ("norm", "readout_norm"),
    ):
        for part in ("weight", "bias"):
            if f"{theirs}.{part}" in state:
                yield f"{ours}.{part}", state[f"{theirs}.{part}"]
    for ours, theirs, perceptron, count in (
        ("atom_layers", "atom_conv_layers", "twoBody_atom", 4),
        ("bond_layers", "bond_conv_layers", "twoBody_bond", 3),
    ):
        for number in range(count):
            source = f"{theirs}.{number}"
            gated = _gated(state, f"{source}.{perceptron}", hidden=True)
            yield from ((f"{ours}.{number}.message.{name}", value) for name, value in gated)
            yield f"{ours}.{number}.out.weight", state[f"{source}.mlp_out.layers.1.weight"]
    for number in range(2):
        gated = _gated(state, f"angle_layers.{number}.twoBody_bond", hidden=False)
        yield from ((f"angle_layers.{number}.{name}", value) for name, value in gated)


def _gated(state: Mapping[str, Tensor], name: str, *, hidden: bool) -> Iterator[tuple[str, Tensor]]:
    """Yield the tensors of a :class:`GatedPerceptron`, whose first layers are one."""
    first = 0 if hidden else 1  # without a hidden layer the dropout comes first
    for part in ("weight", "bias"):
        both = [state[f"{name}.mlp_{half}.layers.{first}.{part}"] for half in ("core", "gate")]
        yield f"first.{part}", torch.cat(both)
        for half, norm in (("core", "bn1"), ("gate", "bn2")):
            yield f"{half}_norm.{part}", state[f"{name}.{norm}.{part}"]
            if hidden:
                yield f"{half}.{part}", state[f"{name}.mlp_{half}.layers.3.{part}"]


def _energy_head(encoder: Encoder, state: Mapping[str, Tensor], registry: Registry) -> Any:
    """Return the head of the energy and its derivatives."""
    spec = registry.get("task-head", "energy-forces")
    settings = {"hidden": (64, 64, 64)}
    head: Any = build_head(registry, spec, ENERGY_LABELS, encoder, settings)
    with torch.no_grad():
        for layer, number in zip(head.layers.layers, _READOUT, strict=True):
            weight = state[f"mlp.layers.{number}.weight"]
            # The first layer sees the moment too, which the authors' energy does not depend on.
            layer.weight.zero_()[:, : weight.shape[1]] = weight
            if layer.bias is not None:
                layer.bias.copy_(state[f"mlp.layers.{number}.bias"])
        # The bias of the last layer is an energy per atom, which the head has in double precision.
        head.mean.copy_(state[f"mlp.layers.{_READOUT[-1]}.bias"][0])
        elements = state["composition_model.fc.weight"][0]
        head.references[1 : ELEMENTS + 1] = elements
    return head


def _moments_head(encoder: Encoder, registry: Registry) -> Any:
    """Return the head that hands on the encoder's last feature, the moment in μB."""
    spec = registry.get("task-head", "regression")
    head: Any = build_head(registry, spec, (MOMENTS,), encoder, {"hidden": []})
    (layer,) = head.layers.layers
    with torch.no_grad():
        layer.weight.zero_()[:, -1] = 1.0
        layer.bias.zero_()
    return head
