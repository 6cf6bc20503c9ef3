"""SevenNet for MatSciML: an equivariant encoder, and four pretrained potentials."""

__version__ = "0.1.0"
