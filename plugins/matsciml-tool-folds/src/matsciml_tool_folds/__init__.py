"""Cross-validation for MatSciML: a run for each fold, and mean and deviation over them."""

__version__ = "0.1.0"
