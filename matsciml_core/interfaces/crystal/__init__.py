"""A crystal, and the batch of crystals that encoders see."""

from matsciml_core.interfaces.crystal.batch import CrystalBatch
from matsciml_core.interfaces.crystal.crystal import Crystal

__all__ = ["Crystal", "CrystalBatch"]
