"""MEGNet as its equations are usually written down: concatenate, dense layers, scatter.

It works on full graphs with the weights of the project's encoder, so that both compute the same
numbers and the time is all they differ in.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from matsciml_core import CrystalBatch, Embedding
from matsciml_core.nn.dense import DenseStack
from matsciml_model_megnet.encoder import MEGNet
from matsciml_model_megnet.layers import softplus
from matsciml_model_megnet.set2set import Set2Set


class PlainMEGNet(nn.Module):
    """The same network in the plain way.

    Args:
        encoder: Whose weights to use; they are shared, not copied.
    """

    def __init__(self, encoder: MEGNet) -> None:
        """Share the weights."""
        super().__init__()
        self.encoder = encoder

    def forward(self, batch: CrystalBatch) -> Embedding:
        """Embed a batch of whole crystals."""
        encoder, crystals = self.encoder, batch.num_crystals
        sender, receiver = batch.edge_index  # type: ignore[misc]
        of_atom, of_edge = batch.crystal_index, batch.crystal_index[receiver]
        v = _dense(encoder.encode_atoms, encoder.element_embedding(batch.atomic_numbers))
        e = _dense(encoder.encode_edges, self._edges(batch, sender, receiver))
        u = _dense(encoder.encode_state, self._state(batch, sender, receiver, of_edge))
        for block in encoder.blocks:
            e0, v0, u0 = e, v, u
            if block.dense is not None:
                e = _dense(block.dense.edges, e)
                v = _dense(block.dense.atoms, v)
                u = _dense(block.dense.state, u)
            joined = torch.cat((v[sender], v[receiver], e, u[of_edge]), dim=1)
            e = _dense(block.update.edges, joined)
            incoming = _mean(e, receiver, batch.num_atoms)
            v = _dense(block.update.atoms, torch.cat((v, incoming, u[of_atom]), dim=1))
            means = _mean(e, of_edge, crystals), _mean(v, of_atom, crystals)
            u = _dense(block.update.state, torch.cat((u, *means), dim=1))
            e, v, u = block.dropout(e) + e0, block.dropout(v) + v0, block.dropout(u) + u0
        read = (
            _set2set(encoder.read_atoms, v, of_atom, crystals),
            _set2set(encoder.read_edges, e, of_edge, crystals),
        )
        return Embedding(atoms=v, crystals=encoder.dropout(torch.cat((*read, u), dim=1)))

    def _edges(self, batch: CrystalBatch, sender: Tensor, receiver: Tensor) -> Tensor:
        expansion = self.encoder.expansion
        lengths = batch.edge_vectors().norm(dim=1, keepdim=True)
        expanded = torch.exp(-expansion.exponent * (lengths - expansion.centres) ** 2)
        if self.encoder.config.edge_features == "gaussian":
            return expanded
        return torch.cat((expanded, _reduced(batch, sender, receiver).unsqueeze(1)), dim=1)

    def _state(
        self, batch: CrystalBatch, sender: Tensor, receiver: Tensor, of_edge: Tensor
    ) -> Tensor:
        lengths = batch.edge_vectors().norm(dim=1)
        if self.encoder.config.state == "zeros":
            return lengths.new_zeros(batch.num_crystals, 2)
        numbers = batch.atomic_numbers.to(lengths.dtype)
        atoms = _moments(numbers, batch.crystal_index, batch.num_crystals)
        edges = _moments(lengths, of_edge, batch.num_crystals)
        mu = _moments(_reduced(batch, sender, receiver), of_edge, batch.num_crystals)
        zero = torch.zeros_like(atoms[0])
        return torch.stack((*atoms, zero, zero, *edges, *mu, zero), dim=1)


def _dense(stack: DenseStack, x: Tensor) -> Tensor:
    shift = 0.0 if stack.activation is softplus else math.log(2)
    for number, layer in enumerate(stack.layers, start=1):
        x = layer(x)
        if number < len(stack.layers) or stack.activate_last:
            x = functional.softplus(x) - shift
    return x


def _mean(values: Tensor, index: Tensor, count: int) -> Tensor:
    total = values.new_zeros(count, *values.shape[1:]).index_add(0, index, values)
    number = torch.bincount(index, minlength=count).clamp(min=1).to(values.dtype)
    return total / number.view(-1, *[1] * (values.dim() - 1))


def _moments(values: Tensor, index: Tensor, count: int) -> tuple[Tensor, Tensor]:
    mean = _mean(values, index, count)
    variance = _mean((values - mean[index]) ** 2, index, count)
    return mean, variance.clamp(min=1e-10).sqrt() * (variance > 1e-10)


def _reduced(batch: CrystalBatch, sender: Tensor, receiver: Tensor) -> Tensor:
    numbers = batch.atomic_numbers.to(batch.positions.dtype)
    return numbers[sender] * numbers[receiver] / (numbers[sender] + numbers[receiver])


def _set2set(module: Set2Set, x: Tensor, index: Tensor, count: int) -> Tensor:
    result = x.new_zeros(count, 2 * module.width)
    states = [(x.new_zeros(count, module.width),) * 2 for _ in module.cells]
    for _ in range(module.iterations):
        query = result
        for layer, cell in enumerate(module.cells):
            states[layer] = cell(query, *states[layer])
            query = states[layer][0]
        scores = (x * query[index]).sum(dim=1)
        largest = scores.new_full((count,), -torch.inf).scatter_reduce(0, index, scores, "amax")
        weights = torch.exp(scores - largest[index])
        weights = weights / scores.new_zeros(count).index_add(0, index, weights)[index]
        read = x.new_zeros(count, module.width).index_add(0, index, weights.unsqueeze(1) * x)
        result = torch.cat((query, read), dim=1)
    return result
