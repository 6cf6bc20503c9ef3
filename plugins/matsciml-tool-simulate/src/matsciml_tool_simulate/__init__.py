"""Relaxation and molecular dynamics with trained models, through ASE and torch-sim."""

__version__ = "0.1.0"
