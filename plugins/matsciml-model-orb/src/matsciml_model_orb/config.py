"""Settings of Orb."""

from __future__ import annotations

from pydantic import PositiveInt

from matsciml_core import Config


class OrbConfig(Config):
    """Settings of Orb v3; a file of weights brings its own.

    The published networks have the width 256, hidden layers of 1,024 and five interactions.
    """

    width: PositiveInt = 64
    """Features of atoms and edges."""
    hidden: PositiveInt = 128
    """Width of the hidden layers."""
    num_hidden: PositiveInt = 2
    """Hidden layers of each perceptron."""
    num_interactions: PositiveInt = 3
    """Interactions of atoms with their neighbours."""
    radial_functions: PositiveInt = 8
    """Bessel functions of the length of an edge."""
    readout_width: PositiveInt = 64
    """Width of the hidden layers of the read-out of the energy."""
    readout_hidden: PositiveInt = 1
    """Their number."""
    max_neighbours: PositiveInt | None = 120
    """Neighbours within 6 Å that an atom exchanges messages with, the nearest ones; None: all."""
    repulsion: bool = True
    """Whether the energy has the repulsion of nuclei that orb-models 0.5.5 adds."""
