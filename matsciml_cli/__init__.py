"""The ``matsciml`` command line."""
