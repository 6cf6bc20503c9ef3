"""``report.html``: one run on one page that works anywhere, without network or assets beside it.

Its public names are imported on first use: who only writes numbers as the report does, needs no
torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matsciml_core.training.report.page import write_report

__all__ = ["write_report"]


def __getattr__(name: str) -> Any:
    """Import a public name from the module that defines it (PEP 562)."""
    if name not in __all__:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    from matsciml_core.training.report import page  # noqa: PLC0415 - imports torch

    return getattr(page, name)
