"""The page of an evaluation: one HTML file that needs no network and nothing beside it."""

from matsciml_core.generation.page.page import render, write_page

__all__ = ["render", "write_page"]
