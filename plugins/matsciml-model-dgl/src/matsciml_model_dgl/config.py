"""Settings of the encoder ``mpnn-dgl``."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from matsciml_core import Config


class MPNNConfig(Config):
    """Settings of the message-passing network."""

    cutoff: float = Field(default=6.0, gt=0)
    """Longest edge, Å."""
    max_neighbours: int | None = Field(default=12, ge=1)
    """Keep at most this many edges into each atom, the shortest ones; None: all. Memory grows
    with the number of edges times ``width`` squared."""
    elements: Literal["learnt", "described", "both"] = "both"
    """What an element starts as: a learnt row, its measured properties (through a learnt linear
    layer), or the sum of both."""
    width: int = Field(default=32, ge=1)
    """Numbers that describe an atom."""
    steps: int = Field(default=3, ge=1)
    """Rounds of messages."""
    gaussian_centres: int = Field(default=40, ge=2)
    """Number of Gaussians that describe a distance, centred evenly from 0 to ``cutoff``."""
    edge_width: int = Field(default=64, ge=1)
    """Width of the hidden layer that turns a distance into the matrix of an edge."""
    aggregation: Literal["mean", "sum"] = "mean"
    """How an atom combines its messages."""
    set2set_layers: int = Field(default=1, ge=1)
    """LSTM layers in the read-out."""
    set2set_iterations: int = Field(default=3, ge=1)
    """Rounds of attention in the read-out."""
