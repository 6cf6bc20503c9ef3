"""The promises that all readers make, one test for each line of the scorecard."""

from __future__ import annotations

from typing import ClassVar

from matsciml_core.testing import ReaderContract


class TestTrajectories(ReaderContract):
    """What ``matsciml check traj`` checks."""

    spec_name = "traj"


class TestDatabases(ReaderContract):
    """What ``matsciml check ase-db`` checks."""

    spec_name = "ase-db"


class TestJSON(ReaderContract):
    """What ``matsciml check ase-json`` checks."""

    spec_name = "ase-json"


class TestLMDB(ReaderContract):
    """What ``matsciml check aselmdb`` checks."""

    spec_name = "aselmdb"


class TestVasprun(ReaderContract):
    """What ``matsciml check vasprun`` checks."""

    spec_name = "vasprun"


class TestVaspout(ReaderContract):
    """What ``matsciml check vaspout`` checks."""

    spec_name = "vaspout"


class TestCP2K(ReaderContract):
    """What ``matsciml check cp2k`` checks."""

    spec_name = "cp2k"


class TestCP2KLog(ReaderContract):
    """What ``matsciml check cp2k-log`` checks."""

    spec_name = "cp2k-log"


class TestLammpsDump(ReaderContract):
    """What ``matsciml check lammps-dump --set elements=Na,Cl`` checks."""

    spec_name = "lammps-dump"
    options: ClassVar[dict[str, str]] = {"elements": "Na,Cl"}


class TestAbinitNetCDF(ReaderContract):
    """What ``matsciml check abinit-netcdf`` checks."""

    spec_name = "abinit-netcdf"


class TestEspressoXML(ReaderContract):
    """What ``matsciml check espresso-xml`` checks."""

    spec_name = "espresso-xml"
