"""The LiPS dataset."""

__version__ = "0.1.0"
