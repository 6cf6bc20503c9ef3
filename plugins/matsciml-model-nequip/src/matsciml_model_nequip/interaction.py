"""The interaction layer: convolution, self-connection per species, gate."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from e3nn import o3
from e3nn.nn import FullyConnectedNet, Gate
from torch import Tensor, nn
from torch.nn import functional

from matsciml_model_nequip.config import NequIPConfig
from matsciml_model_nequip.convolution import Convolution
from matsciml_util_equivariant.edge_kernels import EdgeGeometry

SCALAR = o3.Irrep("0e")
_SHARE = math.sqrt(0.5)


class Interaction(nn.Module):
    """One layer: x' = gate((W₂ · conv(W₁ x) / √n + S(species) x) / √2).

    W₁ and W₂ mix features of the same kind; √2 keeps the features of an untrained network of order
    one. The weights of the convolution are a network of the radial basis; it has no bias, so that
    it vanishes with the envelope at the cutoff. The self-connection S is a matrix per species,
    here a combination of ``species_width`` matrices with learnt coefficients, because a full one
    for each of 118 elements would be most of the model. The gate applies SiLU to scalars (tanh to
    pseudoscalars) and multiplies every other feature by the SiLU of a scalar of its own.

    References:
        Batzner et al., Nat. Commun. 13, 2453 (2022), doi:10.1038/s41467-022-29939-5, section
        "Equivariant convolutions and network architecture": interaction block, self-interaction,
        gated non-linearity. Deviation: the matrix of the self-connection has low rank in species.
    """

    def __init__(
        self, config: NequIPConfig, irreps_in: o3.Irreps, irreps_out: Sequence[tuple[int, o3.Irrep]]
    ) -> None:
        """Build the layer.

        Args:
            config: The encoder's settings.
            irreps_in: The features that arrive.
            irreps_out: Multiplicity of each kind of feature that is wanted; kinds that no path
                leads to are left out.
        """
        super().__init__()
        kinds = [kind for _, kind in irreps_out]
        self.convolution = Convolution(irreps_in, kinds, config.lmax)
        self.gate = _gate([pair for pair in irreps_out if pair[1] in self.convolution.kinds])
        self.irreps_out = self.gate.irreps_out
        self.mix_neighbours = o3.Linear(irreps_in, irreps_in)
        self.radial = FullyConnectedNet(
            [config.num_radial, *config.radial_widths], functional.silu, out_act=True
        )
        # The last layer stands apart: messages are made of it block by block, see coupled_sum.
        self.radial_weight = nn.Parameter(
            torch.randn(config.radial_widths[-1], self.convolution.num_weights)
        )
        self.mix_messages = o3.Linear(self.convolution.irreps_out, self.gate.irreps_in)
        self.self_connection = o3.FullyConnectedTensorProduct(
            irreps_in, o3.Irreps([(config.species_width, SCALAR)]), self.gate.irreps_in
        )
        # Variances add up: over neighbours, and over the inputs of the last radial layer, whose
        # weights have variance one.
        self.scale = 1 / math.sqrt(config.neighbours_per_atom * config.radial_widths[-1])

    def forward(self, x: Tensor, species: Tensor, edges: EdgeGeometry) -> Tensor:
        """Update the features.

        Args:
            x: ``(atoms, irreps_in.dim)``, dimensionless.
            species: Description of each atom's element, ``(atoms, species_width)``, dimensionless.
            edges: The edges.

        Returns:
            ``(atoms, irreps_out.dim)``.
        """
        hidden = self.radial(edges.radial)
        messages = self.convolution(self.mix_neighbours(x), hidden, self.radial_weight, edges)
        mixed = self.mix_messages(self.scale * messages)
        updated: Tensor = self.gate(_SHARE * (mixed + self.self_connection(x, species)))
        return updated


def _gate(irreps: Sequence[tuple[int, o3.Irrep]]) -> Gate:
    """Return the gate that makes these features."""
    scalars = o3.Irreps([(count, kind) for count, kind in irreps if kind.l == 0])
    gated = o3.Irreps([(count, kind) for count, kind in irreps if kind.l > 0])
    gates = o3.Irreps([(count, SCALAR) for count, _ in gated])
    activations = [functional.silu if kind.ir.p == 1 else torch.tanh for kind in scalars]
    return Gate(scalars, activations, gates, [functional.silu for _ in gates], gated)
