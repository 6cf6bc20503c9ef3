"""Atomic units in Å and eV; CODATA 2022."""

BOHR = 0.529177210544
"""Å."""
HARTREE = 27.211386245981
"""eV."""
