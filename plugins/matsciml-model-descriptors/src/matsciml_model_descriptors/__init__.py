"""An encoder that learns nothing: descriptors of composition and structure."""

__version__ = "0.1.0"
