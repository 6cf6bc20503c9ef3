"""The table of units."""

from __future__ import annotations

from markdown_tables import markdown_table

from matsciml_core.registry.units import UNITS


def units_markdown() -> str:
    """Return the canonical units and what they measure, in MyST Markdown."""
    rows = [(f"`{unit}`", meaning) for unit, meaning in UNITS.items()]
    return markdown_table(("unit", "measures"), rows) + "\n"
