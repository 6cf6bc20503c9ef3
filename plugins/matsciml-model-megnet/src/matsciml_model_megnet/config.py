"""Settings of the MEGNet encoder."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, ClassVar, Literal, Self

from pydantic import Field, PositiveInt, model_validator

from matsciml_core import Config


class MEGNetConfig(Config):
    """Settings of MEGNet; the defaults are the preset ``default``.

    ``mp2018`` has the settings of the published crystal networks, which differ in ``elements``.
    ``table7`` has the hyperparameters of Table 7 of the benchmark paper, with invariant inputs.
    The paper's own inputs, which are not invariant, are ``table7`` with
    ``edge_features=r_mu node_extra=positions state_deviation=sample``.
    """

    cutoff: float = Field(default=4.0, gt=0)
    """Longest edge, Å: 5 for ``mp2018``, of which the published formation-energy weights need 4."""
    max_neighbours: int | None = Field(default=None, ge=1)
    """Keep at most this many edges into each atom, the shortest ones; None: all."""
    num_blocks: int = Field(default=3, ge=1)
    """Number of graph-network blocks."""
    hidden_widths: tuple[PositiveInt, ...] = Field(default=(64, 32), min_length=1)
    """Widths of the dense layers before the first block and at the start of every other block."""
    convolution_widths: tuple[PositiveInt, ...] = Field(default=(64, 64, 32), min_length=1)
    """Widths of the update layers of a block; the last equals the last of ``hidden_widths``."""
    elements: Literal["learnt", "described", "both"] = "both"
    """What an element starts as: a learnt row, its measured properties (through a learnt linear
    layer), or the sum of both."""
    element_width: int = Field(default=64, ge=1)
    """Width of the element embedding; 16 in ``mp2018``."""
    edge_features: Literal["gaussian", "gaussian_mu", "r_mu"] = "gaussian"
    """``gaussian``: expansion of the distance in Gaussians. ``r_mu``: the distance in Å and
    mu = Z₁Z₂/(Z₁ + Z₂). ``gaussian_mu``: the expansion and mu."""
    gaussian_centres: int = Field(default=100, ge=2)
    """Number of Gaussians, centred evenly from 0 to ``cutoff`` + 1 Å."""
    gaussian_exponent: float = Field(default=0.5, gt=0)
    """Factor before the squared distance to a centre, Å⁻²."""
    state: Literal["zeros", "nine", "embedding"] = "zeros"
    """What a crystal starts with. ``zeros``: two zeros. ``nine``: nine statistics of its atomic
    numbers, distances and mu. ``embedding``: a learnt row, for example one per level of theory."""
    state_deviation: Literal["population", "sample"] = "population"
    """Divide the variances of ``state=nine`` by n (``population``: the same in every supercell)
    or by n − 1 (``sample``: as the paper's program does)."""
    state_rows: int = Field(default=4, ge=1)
    """Rows of the embedding of ``state=embedding``."""
    state_width: int = Field(default=16, ge=1)
    """Width of the embedding of ``state=embedding``."""
    state_index: int = Field(default=0, ge=0)
    """The row that ``state=embedding`` uses, counted from 0."""
    node_extra: Literal["none", "positions"] = "none"
    """``positions`` adds the Cartesian coordinates to the atom features. It is there to repeat
    the paper's Table 7 literally: the result depends on where the origin is and how the crystal
    is turned."""
    activation: Literal["softplus2", "softplus"] = "softplus2"
    """``softplus2``: ln(1 + eˣ) − ln 2. ``softplus``: ln(1 + eˣ)."""
    set2set_layers: int = Field(default=1, ge=1)
    """LSTM layers in each Set2Set read-out."""
    set2set_iterations: int = Field(default=2, ge=1)
    """Rounds of attention in each Set2Set read-out."""
    dropout: float = Field(default=0.0, ge=0, lt=1)
    """Probability of dropping an entry of a block's updates and of the crystal embedding."""

    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = MappingProxyType(
        {
            "default": MappingProxyType({}),
            "mp2018": MappingProxyType({"elements": "learnt", "element_width": 16, "cutoff": 5.0}),
            "table7": MappingProxyType(
                {
                    "elements": "learnt",
                    "cutoff": 5.0,
                    "num_blocks": 4,
                    "hidden_widths": (128, 64),
                    "convolution_widths": (128, 128, 64),
                    "element_width": 5,
                    "edge_features": "gaussian_mu",
                    "state": "nine",
                    "activation": "softplus",
                    "set2set_layers": 5,
                    "set2set_iterations": 4,
                    "dropout": 0.1,
                }
            ),
        }
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.hidden_widths[-1] != self.convolution_widths[-1]:
            raise ValueError(
                f"The last of convolution_widths ({self.convolution_widths[-1]}) must equal the "
                f"last of hidden_widths ({self.hidden_widths[-1]}), because a block's input is "
                "added to its output"
            )
        if self.state_index >= self.state_rows:
            raise ValueError(
                f"The state_index {self.state_index} must be below state_rows, {self.state_rows}"
            )
        return self

    @property
    def width(self) -> int:
        """Width of edge, atom and crystal features inside the blocks."""
        return self.hidden_widths[-1]
