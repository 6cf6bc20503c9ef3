"""Supercells with displaced atoms, from which phonopy and phono3py make force constants.

``phonopy_params.yaml`` has all of it; ``FORCE_SETS`` and phono3py's ``FORCES_FC3`` have forces, and
the supercell and its displacements come from the ``phonopy_disp.yaml`` beside, with which they are
compared. What is special, in phonopy and phono3py 4.10.0:

- The energy, where there is one, is VASP's energy extrapolated to zero smearing; forces belong to
  the free energy. Earlier versions took another one, so that it keeps its name.
- The mean force is subtracted where forces were collected, and with ``--fz`` those of the supercell
  without displacements, which no file says.
- Pairs beyond a cutoff are not calculated, and have forces and energies of zero: rejected here.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from matsciml_core.data.ingestion.sources import Rejection
from matsciml_core.data.readers import Frame, InputFile, Reader, Record
from matsciml_core.errors import DataError
from matsciml_reader_potentials.phonopy_yaml import Supercell, supercells_of

UNITS = {"supercell_energy": "eV", "forces": "eV/A"}
_BESIDE = {
    "FORCE_SETS": ("", ("phonopy_disp.yaml", "phonopy.yaml")),
    "FORCES_FC3": ("", ("phono3py_disp.yaml", "phono3py.yaml")),
    "FORCES_FC2": ("phonon_", ("phono3py_disp.yaml", "phono3py.yaml")),
}
"""File of forces → which displacements it belongs to, and the files that may have them."""
_SAME = 1e-6
"""Largest difference of displacements; FORCE_SETS of the second kind has eight decimals."""
Numbers = NDArray[np.float64]


class PhonopyReader(Reader):
    """Reads the YAML of phonopy and phono3py."""

    def read(self, file: InputFile) -> Iterator[Record]:
        """Yield the supercells that have forces.

        Args:
            file: The file.

        Raises:
            DataError: It is none of phonopy's, or has no forces.
        """
        with file.open_text() as stream:
            supercells = supercells_of(stream.read(), str(file.path))
        every = [each for cell in supercells.values() for each in cell.displaced]
        if all(each.forces is None for each in every):
            raise DataError(
                f"'{file.path}' has displacements and no forces; name the FORCE_SETS or FORCES_FC3 "
                "beside it, or let phonopy or phono3py write both into one file with --sp."
                if every
                else f"'{file.path}' has no displacements of phonopy."
            )
        for prefix, cell in supercells.items():
            yield from _records(f"{file.stem}-{prefix.replace('_', '-')}", cell)


class ForceSetsReader(Reader):
    """Reads FORCE_SETS of phonopy, and FORCES_FC2 and FORCES_FC3 of phono3py."""

    def read(self, file: InputFile) -> Iterator[Record]:
        """Yield the supercells, with the structure of the file beside.

        Args:
            file: The file of forces.

        Raises:
            DataError: The supercell is not known, or the file beside has other displacements.
        """
        own = file.plain_path()
        name = next((key for key in _BESIDE if key.lower() in own.name.lower()), "FORCE_SETS")
        prefix, beside = _BESIDE[name]
        paths = [own.with_name(other) for other in beside]
        path = next((path for path in paths if path.exists()), None)
        if path is None:
            raise DataError(
                f"'{file.path}' has forces and no structure; put the '{beside[0]}' beside it that "
                "made its displacements."
            )
        with InputFile(path).open_text() as stream:
            supercells = supercells_of(stream.read(), str(path))
        cell = supercells.get(prefix)
        if cell is None:
            raise DataError(f"'{path}' has no displacements of phonopy.")
        with file.open_text() as stream:
            sets = _sets(stream.read().splitlines(), len(cell.numbers), str(file.path))
        for index, (displaced, (moved, forces)) in enumerate(
            zip(cell.displaced, sets, strict=False)
        ):
            if moved is not None and not _same(moved, displaced.displacements):
                raise DataError(
                    f"'{file.path}' was made for other displacements than those of '{path}', "
                    f"the first time in number {index + 1}; put the one beside it that it belongs "
                    "to."
                )
            displaced.forces = forces
        if len(sets) > len(cell.displaced):
            raise DataError(
                f"'{file.path}' has {len(sets)} sets of forces for the {len(cell.displaced)} "
                f"displacements of '{path}'."
            )
        yield from _records(f"{file.stem}-", cell)


def _sets(lines: list[str], atoms: int, path: str) -> list[tuple[Numbers | None, Numbers]]:
    """Return displacements, where the file has them, and forces; of the last set what is there.

    Raises:
        DataError: It has words for numbers, or sets for another number of atoms.
    """
    rows = [line.split() for line in lines if line.strip()]
    try:
        if rows and len(rows[0]) == 1 and rows[0][0] != "#":
            return list(_small_displacements(rows, atoms))
        if any(row[0] == "#" for row in rows):
            return list(_commented(rows, atoms))
        width = len(rows[0]) if rows else 0
        whole = [row for row in rows if len(row) == width]
        table = np.array(whole, dtype=np.float64).reshape(len(whole), width)
        if width not in (3, 6) or len(whole) < len(rows) - 1:
            raise ValueError
    except (IndexError, ValueError) as error:
        raise DataError(f"'{path}' is not as phonopy writes it.") from error
    chunks = [table[start : start + atoms] for start in range(0, len(table), atoms)]
    return [(chunk[:, :3] if width == 6 else None, chunk[:, -3:]) for chunk in chunks]


def _small_displacements(
    rows: list[list[str]], atoms: int
) -> Iterator[tuple[Numbers | None, Numbers]]:
    """Yield the sets of FORCE_SETS in which one atom is displaced in each."""
    if int(rows[0][0]) != atoms:
        raise DataError(
            f"The forces are those of {rows[0][0]} atoms, and the supercell has {atoms}."
        )
    for start in range(2, len(rows), atoms + 2):
        block = rows[start : start + atoms + 2]
        if len(block) < 2:
            return  # which leaves a displacement without forces
        moved = np.zeros((atoms, 3))
        moved[int(block[0][0]) - 1] = np.array(block[1], dtype=np.float64)
        yield moved, _numbers(block[2:])


def _commented(rows: list[list[str]], atoms: int) -> Iterator[tuple[Numbers | None, Numbers]]:
    """Yield the sets of FORCES_FC2 and FORCES_FC3, whose displacements stand in comments."""
    starts = [index for index, row in enumerate(rows) if row[:2] == ["#", "File:"]]
    for start, end in zip(starts, [*starts[1:], len(rows)], strict=True):
        moved = np.zeros((atoms, 3))
        said = [row for row in rows[start + 1 : end] if row[0] == "#"]
        for _, atom, *displacement in said:
            moved[int(atom) - 1] += np.array(displacement, dtype=np.float64)
        yield moved, _numbers([row for row in rows[start:end] if row[0] != "#"])


def _numbers(rows: list[list[str]]) -> Numbers:
    """Return rows of three numbers; without the last one, where the file ends in it."""
    whole = rows if not rows or len(rows[-1]) == 3 else rows[:-1]
    return np.array(whole, dtype=np.float64).reshape(-1, 3)


def _same(moved: Numbers, displacements: Numbers) -> bool:
    """Return whether displacements agree, as far as the file of forces has them."""
    given = displacements[: len(moved)]
    return moved.shape == given.shape and bool(np.abs(moved - given).max(initial=0) < _SAME)


def _records(prefix: str, cell: Supercell) -> Iterator[Record]:
    for index, displaced in enumerate(cell.displaced):
        name = f"{prefix}{index:06d}"
        forces = displaced.forces
        if forces is None:
            yield Rejection(name, "The supercell has no forces.")
            continue
        if reason := _fault(displaced.displacements, forces, len(cell.numbers)):
            yield Rejection(name, reason)
            continue
        values = {**cell.values, "forces": forces * cell.force}
        if displaced.energy is not None:
            values["supercell_energy"] = displaced.energy * cell.energy
        yield Frame(
            name=name,
            atomic_numbers=cell.numbers,
            positions=cell.positions + displaced.displacements * cell.length,
            cell=cell.cell,
            values=values,
            units=UNITS,
        )


def _fault(displacements: Numbers, forces: Numbers, atoms: int) -> str:
    """Return why a supercell is no record; empty: it is one."""
    if len(forces) < atoms:
        return "The file ends before the end of the forces."
    if len(forces) > atoms or displacements.shape != (atoms, 3):
        return "The supercell has another number of atoms than of forces or displacements."
    if not forces.any() and displacements.any():
        return "All forces are zero: the supercell lies beyond a cutoff and was not calculated."
    return ""
