"""MatBench v0.1 for MatSciML: its tasks with their folds, and records for its leaderboard."""

__version__ = "0.1.0"
