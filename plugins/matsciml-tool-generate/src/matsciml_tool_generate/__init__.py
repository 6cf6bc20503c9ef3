"""Generating crystals with trained models, and evaluating them, for MatSciML."""

__version__ = "0.1.0"
