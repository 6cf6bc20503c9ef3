"""The checks of a reader, in the order of the scorecard."""

from __future__ import annotations

from matsciml_core.testing.checks import Check
from matsciml_core.testing.reader import content, files, writing

CHECKS: tuple[Check, ...] = (
    files.recognised,
    content.structures,
    content.values,
    content.quantities,
    content.names,
    content.repeatable,
    files.compressed,
    files.torn,
    files.something_else,
    files.untouched,
    files.streaming,
    writing.written,
)
