"""Symmetry-distinct atoms and space groups: found, and kept beside a store."""
