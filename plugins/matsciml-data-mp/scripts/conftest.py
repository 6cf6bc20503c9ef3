"""Keeps pytest from importing the scripts in its search for doctests."""

collect_ignore_glob = ["*.py"]
