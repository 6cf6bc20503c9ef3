"""Sharing trained models of MatSciML: a folder with weights, settings and a model card."""

__version__ = "0.1.0"
