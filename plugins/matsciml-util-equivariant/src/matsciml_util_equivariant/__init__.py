"""What equivariant encoders share: couplings along edges, and sums of messages."""

__version__ = "0.1.0"
