"""From a local file to LiPS crystals, with a check that energies and forces are in eV and eV/Å."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from matsciml_core import Crystal
from matsciml_core.data.ingestion.conversion import Conversion, Item, Rejection, fingerprint_of
from matsciml_core.data.readers.extxyz import XYZFrame, read_extended_xyz
from matsciml_core.errors import DataError, UnitError
from matsciml_core.interfaces.dataset import Provenance
from matsciml_data_lips.labels import LICENCE, REFERENCES, SOURCE, TARGETS
from matsciml_util_toolkit_lmdb.conversion import legacy_conversion, padded_key, read_each

ENERGY_PER_ATOM = (-5.0, -3.5)
"""Where the energies of all frames lie, eV/atom; the mean is −4.31, and the spread 0.007."""
LARGEST_FORCE = 50.0
"""No atom of a sound frame feels more, eV/Å; the mean component is 0.44."""
XYZ_SUFFIXES = (".xyz", ".extxyz")


def read(path: Path) -> Conversion:
    """Understand a file by its name.

    Raises:
        DataError: Nothing is there, or it is of neither kind.
    """
    if not path.exists():
        raise DataError(f"'{path}' does not exist; name a file of LiPS, see 'matsciml info'.")
    return read_xyz(path) if path.suffix.lower() in XYZ_SUFFIXES else read_toolkit(path)


def read_toolkit(path: Path) -> Conversion:
    """Understand an LMDB of the Open MatSciML Toolkit; its pickles are read as plain data only.

    Raises:
        DataError: It is no LMDB, or damaged.
    """
    return legacy_conversion(
        path,
        read_each(path, partial(_toolkit_crystal, path)),
        title="LiPS frames",
        targets=TARGETS,
        provenance=Provenance(source=SOURCE, licence=LICENCE, references=REFERENCES),
    )


def read_xyz(path: Path) -> Conversion:
    """Understand an extended XYZ file, with ``energy`` and ``forces`` of each frame."""
    return Conversion(
        source=partial(xyz_crystals, path),
        targets=TARGETS,
        provenance=Provenance(
            source=SOURCE,
            release=f"local extended XYZ '{path.name}'",
            licence=LICENCE,
            references=REFERENCES,
        ),
        fingerprint=fingerprint_of([path]),
        summary=f"LiPS frames from the extended XYZ '{path.name}'.",
    )


def crystal_of(name: str, frame: Mapping[str, Any], where: str) -> Crystal:
    """Return a frame as a crystal.

    Args:
        name: Its id.
        frame: ``atomic_numbers``, ``positions`` (Å), ``cell`` (Å), ``energy`` and ``forces``.
        where: What is read, for messages.

    Raises:
        UnitError: Energy or forces cannot be in eV and eV/Å.
    """
    numbers, forces = np.asarray(frame["atomic_numbers"]), np.asarray(frame["forces"], np.float64)
    energy = float(frame["energy"])
    low, high = ENERGY_PER_ATOM
    if not low < energy / len(numbers) < high:
        raise UnitError(
            f"Label 'energy' of {where} is {energy:g} for {len(numbers)} atoms, which cannot be a "
            f"total energy of LiPS in eV ({low * len(numbers):.0f} to {high * len(numbers):.0f}); "
            "convert it to eV per cell."
        )
    largest = float(np.abs(forces).max(initial=0.0))
    if largest > LARGEST_FORCE:
        raise UnitError(
            f"Label 'forces' of {where} has a component of {largest:g}, which cannot be in eV/Å; "
            "convert the forces to eV/Å."
        )
    return Crystal(
        id=name,
        atomic_numbers=numbers,
        positions=np.asarray(frame["positions"]),
        cell=np.asarray(frame["cell"]),
        labels={"energy": energy, "forces": forces},
    )


def _toolkit_crystal(path: Path, key: str, record: Any) -> Crystal:
    try:
        frame = {
            "atomic_numbers": record["atomic_numbers"],
            "positions": record["pos"],
            "cell": record["cell"],
            "energy": record["energy"],
            "forces": record["force"],
        }
    except (KeyError, TypeError, IndexError) as error:
        raise DataError(
            f"Record {key} of '{path}' is no LiPS frame ({error} is missing); name an LMDB of the "
            "LiPS dataset."
        ) from error
    return crystal_of(f"lips-{padded_key(key)}", frame, f"record {key}")


def xyz_crystals(path: Path, start: int = 0) -> Iterator[Item]:
    """Yield the frames of an extended XYZ file, from the ``start``-th on.

    Raises:
        DataError: The file is no extended XYZ, or is cut off.
        UnitError: Energies or forces are not in eV and eV/Å.
    """
    number = start
    with path.open("rb") as stream:
        try:
            for frame in islice(read_extended_xyz(stream), start, None):
                yield _read_frame(frame, number)
                number += 1
        except UnitError:
            raise
        except DataError as error:
            raise DataError(f"'{path}' cannot be read: {error}") from error


def _read_frame(frame: XYZFrame, number: int) -> Item:
    name, columns = f"lips-{number:06d}", frame.columns
    if "energy" not in frame.info or "forces" not in columns:
        return Rejection(name, "The frame has no energy or no forces in extended XYZ.")
    values = {
        "atomic_numbers": columns["species"],
        "positions": columns["pos"],
        "cell": frame.cell,
        "energy": frame.number("energy"),
        "forces": columns["forces"],
    }
    return crystal_of(name, values, f"frame {number}")
