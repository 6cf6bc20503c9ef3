"""Reports of runs, comparisons and leaderboards for MatSciML."""

__version__ = "0.1.0"
