"""Periodic neighbour lists, and the edges that encoders ask for."""
