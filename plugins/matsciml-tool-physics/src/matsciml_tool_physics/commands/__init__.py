"""The commands; what is heavy is imported within functions, so that ``--help`` stays fast."""
