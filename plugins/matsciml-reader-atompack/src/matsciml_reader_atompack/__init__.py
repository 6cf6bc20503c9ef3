"""MatSciML reader and writer of Atompack, the format of LeMaterial's sets."""

__version__ = "0.1.0"
