"""MEGNet for MatSciML: the encoder, its presets, and the published crystal networks."""

__version__ = "0.1.0"
