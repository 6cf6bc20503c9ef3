"""What task heads for properties of crystals share."""

__version__ = "0.1.0"
