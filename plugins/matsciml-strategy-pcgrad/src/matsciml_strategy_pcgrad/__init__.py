"""Strategies that resolve conflicts between the gradients of tasks."""

__version__ = "0.1.0"
