"""``report.html``: one run on one page that works anywhere, without network or assets beside it."""

from __future__ import annotations

from matsciml_core.training.report.page import REPORT, write_report

__all__ = ["REPORT", "write_report"]
