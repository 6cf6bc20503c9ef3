"""GALA written as its equations stand, to measure the encoder against.

Neighbourhoods are padded to the longest of the batch; the pair features are one-hot vectors; the
invariants of every tuple are formed from 8-component products in every layer; values and geometry
are merged and joined tuple by tuple, by concatenating and multiplying. It shares the parameters of
a :class:`~matsciml_model_gala.encoder.GALA` and gives the same numbers. It knows rank 2, ``full``
invariants, ``concat`` for merge and join, fixed displacements, and full graphs.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from matsciml_core import CrystalBatch, Embedding
from matsciml_model_gala.algebra import product_table, soft_length
from matsciml_model_gala.attention import GeometricAttention
from matsciml_model_gala.encoder import ELEMENT_ROWS, GALA
from matsciml_model_gala.layers import GALALayer
from matsciml_model_gala.networks import DenseNetwork, MomentumNorm


class PlainGALA(nn.Module):
    """The same network as a GALA, slowly.

    Args:
        gala: Whose parameters to use.
    """

    def __init__(self, gala: GALA) -> None:
        """Share the parameters."""
        super().__init__()
        self.gala = gala
        self.neighbours = gala.neighbours
        self.atom_width, self.crystal_width = gala.atom_width, gala.crystal_width

    def forward(self, batch: CrystalBatch) -> Embedding:
        """Embed a batch with edges into all atoms."""
        gala = self.gala
        vectors, features, mask = self.clouds(batch)
        points = functional.pad(vectors, (1, 4))
        values = functional.linear(features, self.dense_weight(), gala.pair_bias)
        for layer in cast(Iterable[GALALayer], gala.layers):
            attended = self.attend(layer.attention, points, values, mask, reduce=layer.reduce)
            mixed = dense(layer.mixing, attended)
            values = normalise(mixed if layer.reduce else mixed + values)
        if self.training and gala.final_norm is not None:
            gala.final_norm.observe(values.mean(0), values.std(0, unbiased=False))
        atoms = dense(gala.final, momentum(gala.final_norm, values))
        total = atoms.new_zeros(batch.num_crystals, atoms.shape[1])
        total = total.index_add(0, batch.crystal_index, atoms)
        return Embedding(atoms=atoms, crystals=total / batch.atoms_per_crystal.unsqueeze(1))

    def clouds(self, batch: CrystalBatch) -> tuple[Tensor, Tensor, Tensor]:
        """Return displacements, one-hot pair features, and which members exist."""
        sender, receiver = batch.edge_index  # type: ignore[misc]
        counts = torch.bincount(receiver, minlength=batch.num_atoms)
        place = torch.arange(len(receiver)) - (counts.cumsum(0) - counts)[receiver]
        members = max(1, int(counts.max()))
        dtype = self.gala.pair_bias.dtype
        vectors = torch.zeros(batch.num_atoms, members, 3, dtype=dtype)
        vectors = vectors.index_put((receiver, place), -batch.edge_vectors().to(dtype))
        mask = torch.arange(members) < counts.clamp(min=1).unsqueeze(1)
        numbers = batch.atomic_numbers.unsqueeze(1).repeat(1, members)
        numbers[receiver, place] = batch.atomic_numbers[sender]
        centre = functional.one_hot(batch.atomic_numbers, ELEMENT_ROWS).to(dtype).unsqueeze(1)
        member = functional.one_hot(numbers, ELEMENT_ROWS).to(dtype)
        return vectors, torch.cat((centre + member, centre - member), dim=-1), mask

    def dense_weight(self) -> Tensor:
        """Return the weight of the dense layer on one-hot vectors that the two tables stand for."""
        centre, member = self.gala.centre_table.table(), self.gala.member_table.table()
        return torch.cat(((centre + member) / 2, (centre - member) / 2), dim=0).T

    def attend(
        self,
        attention: GeometricAttention,
        points: Tensor,
        values: Tensor,
        mask: Tensor,
        *,
        reduce: bool,
    ) -> Tensor:
        """Pay attention to all pairs of members."""
        tuples = mask[:, :, None] & mask[:, None, :]
        q = self.invariants(points)
        if self.training and attention.input_norm is not None:
            rows = q[tuples]
            attention.input_norm.observe(rows.mean(0), rows.std(0, unbiased=False))
        a = dense(attention.value, momentum(attention.input_norm, q))
        members = values.shape[1]
        first = values[:, :, None].expand(-1, -1, members, -1)
        second = values[:, None].expand(-1, members, -1, -1)
        b = torch.cat((first, second), dim=-1) @ torch.cat((*attention.merge,))  # type: ignore[misc]
        z = torch.cat((a, b), dim=-1) @ torch.cat((*attention.join,))  # type: ignore[misc]
        scores = dense(attention.score, z).squeeze(-1).masked_fill(~tuples, -1e9)
        if reduce:
            weights = torch.softmax(scores.flatten(1), dim=-1).view_as(scores)
            return (weights.unsqueeze(-1) * z).sum((1, 2))
        return (torch.softmax(scores, dim=-1).unsqueeze(-1) * z).sum(2)

    def invariants(self, points: Tensor) -> Tensor:
        """Return the 24 invariants of [pᵢpⱼ, pᵢ, pⱼ] and of the same divided by their size."""
        members = points.shape[1]
        first = points[:, :, None].expand(-1, -1, members, -1)
        second = points[:, None].expand(-1, members, -1, -1)
        product = torch.einsum("cmni,cmnj,ijk->cmnk", first, second, product_table().to(points))
        listed = [product, first, second]
        parts = [self.four(p) for p in listed]
        if self.gala.config.normalised_products:
            floor = self.gala.config.softening**2
            parts += [
                four * torch.rsqrt(p.square().sum(-1, keepdim=True) + floor)
                for four, p in zip(parts, listed, strict=True)
            ]
        return torch.cat(parts, dim=-1)

    def four(self, p: Tensor) -> Tensor:
        """Return scalar, length of vector, length of bivector, trivector."""
        softening = self.gala.config.softening
        vector, bivector = (
            soft_length(p[..., part].square().sum(-1), softening)
            for part in (slice(1, 4), slice(4, 7))
        )
        return torch.stack((p[..., 0], vector, bivector, p[..., 7]), dim=-1)


def dense(network: DenseNetwork, x: Tensor) -> Tensor:
    """Apply dense layer, layer norm, SiLU, dense layer."""
    return network.last(functional.silu(normalise(network.first(x))))  # type: ignore[no-any-return]


def normalise(x: Tensor) -> Tensor:
    """Take away the mean and divide by the deviation, step by step."""
    mean = x.mean(-1, keepdim=True)
    variance = (x - mean).square().sum(-1, keepdim=True) / (x.shape[-1] - 1)
    return (x - mean) / torch.sqrt(variance + 1e-12)


def momentum(norm: MomentumNorm | None, x: Tensor) -> Tensor:
    """Apply a norm's running numbers, if there is one."""
    return x if norm is None else (x - norm.mean) / norm.divisor
