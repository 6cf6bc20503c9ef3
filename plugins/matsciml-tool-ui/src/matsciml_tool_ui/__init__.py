"""Pages of a folder of MatSciML runs in a browser, which follow runs that are still training."""

__version__ = "0.1.0"
