"""The promises that all readers make, one test for each line of the scorecard."""

from __future__ import annotations

from matsciml_core.testing import ReaderContract


class TestToolkit(ReaderContract):
    """What ``matsciml check toolkit-lmdb`` checks."""

    spec_name = "toolkit-lmdb"
