"""CDVAE: DimeNet++ encoders, and a head that generates crystals."""

__version__ = "0.1.0"
