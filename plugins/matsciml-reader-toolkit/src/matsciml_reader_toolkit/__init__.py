"""MatSciML reader of the LMDB files of the Open MatSciML Toolkit."""

__version__ = "0.1.0"
