"""Metrics of MatSciML's runs in Weights & Biases, MLflow and Trackio."""

__version__ = "0.1.0"
