"""Outputs told by their first lines; imported whenever a file's name says nothing, hence light."""

from __future__ import annotations

import re
from pathlib import Path

_VASPRUN = re.compile(rb"\s*(?:<\?xml[^>]*>\s*)?<modeling>")
_OUTCAR = re.compile(rb"\s*vasp\.\d")
_LAMMPS_DUMP = re.compile(rb"\s*ITEM: (?:UNITS|TIME|TIMESTEP)\r?\n")
_ASE_JSON = re.compile(rb'\s*\{\s*"\d+":\s*\{\s*"(?:calculator|cell|constraints|ctime|data)"')


def is_vasprun(path: Path, head: bytes) -> bool:
    """Return whether a file is VASP's vasprun.xml, whatever it is called."""
    return bool(_VASPRUN.match(head))


def is_ase_json(path: Path, head: bytes) -> bool:
    """Return whether a file is a database of ASE in JSON: rows by number, arrays in its form."""
    return b"__ndarray__" in head and bool(_ASE_JSON.match(head))


def is_outcar(path: Path, head: bytes) -> bool:
    """Return whether a file is VASP's OUTCAR, whatever it is called."""
    return bool(_OUTCAR.match(head))


def is_espresso(path: Path, head: bytes) -> bool:
    """Return whether a file is written by pw.x of Quantum ESPRESSO."""
    return b"Program PWSCF" in head


def is_cp2k_log(path: Path, head: bytes) -> bool:
    """Return whether a file is the log of CP2K."""
    # Its library of sparse matrices prints first.
    return b" CP2K| " in head or head.lstrip().startswith(b"DBCSR| ")


def is_espresso_xml(path: Path, head: bytes) -> bool:
    """Return whether a file is XML of Quantum ESPRESSO."""
    return b"<qes:espresso" in head


def is_aims(path: Path, head: bytes) -> bool:
    """Return whether a file is written by FHI-aims."""
    return b"Invoking FHI-aims" in head


def is_castep_motion(path: Path, head: bytes) -> bool:
    """Return whether a file is CASTEP's .md or .geom."""
    return b"END header" in head and b"<-- E" in head


def is_abinit(path: Path, head: bytes) -> bool:
    """Return whether a file is written by ABINIT."""
    return b"of ABINIT" in head


def is_gpaw(path: Path, head: bytes) -> bool:
    """Return whether a file is written by GPAW."""
    return b"|__ |  _|___|_____|" in head


def is_lammps_dump(path: Path, head: bytes) -> bool:
    """Return whether a file begins with a frame of LAMMPS."""
    return bool(_LAMMPS_DUMP.match(head))
