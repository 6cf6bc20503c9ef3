"""The paper's tables for MatSciML: filled by runs, here, on a cluster, or through SLURM."""

__version__ = "0.1.0"
