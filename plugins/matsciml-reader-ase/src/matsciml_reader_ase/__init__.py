"""MatSciML readers of ASE's files: trajectories, databases, and databases in LMDB."""

__version__ = "0.1.0"
