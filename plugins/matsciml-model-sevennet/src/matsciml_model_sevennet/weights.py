"""The weights that come with the authors' package, as an encoder and a head of MatSciML.

The authors' layers are those of e3nn, which divide by the square root of the width that arrives,
and multiply activations by what gives them unit variance. Both are constants, and are multiplied
into the weights here.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from e3nn import o3
from e3nn.math import normalize2mom
from torch import Tensor
from torch.nn import functional

from matsciml_core import Encoder, PretrainedSpec, Registry, Task
from matsciml_core.model.components import build_head
from matsciml_core.model.foreign import ENERGY_LABELS
from matsciml_model_sevennet.checkpoint import Checkpoint, read
from matsciml_model_sevennet.config import SevenNetConfig
from matsciml_model_sevennet.encoder import SevenNet
from matsciml_model_sevennet.layers import Convolution, DegreeLinear, Interaction

_L3I5 = SevenNetConfig(
    widths=(128, 64, 32, 32), envelope="polynomial", avg_num_neighbors=35.984718322753906
)
_CONFIGS = {
    "sevennet-0": SevenNetConfig(),
    "sevennet-l3i5": _L3I5,
    "sevennet-mf-0": SevenNetConfig(scalar_bias=True),
    "sevennet-mf-0-r2scan": SevenNetConfig(scalar_bias=True),
}
_LEVELS = {"sevennet-mf-0": "PBE", "sevennet-mf-0-r2scan": "R2SCAN"}


def build(spec: PretrainedSpec, registry: Registry) -> tuple[Encoder, list[Task]]:
    """Return SevenNet with the published weights, and the head for energy, forces and stress.

    Args:
        spec: Which of the models.
        registry: Where the head is from.

    Raises:
        DataError: The file is not the one that the record names.
        RegistryError: The head is not installed.
    """
    source = Source(read(spec), _LEVELS.get(spec.name))
    encoder = SevenNet(_CONFIGS[spec.name])
    encoder.load_state_dict(dict(source.encoder_state(encoder)))
    head = source.head(encoder, registry)
    return encoder, [Task(dataset=spec.name, head_name="energy-forces", head=head)]


class Source:
    """The tensors of the authors' network, as those of this one, all in float64."""

    def __init__(self, checkpoint: Checkpoint, level: str | None = None) -> None:
        """Keep them.

        Args:
            checkpoint: What was read.
            level: One of its levels of theory; None: it has one.
        """
        self.rows = checkpoint.rows
        self.tensors = {name: value.double() for name, value in checkpoint.tensors.items()}
        self.levels = max(len(checkpoint.levels), 1)
        self.level = checkpoint.levels[level] if level is not None else None
        self.gain = float(normalize2mom(functional.silu).cst)
        """What e3nn multiplies silu by."""

    def encoder_state(self, encoder: SevenNet) -> Iterator[tuple[str, Tensor]]:
        """Yield the tensors of the encoder.

        Args:
            encoder: Where they go.
        """
        table = torch.zeros_like(encoder.elements.weight, dtype=torch.float64)
        elements = self.tensors["onehot_to_feature_x.linear.weight"].view(len(self.rows), -1)
        for number, row in self.rows.items():
            table[number] = elements[row] / math.sqrt(len(self.rows))
        yield "elements.weight", table
        yield "radial.wave_numbers", self.tensors["edge_embedding.basis_function.coeffs"]
        for number, layer in enumerate(encoder.layers):
            # Features that come from another layer have its activation's gain still to come.
            gain = self.gain if number else 1.0
            for name, value in self._layer_state(layer, number, gain):  # type: ignore[arg-type]
                yield f"layers.{number}.{name}", value

    def _layer_state(
        self, layer: Interaction, number: int, gain: float
    ) -> Iterator[tuple[str, Tensor]]:
        for ours, theirs, factor in (
            ("mix_neighbours", "self_interaction_1", gain),
            ("mix_messages", "self_interaction_2", 1.0),
            ("self_connection", "self_connection_intro", gain),
        ):
            own: DegreeLinear = getattr(layer, ours)
            shapes = [tuple(weight.shape) for weight in own.weights]
            weights, bias = self.linear(f"{number}_{theirs}", shapes, biased=own.bias is not None)
            for degree, weight in enumerate(weights):
                yield f"{ours}.weights.{degree}", factor * weight
            if bias is not None:
                yield f"{ours}.bias", bias
        name = f"{number}_convolution"
        network = f"{name}.weight_nn.layer"
        count = len(layer.convolution.radial)
        for index in range(count + 1):
            weight = self.tensors[f"{network}{index}.weight"]
            weight = weight / math.sqrt(len(weight)) * (self.gain if index else 1.0)
            if index < count:
                yield f"convolution.radial.{index}.weight", weight.T
            else:
                signs = self._signs(layer.convolution, f"{name}.convolution")
                yield "convolution.weight", weight * signs

    def linear(
        self, name: str, shapes: Sequence[tuple[int, int]], *, biased: bool
    ) -> tuple[list[Tensor], Tensor | None]:
        """Return the matrices of each degree of a linear layer, and what is added to scalars.

        A layer that knows the level of theory has it as further scalars, of which one is 1: the
        row of that one is added.

        Args:
            name: The layer.
            shapes: Of the matrix of each degree.
            biased: Whether the layer knows the level of theory.
        """
        flat = self.tensors[f"{name}.linear.weight"]
        parts = list(
            flat.split(
                [first * second for first, second in shapes]
                + [self.levels * shapes[0][1] if biased else 0]
            )
        )
        extra = parts.pop()
        arriving = [first for first, _ in shapes]
        if biased:
            arriving[0] += self.levels
        matrices = [
            part.view(shape) / math.sqrt(width)
            for part, shape, width in zip(parts, shapes, arriving, strict=True)
        ]
        if not biased or self.level is None:
            return matrices, None
        return matrices, extra.view(self.levels, -1)[self.level] / math.sqrt(arriving[0])

    def _signs(self, convolution: Convolution, name: str) -> Tensor:
        """Return ±1 for each weight per edge: the sign of its path's coefficients then and now.

        Versions of e3nn differ in the sign of some, which the file therefore holds.
        """
        signs = []
        for width, paths in zip(convolution.arriving, convolution.paths, strict=True):
            for path in paths:
                degrees = (path.degree_in, path.degree_edge, path.degree_out)
                stored = self.tensors.get(
                    f"{name}._compiled_main_left_right._w3j_{'_'.join(map(str, degrees))}"
                )
                product = torch.ones(())
                if stored is not None:
                    product = (stored * o3.wigner_3j(*degrees, dtype=torch.float64)).sum()
                signs.append(product.sign().double().expand(width))
        return torch.cat(signs)

    def head(self, encoder: SevenNet, registry: Registry) -> Any:
        """Return the head of the energy and its derivatives.

        Two linear layers without an activation between them are one.

        Args:
            encoder: What the head is for.
            registry: Where the head is from.

        Raises:
            RegistryError: It is not installed.
        """
        spec = registry.get("task-head", "energy-forces")
        head: Any = build_head(registry, spec, ENERGY_LABELS, encoder, {"hidden": []})
        width = encoder.atom_width
        (first,), bias = self.linear(
            "reduce_input_to_hidden", [(width, width // 2)], biased=self.level is not None
        )
        (second,), _ = self.linear("reduce_hidden_to_energy", [(width // 2, 1)], biased=False)
        scale = self.tensors["rescale_atomic_energy.scale"][0]  # one for all elements
        shift = self.tensors["rescale_atomic_energy.shift"]
        shift = shift if self.level is None else shift[self.level]
        (layer,) = head.layers.layers
        with torch.no_grad():
            layer.weight.copy_((self.gain * scale * first @ second).T)
            if bias is not None:
                head.mean.copy_((scale * bias @ second)[0])
            for number, row in self.rows.items():
                head.references[number] = shift[row]
        return head
