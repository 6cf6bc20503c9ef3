"""Where jobs run: on this machine, on a Ray cluster, or through SLURM."""

__version__ = "0.1.0"
