"""A real browser."""

from __future__ import annotations

from matsciml_util_pages.testing.browser import browser

__all__ = ["browser"]
