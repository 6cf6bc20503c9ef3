"""The promises that all readers make, one test for each line of the scorecard."""

from __future__ import annotations

from matsciml_core.testing import ReaderContract


class TestAtompack(ReaderContract):
    """What ``matsciml check atp`` checks."""

    spec_name = "atp"
