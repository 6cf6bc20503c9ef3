"""Task heads without gradient steps, on scikit-learn."""

__version__ = "0.1.0"
