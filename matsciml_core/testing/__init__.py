"""Conformance kit: the physics and contracts that every plugin must satisfy."""
