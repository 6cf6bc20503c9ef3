"""Running: the configuration of a run, the Lightning modules, and what a run writes."""
