"""Settings of the E(n)-GNN encoder."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, ClassVar, Literal

from pydantic import Field, PositiveInt

from matsciml_core import Config


class EGNNConfig(Config):
    """Settings of E(n)-GNN; the defaults are the preset ``default``.

    ``table6`` has the hyperparameters of Table 6 of the benchmark paper. ``forces`` is for
    energies and forces: smooth everywhere, messages summed and divided by a constant.
    """

    cutoff: float = Field(default=6.0, gt=0)
    """Longest edge, Å."""
    max_neighbours: int | None = Field(default=None, ge=1)
    """Keep at most this many edges into each atom, the shortest ones; None: all."""
    element_rows: int = Field(default=119, ge=2)
    """Rows of the element embedding. The row is the atomic number; row 0 is zero and stands for
    every element beyond the table."""
    elements: Literal["learnt", "described", "both"] = "both"
    """What an element starts as: a learnt row, its measured properties (through a learnt linear
    layer), or the sum of both."""
    width: int = Field(default=32, ge=1)
    """Width of the atom features in all layers."""
    num_layers: int = Field(default=5, ge=1)
    """Number of layers."""
    message_widths: tuple[PositiveInt, ...] = Field(default=(128, 128, 128), min_length=1)
    """Widths of the message network's dense layers; the last one is the width of a message."""
    position_widths: tuple[PositiveInt, ...] = (64, 64)
    """Hidden widths of the network that turns a message into a displacement."""
    update_widths: tuple[PositiveInt, ...] = (128, 128, 128)
    """Hidden widths of the network that updates the atom features."""
    projection_widths: tuple[PositiveInt, ...] = Field(default=(128, 128, 128), min_length=1)
    """Widths of the dense layers before the read-out; the last one is the embedding's width."""
    activation: Literal["silu", "relu"] = "silu"
    """Activation of all networks. With ``relu`` an energy is only piecewise smooth and its
    second derivative is zero almost everywhere, which spoils training on forces."""
    distance: Literal["squared", "scaled", "gaussian", "bessel"] = "gaussian"
    """How a message sees the distance r. ``squared``: r², Å². ``scaled``: (r/cutoff)².
    ``gaussian``, ``bessel``: that many functions of r, all of order one."""
    distance_functions: int = Field(default=16, ge=2)
    """Number of Gaussians or Bessel functions."""
    attention: Literal["none", "sigmoid", "softmax"] = "none"
    """Weight of each message: none; a sigmoid; or a softmax over the edges that enter an atom.
    The softmax is not continuous at the cutoff without an envelope."""
    envelope: bool = True
    """Whether messages and displacements go smoothly to zero at the cutoff."""
    aggregation: Literal["sum", "mean"] = "sum"
    """How messages are collected at an atom. The mean jumps as a neighbour enters the cutoff."""
    avg_num_neighbors: float = Field(default=1.0, gt=0)
    """What a sum of messages or displacements is divided by, so that it is of order one; 1 leaves
    the sum."""
    update_positions: bool = True
    """Whether messages move the atoms (by less than chemistry does) from layer to layer."""
    last_position_network: bool = False
    """Whether the last layer has a position network too. Nothing uses its result; the paper's
    program has it, and counts its parameters."""
    position_gain: float = Field(default=1e-3, gt=0)
    """Gain of the position network's last layer at the start; larger ones can blow up."""
    normalise: bool = True
    """Whether displacements go along v/(\\|v\\| + constant) rather than along the edge vector v."""
    normalisation_constant: float = Field(default=0.1, ge=0)
    """That constant, Å."""
    tanh: bool = True
    """Whether tanh bounds the displacement that one edge can cause to 1 Å per layer."""
    residual: bool = True
    """Whether a layer's result is added to its input."""
    readout: Literal["mean", "sum"] = "mean"
    """How atoms become a crystal. The sum grows with the cell and suits extensive properties."""

    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = MappingProxyType(
        {
            "default": MappingProxyType({}),
            "table6": MappingProxyType(
                {
                    "element_rows": 100,
                    "elements": "learnt",
                    "activation": "relu",
                    "distance": "squared",
                    "envelope": False,
                    "avg_num_neighbors": 1.0,
                    "last_position_network": True,
                    "readout": "sum",
                }
            ),
            "forces": MappingProxyType({"avg_num_neighbors": 5.0}),
        }
    )
