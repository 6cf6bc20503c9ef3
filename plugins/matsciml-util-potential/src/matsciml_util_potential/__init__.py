"""A trained model as a potential: ASE's calculator, relaxation, and atoms that are held."""

__version__ = "0.1.0"
