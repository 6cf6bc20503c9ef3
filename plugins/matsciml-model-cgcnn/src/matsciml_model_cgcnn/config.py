"""Settings of the CGCNN encoder."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from matsciml_core import Config


class CGCNNConfig(Config):
    """Settings of CGCNN; the defaults are the preset ``default``.

    ``published`` has the convolution, the distances and the widths of the paper.
    """

    cutoff: float = Field(default=4.0, gt=0)
    """Longest edge, Å."""
    max_neighbours: int | None = Field(default=None, ge=1)
    """Keep at most this many edges into each atom, the shortest ones; None: all. With a cap the
    embedding jumps as two neighbours change ranks."""
    envelope: bool = True
    """Whether messages go smoothly to zero at the cutoff."""
    envelope_power: int = Field(default=3, ge=1)
    """Exponent p of the polynomial envelope; the larger, the later it falls."""
    distance_functions: int = Field(default=16, ge=2)
    """Number of Gaussians that a distance is expanded in, centred evenly from 0 to the cutoff."""
    elements: Literal["learnt", "described", "both"] = "both"
    """Features of an element: ``learnt`` from the data, ``described`` by its measured properties,
    or ``both``, added."""
    width: int = Field(default=64, ge=1)
    """Width of the atom features in all layers."""
    message_width: int = Field(default=64, ge=1)
    """Width of a message; equals ``width`` where ``update=add``."""
    num_layers: int = Field(default=3, ge=1)
    """Number of convolutions."""
    update: Literal["project", "add"] = "project"
    """How messages change an atom. ``project``: their sum times a matrix is added, and what a
    message sees of an atom is normalised. ``add``: their sum is added as it is, Eq. (5) of the
    paper."""
    activation: Literal["silu", "softplus"] = "silu"
    """Activation of the messages and the read-out."""
    avg_num_neighbors: float = Field(default=6.0, gt=0)
    """What a sum of messages is divided by, so that it is of order one."""
    readout: Literal["moments", "mean"] = "moments"
    """How atoms become a crystal. ``moments``: mean and standard deviation of a dense layer of
    the atom features. ``mean``: their mean."""

    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = MappingProxyType(
        {
            "default": MappingProxyType({}),
            "published": MappingProxyType(
                {
                    "cutoff": 8.0,
                    "max_neighbours": 12,
                    "envelope": False,
                    "distance_functions": 41,
                    "elements": "described",
                    "update": "add",
                    "activation": "softplus",
                    "avg_num_neighbors": 1.0,
                    "readout": "mean",
                }
            ),
        }
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.update == "add" and self.message_width != self.width:
            raise ValueError(
                f"message_width ({self.message_width}) must equal width ({self.width}) where "
                "update=add, because messages are added to the atom features"
            )
        return self
