"""Settings of the encoders ``dimenet++`` and ``cdvae`` and of the head ``crystal-generation``."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, ClassVar, Literal

from pydantic import Field, PositiveFloat, PositiveInt

from matsciml_core import Config

_PUBLISHED: Mapping[str, Any] = MappingProxyType(
    {
        "elements": "learnt",
        "hidden": 128,
        "num_blocks": 4,
        "triplet_width": 64,
        "basis_width": 8,
        "output_width": 256,
        "embedding_width": 256,
        "max_neighbours": 20,
    }
)


class DimeNetConfig(Config):
    """Settings of DimeNet++; the defaults are the preset ``small``.

    ``published`` has the sizes that CDVAE uses.
    """

    cutoff: PositiveFloat = 7.0
    """Longest edge, Å."""
    max_neighbours: PositiveInt | None = 12
    """Keep this many edges into each atom, the shortest ones; empty: all within the cutoff."""
    elements: Literal["learnt", "described", "both"] = "both"
    """What an element starts as: a learnt row, its measured properties (through a learnt linear
    layer), or the sum of both."""
    hidden: PositiveInt = 64
    """Width of the messages."""
    num_blocks: PositiveInt = 3
    """Number of interaction blocks."""
    triplet_width: PositiveInt = 32
    """Width of the messages while they are summed over triplets."""
    basis_width: PositiveInt = 8
    """Width between the two projections of distances and angles."""
    output_width: PositiveInt = 128
    """Width of the output blocks."""
    embedding_width: PositiveInt = 64
    """Width of the embedding."""
    num_spherical: int = Field(default=7, ge=1, le=9)
    """Number of degrees l of the angular basis."""
    num_radial: PositiveInt = 6
    """Number of radial functions of each degree."""
    envelope_exponent: int = Field(default=5, ge=1)
    """The larger, the later the envelope falls to zero at the cutoff."""
    before_skip: int = Field(default=1, ge=0)
    """Residual layers before the skip connection of a block."""
    after_skip: int = Field(default=2, ge=0)
    """Residual layers after it."""
    output_layers: int = Field(default=3, ge=0)
    """Hidden layers of an output block."""
    excluded_paths: Literal["edge", "atom"] = "edge"
    """Paths of two edges that are left out. ``edge``: those back to the very atom they came from.
    ``atom``: also those to any image of it, as in the original, with which the embedding of a
    supercell differs from that of its primitive cell."""

    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = MappingProxyType(
        {"small": MappingProxyType({}), "published": _PUBLISHED}
    )


class CDVAEConfig(DimeNetConfig):
    """Settings of the variational encoder: DimeNet++, and the width of the latent space."""

    latent_width: PositiveInt = 64
    """Width of the latent space, and of the embedding."""
    composition_path: bool = True
    """Whether the latent distribution is also read from the mean of an embedding of the atoms'
    elements, beside the network's output."""

    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = MappingProxyType(
        {
            "small": MappingProxyType({}),
            "published": MappingProxyType(
                {**_PUBLISHED, "latent_width": 256, "composition_path": False}
            ),
        }
    )


class CrystalGenerationConfig(Config):
    """Settings of the generative head; the defaults are the preset ``small``.

    ``published`` has the sizes of CDVAE, about 5 million parameters with its encoder.
    """

    max_atoms: PositiveInt = 25
    """Most atoms in the cell of a crystal that is generated, or trained on."""
    latent_width: PositiveInt | None = None
    """Width of the latent space that the head makes of an ordinary encoder's embedding; empty:
    the encoder is variational, as ``cdvae`` is, and its embedding is the latent space."""
    predictor_width: PositiveInt = 64
    """Hidden width of the predictors of atom number, lattice and composition."""
    radius: PositiveFloat = 7.0
    """Longest edge of the decoder, Å."""
    max_neighbours: PositiveInt = 12
    """Nearest neighbours that the decoder connects to each atom."""
    cut: Literal["either", "literal"] = "either"
    """Pairs that are connected. ``either``: those of which one atom is among the nearest of the
    other; ``literal``: as the original, which goes by the order in which atoms are listed."""
    hidden: PositiveInt = 64
    """Width of the decoder's atoms and edges."""
    num_blocks: int = Field(default=2, ge=1, le=3)
    """Number of the decoder's interaction blocks."""
    num_radial: PositiveInt = 64
    """Number of radial functions of the decoder."""
    num_spherical: int = Field(default=7, ge=1, le=9)
    """Number of angular functions of the decoder."""
    triplet_width: PositiveInt = 32
    """Width of the decoder's messages while they are summed over triplets."""
    basis_width: PositiveInt = 16
    """Width to which radial functions and angles are projected."""
    num_levels: PositiveInt = 50
    """Noise levels of coordinates and of species."""
    largest_sigma: PositiveFloat = 10.0
    """Largest noise of the coordinates, Å."""
    smallest_sigma: PositiveFloat = 0.01
    """Smallest noise of the coordinates, Å."""
    largest_species_sigma: PositiveFloat = 5.0
    """Largest weight of the predicted composition in a noisy species, relative to the true one."""
    smallest_species_sigma: PositiveFloat = 0.01
    """Smallest such weight."""
    atoms_weight: float = Field(default=1.0, ge=0.0)
    """Weight of the cross entropy of the number of atoms."""
    lattice_weight: float = Field(default=10.0, ge=0.0)
    """Weight of the squared error of the normalised lattice parameters."""
    coordinates_weight: float = Field(default=10.0, ge=0.0)
    """Weight of the denoising error of the coordinates."""
    species_weight: float = Field(default=1.0, ge=0.0)
    """Weight of the cross entropy of the denoised species."""
    composition_weight: float = Field(default=1.0, ge=0.0)
    """Weight of the cross entropy of the composition."""
    divergence_weight: float = Field(default=0.01, ge=0.0)
    """Weight of the Kullback-Leibler divergence of the latent distribution from the prior."""

    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = MappingProxyType(
        {
            "small": MappingProxyType({}),
            "published": MappingProxyType(
                {
                    "predictor_width": 256,
                    "max_neighbours": 20,
                    "hidden": 128,
                    "num_blocks": 3,
                    "num_radial": 128,
                    "triplet_width": 64,
                }
            ),
        }
    )
