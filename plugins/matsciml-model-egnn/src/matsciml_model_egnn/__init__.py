"""E(n)-GNN for MatSciML: the encoder and its presets."""

__version__ = "0.1.0"
