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
from matsciml_data_lips.declaration import SPEC
from matsciml_util_toolkit_lmdb.conversion import padded_key, record_source, toolkit_conversion

ENERGY_PER_ATOM = (-5.0, -3.5)
"""Where the energies of all frames lie, eV/atom; the mean is −4.31, and the spread 0.007."""
LARGEST_FORCE = 50.0
"""No atom of a sound frame feels more, eV/Å; the mean component is 0.44."""
XYZ_SUFFIXES = (".xyz", ".extxyz")


def read(path: Path) -> Conversion:
    """Open a file by its name.

    Args:
        path: Extended XYZ, or an LMDB of the Open MatSciML Toolkit.

    Raises:
        DataError: Nothing is there, or it is of neither kind.
    """
    if not path.exists():
        raise DataError(f"'{path}' does not exist; name a file of LiPS, see 'matsciml info'.")
    return read_xyz(path) if path.suffix.lower() in XYZ_SUFFIXES else read_toolkit(path)


def read_toolkit(path: Path) -> Conversion:
    """Open an LMDB of the Open MatSciML Toolkit; its pickles are read as plain data only.

    Args:
        path: The file, or a folder with several.

    Raises:
        DataError: It is no LMDB, or damaged.
    """
    source = record_source(path, partial(_toolkit_crystal, path))
    return toolkit_conversion(path, source, SPEC, title="LiPS frames")


def read_xyz(path: Path) -> Conversion:
    """Open an extended XYZ file, with ``energy`` and ``forces`` of each frame.

    Args:
        path: The file.
    """
    return Conversion(
        source=partial(xyz_crystals, path),
        targets=SPEC.targets,
        provenance=Provenance.from_spec(SPEC, f"local extended XYZ '{path.name}'"),
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
    # Per atom, in meV or in kcal/mol, every energy would lie far outside.
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
    """Return a record of the toolkit; one that lacks a field means that the file is another's."""
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
    """Yield the frames of an extended XYZ file, or why one can't be used.

    Args:
        path: The file.
        start: Index of the first frame to yield.

    Raises:
        DataError: The file is no extended XYZ, or is cut off.
        UnitError: Energies or forces are not in eV and eV/Å.
    """
    with path.open("rb") as stream:
        try:
            frames = islice(read_extended_xyz(stream), start, None)
            for index, frame in enumerate(frames, start):
                yield _read_frame(frame, index)
        except UnitError:  # of every frame alike, and says all there is to say
            raise
        except DataError as error:
            raise DataError(f"'{path}' cannot be read: {error}") from error


def _read_frame(frame: XYZFrame, index: int) -> Item:
    """Return a frame as a crystal; of all columns, those whose names the published file has."""
    name, columns = f"lips-{index:06d}", frame.columns
    if "energy" not in frame.info or "forces" not in columns:
        return Rejection(name, "The frame has no energy or no forces in extended XYZ.")
    values = {
        "atomic_numbers": columns["species"],
        "positions": columns["pos"],
        "cell": frame.cell,
        "energy": frame.number("energy"),
        "forces": columns["forces"],
    }
    return crystal_of(name, values, f"frame {index}")
