"""Pages are shown in a real browser; where there is none, these tests are skipped."""

from matsciml_util_pages.testing.browser import browser

__all__ = ["browser"]
