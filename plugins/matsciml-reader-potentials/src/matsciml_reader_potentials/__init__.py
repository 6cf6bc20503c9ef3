"""MatSciML readers of the training data of interatomic potentials."""

__version__ = "0.1.0"
