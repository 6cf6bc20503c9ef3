"""GALA as a MatSciML encoder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from matsciml_core import CrystalBatch, Embedding, Encoder, MessageGraph, Neighbourhood
from matsciml_core.errors import ConfigError
from matsciml_core.interfaces.segments import segment_mean, segment_sum
from matsciml_model_gala.algebra import soft_length, to_multivector
from matsciml_model_gala.attention import AttentionOptions, GeometricAttention, invariant_width
from matsciml_model_gala.config import GALAConfig
from matsciml_model_gala.neighbourhoods import Neighbourhoods, gather
from matsciml_model_gala.networks import (
    DenseNetwork,
    MomentumLayerNorm,
    MomentumNorm,
    layer_normalise,
    weighted_statistics,
)
from matsciml_model_gala.products import (
    Algebra,
    Multivectors,
    Products,
    Rules,
    Vectors,
    active_columns,
    spans,
)

ELEMENT_ROWS = 119
"""Rows of the element tables: the row is the atomic number, 1 to 118; row 0 is not used."""
_KEPT_PER_HIDDEN = 5
"""Numbers that the backward pass needs per tuple and layer, in units of the hidden width."""


class GALALayer(nn.Module):
    """Attention, a mixing network, a residual and a normalisation."""

    def __init__(self, config: GALAConfig, *, reduce: bool) -> None:
        """Build the layer.

        Args:
            config: The settings.
            reduce: Whether it is the last layer, which leaves one row per neighbourhood.
        """
        super().__init__()
        self.attention = GeometricAttention(attention_options(config, reduce=reduce))
        hidden = config.network_hidden
        self.mixing = DenseNetwork(config.hidden, hidden, config.hidden, config.network_norm)
        self.reduce = reduce
        self.block_norm = config.block_norm

    def forward(
        self,
        invariants: Tensor,
        values: Tensor,
        columns: Sequence[int] | None,
        mask: Tensor | None,
        log_weights: Tensor | None,
    ) -> Tensor:
        """Update the values, ``(centres, members, hidden)``, or reduce them to the centres."""
        attended = self.attention(
            invariants, values, columns=columns, mask=mask, log_weights=log_weights
        ).invariant
        mixed = self.mixing(attended)
        return layer_normalise(mixed if self.reduce else mixed + values, self.block_norm)


class EquivariantUpdate(nn.Module):
    """Moves the multivectors by a rotation-covariant attention."""

    def __init__(self, config: GALAConfig, *, last: bool) -> None:
        """Build the attention and the norm.

        Args:
            config: The settings.
            last: Whether no other update follows.
        """
        super().__init__()
        self.attention = GeometricAttention(attention_options(config, reduce=False, covariant=True))
        self.paper = config.multivector_update == "paper"
        unused = config.multivector_norm == "none" or (last and self.paper)
        self.norm = None if unused else MomentumLayerNorm()

    def forward(
        self,
        invariants: Tensor,
        values: Tensor,
        covariants: Tensor,
        mask: Tensor | None,
        log_weights: Tensor | None,
    ) -> Tensor:
        """Return what attention makes of the multivectors, ``(centres, members, 8)``."""
        moved: Tensor = self.attention(
            invariants, values, mask=mask, log_weights=log_weights, covariants=covariants
        ).covariant
        return moved

    def combine(self, moved: Tensor, old: Tensor) -> tuple[Tensor, Tensor]:
        """Return the multivectors that the layer sees, and those that the next update starts from.

        Args:
            moved: Attention's result, ``(centres, members, 8)``.
            old: What it started from.
        """
        new = moved + old
        if self.norm is not None:
            new = self.norm(new)
        return (moved, new + old) if self.paper else (new, new)


@dataclass(frozen=True, kw_only=True)
class Geometry:
    """What the layers see of a block's displacements."""

    products: Products
    invariants: Tensor
    mask: Tensor | None
    log_weights: Tensor | None
    centres: Tensor | None
    """How many atoms each centre stands for."""

    @property
    def row_weights(self) -> Tensor:
        """How often each tuple counts in a statistic, ``(centres, [members,] .., 1)``."""
        rank = self.products.rank
        counts = self.member_weights
        members = counts.shape[1]
        result = counts.new_ones(())
        for place in range(rank):
            shape = (-1, *[1] * place, members, *[1] * (rank - place - 1), 1)
            exists = (counts > 0).to(counts.dtype) if place else counts
            result = result * exists.reshape(shape)
        return result

    @property
    def member_weights(self) -> Tensor:
        """How often each member counts, ``(centres, members)``."""
        points = self.products.powers[0]
        counts = points.new_ones(points.shape[:2])
        if self.mask is not None:
            counts = self.mask.to(counts.dtype)
        return counts if self.centres is None else counts * self.centres.to(counts)[:, None]


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
        self.centre_table = nn.Embedding(ELEMENT_ROWS, config.hidden)
        self.member_table = nn.Embedding(ELEMENT_ROWS, config.hidden)
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
        self._columns = self._active_columns(config)

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
            values: What their members start with, ``(centres, members, hidden)`` each.

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
        return self._finish(values, geometry)

    def _run(self, recompute: bool, function: nn.Module, *inputs: object) -> Tensor:
        if not recompute:
            return function(*inputs)  # type: ignore[no-any-return]
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

    def _finish(self, values: Sequence[Tensor], geometry: Sequence[Geometry]) -> list[Tensor]:
        if self.final_norm is None:
            return [self.final(x) for x in values]
        if self.training:
            rows = [
                x.new_ones(1, 1) if g.centres is None else g.centres.to(x)[:, None]
                for x, g in zip(values, geometry, strict=True)
            ]
            self.final_norm.observe(*weighted_statistics(values, rows))
        return [self.final(self.final_norm(x)) for x in values]

    def _active_columns(self, config: GALAConfig) -> tuple[int, ...] | None:
        if config.equivariant_attention:
            return None
        return active_columns(
            self._algebra, config.rank, config.invariant_mode, normalised=config.normalised_products
        )

    def _needs_recomputing(self, blocks: Sequence[Neighbourhoods]) -> bool:
        """Return whether what the backward pass needs would take too much memory."""
        if not torch.is_grad_enabled():
            return False
        config = self.config
        tuples = sum(b.vectors.shape[0] * b.vectors.shape[1] ** config.rank for b in blocks)
        layers = len(self.layers) + len(self.updates)
        numbers = tuples * layers * _KEPT_PER_HIDDEN * config.network_hidden
        return bool(numbers * self.pair_bias.element_size() > config.kept_memory * 2**30)


def attention_options(
    config: GALAConfig, *, reduce: bool, covariant: bool = False
) -> AttentionOptions:
    """Return the options of one attention layer.

    Args:
        config: The settings.
        reduce: Whether a neighbourhood gives one row.
        covariant: Whether the result is covariant rather than invariant.
    """
    factor = 2 if config.normalised_products else 1
    return AttentionOptions(
        width=config.hidden,
        invariants=invariant_width(
            config.rank, config.invariant_mode, normalised=config.normalised_products
        ),
        rank=config.rank,
        merge=config.merge,
        join=config.join,
        reduce=reduce,
        covariants=factor * len(spans(config.rank, config.covariant_mode)) if covariant else 0,
        invariant_result=not covariant,
        hidden_width=config.network_hidden,
        norm=config.network_norm,
        input_norm=config.invariant_norm == "momentum",
    )


def log_envelope(vectors: Tensor, cutoff: float) -> Tensor:
    """Return ln c(r), with c falling smoothly from 1 at zero to 0 at the cutoff.

    c = 1 − 10x³ + 15x⁴ − 6x⁵ with x = r/cutoff; value and two derivatives vanish at the cutoff.

    Args:
        vectors: ``(..., 3)``, Å.
        cutoff: Å.

    Returns:
        ``(...,)``, at least ln 10⁻³⁰.
    """
    x = soft_length(vectors.square().sum(-1), 0.0) / cutoff
    c = 1 - x**3 * (10 - 15 * x + 6 * x**2)
    return c.clamp(min=1e-30).log()
