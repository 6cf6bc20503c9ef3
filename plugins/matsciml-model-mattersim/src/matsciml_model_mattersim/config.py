"""Settings of MatterSim."""

from __future__ import annotations

from pydantic import PositiveFloat, PositiveInt

from matsciml_core import Config


class MatterSimConfig(Config):
    """Settings of M3GNet as MatterSim has it; a file of weights brings its own.

    The published networks are wider than the default, which is for training from nothing.
    """

    width: PositiveInt = 64
    """Features of atoms and edges."""
    num_blocks: PositiveInt = 3
    """Interactions of atoms with their neighbours."""
    cutoff: PositiveFloat = 5.0
    """Longest edge, Å."""
    three_body_cutoff: PositiveFloat = 4.0
    """Longest edge that takes part in an angle, Å."""
