"""The command line is run within the tests."""

from matsciml_cli.testing import cli

__all__ = ["cli"]
