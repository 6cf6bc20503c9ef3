"""The promises that all readers make, one test for each line of the scorecard."""

from __future__ import annotations

from matsciml_core.testing import ReaderContract


class TestCIF(ReaderContract):
    """What ``matsciml check cif`` checks."""

    spec_name = "cif"


class TestPOSCAR(ReaderContract):
    """What ``matsciml check poscar`` checks."""

    spec_name = "poscar"


class TestJSON(ReaderContract):
    """What ``matsciml check pymatgen-json`` checks."""

    spec_name = "pymatgen-json"
