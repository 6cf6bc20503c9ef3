"""GALA as a MatSciML encoder."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from matsciml_core import CrystalBatch, Embedding, Encoder, MessageGraph, Neighbourhood
from matsciml_core.errors import ConfigError
from matsciml_core.nn.elements import ElementEmbedding
from matsciml_core.nn.segments import segment_mean, segment_sum
from matsciml_model_gala.algebra import to_multivector
from matsciml_model_gala.config import GALAConfig
from matsciml_model_gala.geometry import Geometry, log_envelope
from matsciml_model_gala.layers import EquivariantUpdate, GALALayer
from matsciml_model_gala.neighbourhoods import Neighbourhoods, gather
from matsciml_model_gala.networks import DenseNetwork, MomentumNorm, weighted_statistics
from matsciml_model_gala.products import (
    Algebra,
    Multivectors,
    Products,
    Rules,
    Vectors,
    active_columns,
)

ELEMENT_ROWS = 119
"""Rows of the element tables: the row is the atomic number, 1 to 118; row 0 is not used."""
_KEPT_PER_HIDDEN = 5
"""Numbers that the backward pass needs per tuple and layer, in units of the hidden width."""


class GALA(Encoder):
    """GALA: every atom looks at its nearest neighbours, all tuples of them, by attention.

    A neighbourhood is a set of points: displacements r from the centre atom, and for each a value
    vector, which starts from the species of centre and member. Attention layers update the values
    from geometric products of the displacements; the last one reduces them to the centre. Centres
    do not see one another, so the embedding is local and the cost is the same for every atom.

    The atom embedding and the crystal embedding (mean or sum of its atoms) have the width
    ``hidden``.

    References:
        Spellings, arXiv:2110.02393 (2021). Lee et al., MatSciML, arXiv:2309.05934 (2023),
        Table 8. Deviations: neighbourhoods are periodic and of limited size, masked members have
        no influence, layer norms take part in the gradient, lengths are smooth at zero, and the
        networks whose output is thrown away do not exist.
    """

    config: GALAConfig
    neighbours: Neighbourhood

    def __init__(self, config: GALAConfig | None = None) -> None:
        """Build the layers.

        Args:
            config: The settings; None: the defaults.
        """
        config = config or GALAConfig()
        super().__init__(config)
        self.neighbours = Neighbourhood(cutoff=config.cutoff, max_neighbours=config.max_neighbours)
        self.needs_whole_crystals = config.sees_chirality
        self.atom_width = self.crystal_width = config.hidden
        # The dense layer on [one-hot(centre) + one-hot(member), one-hot(centre) - one-hot(member)]
        # is a row of one table plus a row of another: sums and differences of its columns.
        # Descriptors belong to centre and member alike, so each table has its own share of them.
        self.centre_table = ElementEmbedding(config.hidden, config.elements, rows=ELEMENT_ROWS)
        self.member_table = ElementEmbedding(config.hidden, config.elements, rows=ELEMENT_ROWS)
        self.pair_bias = nn.Parameter(torch.zeros(config.hidden))
        self.layers = nn.ModuleList(
            GALALayer(config, reduce=number == config.depth) for number in range(config.depth + 1)
        )
        self.updates = nn.ModuleList(
            EquivariantUpdate(config, last=number == config.depth)
            for number in range(config.depth + 1 if config.equivariant_attention else 0)
        )
        momentum = config.invariant_norm == "momentum"
        self.final_norm = MomentumNorm(config.hidden) if momentum else None
        self.final = DenseNetwork(
            config.hidden, config.network_hidden, config.hidden, config.network_norm
        )
        self._algebra: Algebra = Multivectors() if config.equivariant_attention else Vectors()
        self._rules = Rules(config.softening, mirror=config.chirality == "ignored")
        self._columns = None
        if not config.equivariant_attention:
            self._columns = active_columns(
                self._algebra,
                config.rank,
                config.invariant_mode,
                normalised=config.normalised_products,
            )

    def forward(self, batch: CrystalBatch) -> Embedding:
        """Embed a batch.

        Args:
            batch: Crystals with edges within :attr:`neighbours`.

        Returns:
            The embedding, in the dtype of the parameters.

        Raises:
            ShapeError: The batch carries no edges.
            ConfigError: The batch is reduced to symmetry-distinct atoms, but the settings tell
                mirror images apart.
        """
        graph = MessageGraph.of(batch)
        if graph.unit is not None and self.config.sees_chirality:
            raise ConfigError(
                "The encoder 'gala' tells mirror images apart (chirality=seen), so atoms that a "
                "reflection maps onto each other differ; train on full graphs, or set "
                "encoder.chirality=ignored."
            )
        blocks, place = gather(
            graph,
            batch.atomic_numbers,
            # From the centre, which receives, to the member.
            -batch.edge_vectors().to(self.pair_bias.dtype),
            rank=self.config.rank,
            limit=self.config.tuples_per_block,
            include_centre=self.config.include_centre,
        )
        centres = torch.cat(self.embed(blocks, [self.pair_values(block) for block in blocks]))
        nodes = centres.index_select(0, place)
        read = segment_mean if self.config.readout == "mean" else segment_sum
        return Embedding(atoms=graph.to_atoms(nodes), crystals=read(nodes, graph.nodes))

    def pair_values(self, block: Neighbourhoods) -> Tensor:
        """Return the values that members start with, ``(centres, members, hidden)``."""
        centre: Tensor = self.centre_table(block.centre_numbers) + self.pair_bias
        member: Tensor = self.member_table(block.member_numbers)
        return centre.unsqueeze(1) + member

    def embed(self, blocks: Sequence[Neighbourhoods], values: Sequence[Tensor]) -> list[Tensor]:
        """Run the network.

        Args:
            blocks: Neighbourhoods.
            values: What their members start with, ``(centres, members, hidden)`` each,
                dimensionless.

        Returns:
            The embedding of the centres, ``(centres, hidden)`` for each block.
        """
        recompute = self._needs_recomputing(blocks)
        points = [block.vectors for block in blocks]
        if self.config.equivariant_attention:
            points = [to_multivector(x) for x in points]
        geometry = self._look(blocks, points)
        for number, module in enumerate(self.layers):
            layer = cast(GALALayer, module)
            if self.updates:
                update = cast(EquivariantUpdate, self.updates[number])
                seen, points = self._update(update, geometry, points, values, recompute)
                geometry = self._look(blocks, seen)
            self._observe(layer.attention.input_norm, geometry)
            values = [
                self._run(recompute, layer, g.invariants, v, self._columns, g.mask, g.log_weights)
                for g, v in zip(geometry, values, strict=True)
            ]
            if self.updates and self.config.multivector_update == "paper":
                geometry = self._look(blocks, points)
        if self.final_norm is None:
            return [self.final(x) for x in values]
        if self.training:
            # A centre counts as often as there are atoms that it stands for.
            rows = [
                x.new_ones(1, 1) if g.centres is None else g.centres.to(x)[:, None]
                for x, g in zip(values, geometry, strict=True)
            ]
            self.final_norm.observe(*weighted_statistics(values, rows))
        return [self.final(self.final_norm(x)) for x in values]

    def _run(self, recompute: bool, function: nn.Module, *inputs: object) -> Tensor:
        if not recompute:
            return function(*inputs)  # type: ignore[no-any-return]
        # Nothing in a layer is random, so no state of a generator needs to be kept.
        result: Tensor = checkpoint(
            function, *inputs, use_reentrant=False, preserve_rng_state=False
        )
        return result

    def _look(self, blocks: Sequence[Neighbourhoods], points: Sequence[Tensor]) -> list[Geometry]:
        """Multiply the displacements out, in full precision whatever the networks use."""
        with torch.autocast(points[0].device.type, enabled=False):
            return [self._geometry(b, p) for b, p in zip(blocks, points, strict=True)]

    def _geometry(self, block: Neighbourhoods, points: Tensor) -> Geometry:
        config = self.config
        products = Products.of(
            points, self._algebra, self._rules, config.rank, normalised=config.normalised_products
        )
        return Geometry(
            products=products,
            invariants=products.invariants(config.invariant_mode),
            mask=block.mask,
            log_weights=log_envelope(block.vectors, config.cutoff) if config.envelope else None,
            centres=block.weights,
        )

    def _update(
        self,
        update: EquivariantUpdate,
        geometry: Sequence[Geometry],
        points: Sequence[Tensor],
        values: Sequence[Tensor],
        recompute: bool,
    ) -> tuple[list[Tensor], list[Tensor]]:
        """Return what the layer sees, and what the next update starts from."""
        self._observe(update.attention.input_norm, geometry)
        mode = self.config.covariant_mode
        moved = [
            self._run(
                recompute,
                update,
                g.invariants,
                v,
                g.products.covariants(mode),
                g.mask,
                g.log_weights,
            )
            for g, v in zip(geometry, values, strict=True)
        ]
        if self.training and update.norm is not None:
            sizes = [
                (x.detach() + p.detach()).norm(dim=-1, keepdim=True)
                for x, p in zip(moved, points, strict=True)
            ]
            rows = [g.member_weights.unsqueeze(-1) for g in geometry]
            update.norm.observe(weighted_statistics(sizes, rows)[0])
        pairs = [update.combine(x, p) for x, p in zip(moved, points, strict=True)]
        return [seen for seen, _ in pairs], [after for _, after in pairs]

    def _observe(self, norm: MomentumNorm | None, geometry: Sequence[Geometry]) -> None:
        """Show a norm on invariants what the batch has."""
        if norm is None or not self.training:
            return
        mean, deviation = weighted_statistics(
            [g.invariants for g in geometry], [g.row_weights for g in geometry]
        )
        if self._columns is not None:
            index = torch.tensor(self._columns, device=mean.device)
            mean = norm.mean.new_zeros(norm.mean.shape).to(mean).index_copy(0, index, mean)
            deviation = torch.zeros_like(mean).index_copy(0, index, deviation)
        norm.observe(mean, deviation)

    def _needs_recomputing(self, blocks: Sequence[Neighbourhoods]) -> bool:
        """Return whether what the backward pass needs would take too much memory."""
        if not torch.is_grad_enabled():
            return False
        config = self.config
        tuples = sum(b.vectors.shape[0] * b.vectors.shape[1] ** config.rank for b in blocks)
        layers = len(self.layers) + len(self.updates)
        numbers = tuples * layers * _KEPT_PER_HIDDEN * config.network_hidden
        return bool(numbers * self.pair_bias.element_size() > config.kept_memory * 2**30)
