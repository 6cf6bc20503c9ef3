"""For tests of pages: a real browser, and pages as trees of elements."""
