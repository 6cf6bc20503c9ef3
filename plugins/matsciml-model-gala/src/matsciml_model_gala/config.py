"""Settings of the GALA encoder."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from matsciml_core import Config


class GALAConfig(Config):
    """Settings of GALA; the defaults are the preset ``compact``.

    ``table8`` has the hyperparameters of Table 8 of the benchmark paper.
    """

    cutoff: float = Field(default=6.0, gt=0)
    """Longest displacement, Å."""
    max_neighbours: int | None = Field(default=6, ge=1)
    """Neighbours of each atom, the nearest ones; those that tie with the last are kept too, so
    some atoms have a few more. None: all within the cutoff. Cost grows with its ``rank``-th
    power."""
    elements: Literal["learnt", "described", "both"] = "both"
    """What an element starts as: a learnt row, its measured properties (through a learnt linear
    layer), or the sum of both."""
    hidden: int = Field(default=64, ge=2)
    """Width of the values and of the embeddings."""
    depth: int = Field(default=2, ge=0)
    """Attention layers before the last one, which reduces each neighbourhood to its centre."""
    dilation: float = Field(default=2.0, gt=0)
    """Hidden width of all inner networks, in units of ``hidden``."""
    rank: int = Field(default=2, ge=1, le=3)
    """Members of a tuple: 1 sees distances, 2 also angles, 3 also solid angles."""
    invariant_mode: Literal["single", "partial", "full"] = "full"
    """Sub-products of a tuple whose invariants are used. ``single``: the whole product.
    ``partial``: those that begin with the first member. ``full``: all contiguous ones."""
    covariant_mode: Literal["single", "partial", "full"] = "full"
    """Sub-products that update the multivectors; only with ``equivariant_attention``."""
    normalised_products: bool = True
    """Whether the sub-products are used a second time, divided by their size."""
    merge: Literal["concat", "mean"] = "concat"
    """How the values of a tuple's members come together: learnt projections, or their mean."""
    join: Literal["concat", "mean"] = "concat"
    """How values and geometry come together: learnt projections, or their mean."""
    equivariant_attention: bool = False
    """Whether every layer first updates the displacements, as multivectors."""
    multivector_update: Literal["residual", "paper"] = "residual"
    """``residual``: attention's result is added to the multivectors, which are normalised and
    seen by the layer. ``paper``, as its program does: the layer sees attention's result alone,
    and the old multivectors are added twice, before and after the norm. Only with
    ``equivariant_attention``."""
    include_centre: bool = False
    """Whether an atom belongs to its own neighbourhood, at zero displacement."""
    envelope: bool = False
    """Whether members fade out towards the cutoff; needs ``include_centre``. The embedding is
    continuous as pairs cross the cutoff if ``max_neighbours`` is None, too."""
    chirality: Literal["ignored", "seen"] = "ignored"
    """Whether trivectors enter by their size only. ``seen``: with their sign, as in the paper, so
    that mirror images differ; it makes a difference with ``rank=3`` or
    ``equivariant_attention``, and rules the asymmetric unit out."""
    softening: float = Field(default=1e-3, ge=0)
    """Keeps lengths of vectors (Å) and bivectors (Å²) smooth at zero: √(x² + softening²) −
    softening. 0: the length itself, whose second derivatives at zero do not exist."""
    invariant_norm: Literal["momentum", "none"] = "momentum"
    """Normalisation of the invariants, and of the final network's input."""
    multivector_norm: Literal["momentum_layer", "none"] = "momentum_layer"
    """Normalisation of updated multivectors; only with ``equivariant_attention``."""
    network_norm: Literal["layer", "layer_detached", "none"] = "layer"
    """Normalisation inside the value, score, mixing and final networks. ``layer_detached`` is the
    paper's: the same numbers, but wrong gradients with respect to positions."""
    block_norm: Literal["layer", "layer_detached", "none"] = "layer"
    """Normalisation after each layer."""
    readout: Literal["mean", "sum"] = "mean"
    """Crystal embedding from atom embeddings. ``sum`` grows with the cell."""
    tuples_per_block: int = Field(default=32768, ge=1)
    """Tuples that are worked on together; bounds the memory of intermediate results."""
    kept_memory: float = Field(default=1.0, ge=0)
    """Intermediate results, GiB, that may be kept for the backward pass; where a batch needs
    more, they are computed a second time instead."""

    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = MappingProxyType(
        {
            "compact": MappingProxyType({}),
            "table8": MappingProxyType(
                {"max_neighbours": 12, "elements": "learnt", "hidden": 128, "depth": 5}
            ),
        }
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.envelope and not self.include_centre:
            raise ValueError(
                "Give include_centre=true with envelope=true, because something must be left of a "
                "neighbourhood whose members have all faded out"
            )
        return self

    @property
    def network_hidden(self) -> int:
        """Hidden width of the inner networks."""
        return max(2, round(self.dilation * self.hidden))

    @property
    def sees_chirality(self) -> bool:
        """Whether mirror images get different embeddings."""
        return self.chirality == "seen" and (self.rank == 3 or self.equivariant_attention)
