"""Trajectories of ASE, ``.traj``."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import Any

from ase.io import iread

from matsciml_core.convert.ase import site_properties_of
from matsciml_core.data.readers import Frame, InputFile, Reader, Record, name_of
from matsciml_core.errors import DataError

_OWN_ARRAYS = frozenset({"numbers", "positions"})


class TrajectoryReader(Reader):
    """Reads trajectories frame by frame, with what a calculator left in them."""

    def read(self, file: InputFile) -> Iterator[Record]:
        """Yield the frames of a trajectory.

        Args:
            file: The file.

        Raises:
            DataError: A frame cannot be read; those before it have been yielded.
        """
        path = file.plain_path()
        index = 0
        try:
            # The format is named, lest ASE guess another one, and run that one's reader, from what
            # stands in a file from elsewhere.
            images: Any = iread(str(path), index=":", format="traj")
            with closing(images):
                for atoms in images:
                    yield frame_from_atoms(atoms, f"{file.stem}-{index:06d}")
                    index += 1
        except Exception as error:
            raise DataError(
                f"Structure {index} of '{path}' cannot be read ({type(error).__name__}: {error}); "
                "correct the file there."
            ) from error


def frame_from_atoms(atoms: Any, otherwise: str) -> Frame:
    """Return ASE's atoms as a record.

    Args:
        atoms: ``ase.Atoms``.
        otherwise: The record's name where the atoms' ``info`` has none.
    """
    # get_forces() sets forces on atoms that are held to zero; the results are what was calculated.
    results = {} if atoms.calc is None else dict(atoms.calc.results)
    arrays = {key: value for key, value in atoms.arrays.items() if key not in _OWN_ARRAYS}
    values = {**arrays, **atoms.info, **results}
    return Frame(
        name=name_of(values, otherwise),
        atomic_numbers=atoms.numbers,
        positions=atoms.positions,
        cell=atoms.cell.array,
        pbc=atoms.pbc,
        values=values,
        site_properties=site_properties_of(atoms),
    )
