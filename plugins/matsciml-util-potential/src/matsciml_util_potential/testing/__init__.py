"""For tests of what uses potentials: force models of random weights."""
