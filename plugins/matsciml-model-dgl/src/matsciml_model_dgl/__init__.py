"""A message-passing encoder for MatSciML, built from the layers of the Deep Graph Library."""

__version__ = "0.1.0"
