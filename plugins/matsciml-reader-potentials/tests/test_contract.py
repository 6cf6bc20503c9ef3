"""The promises that all readers make, one test for each line of the scorecard."""

from __future__ import annotations

from typing import ClassVar

from matsciml_core.testing import ReaderContract


class TestDeepMD(ReaderContract):
    """What ``matsciml check deepmd`` checks."""

    spec_name = "deepmd"


class TestMTP(ReaderContract):
    """What ``matsciml check mtp --set elements=Na,Cl`` checks."""

    spec_name = "mtp"
    options: ClassVar[dict[str, str]] = {"elements": "Na,Cl"}


class TestN2P2(ReaderContract):
    """What ``matsciml check n2p2 --set units=atomic`` checks."""

    spec_name = "n2p2"
    options: ClassVar[dict[str, str]] = {"units": "atomic"}


class TestPhonopy(ReaderContract):
    """What ``matsciml check phonopy`` checks."""

    spec_name = "phonopy"


class TestForceSets(ReaderContract):
    """What ``matsciml check force-sets`` checks."""

    spec_name = "force-sets"


class TestMLAB(ReaderContract):
    """What ``matsciml check ml-ab`` checks."""

    spec_name = "ml-ab"
