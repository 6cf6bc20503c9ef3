"""MatterSim for MatSciML: M3GNet as an encoder, and models out of files of weights."""

__version__ = "0.1.0"
