"""CHGNet for MatSciML: an encoder, and two pretrained potentials with magnetic moments."""

__version__ = "0.1.0"
