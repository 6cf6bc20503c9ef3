"""NequIP for MatSciML: an E(3)-equivariant encoder whose features are scalars and tensors."""

__version__ = "0.1.0"
