"""What pages of tools are made of: numbers in words, views, SVG figures, sheets, the shell."""

__version__ = "0.1.0"
