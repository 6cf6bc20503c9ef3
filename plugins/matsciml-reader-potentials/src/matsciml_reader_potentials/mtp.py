"""Configurations of moment tensor potentials, ``.cfg`` of MLIP-2 and MLIP-3.

Types count from 0, and no file says which elements they are: the user names them. ``PlusStress`` is
the virial in eV, in the order of its header: minus the stress times the volume.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from matsciml_core.data.readers import Frame, InputFile, Reader, Record
from matsciml_core.errors import ConfigError, DataError
from matsciml_reader_potentials.blocks import read_blocks
from matsciml_reader_potentials.config import ElementsConfig

UNITS = {"energy": "eV", "forces": "eV/A", "plus_stress": "eV"}
_VOIGT = ("xx", "yy", "zz", "yz", "xz", "xy")
_AXES = ("x", "y", "z")
_MEANT = {
    "id",
    "type",
    *(f"{name}{axis}" for name in ("cartes_", "direct_", "f") for axis in _AXES),
}
"""Columns of structure and forces; what else there is becomes values per atom."""
_SPELLINGS = {"SuperCell": "Supercell", "Atomic_data": "AtomData"}
"""Of earlier versions."""
_VECTORS = ("magmom", "en_der_wrt_magmom")
"""Of magnetic potentials, three columns each."""
_OTHER_STRESSES = ("Stress", "Virial")


class MTPReader(Reader):
    """Reads the configurations of a file."""

    def read(self, file: InputFile) -> Iterator[Record]:
        """Yield the configurations; one that is broken or torn as a rejection.

        Args:
            file: The file.

        Raises:
            ConfigError: The elements are not named.
            DataError: There is no configuration in it.
        """
        elements = self.config.numbers if isinstance(self.config, ElementsConfig) else []
        if not elements:
            raise ConfigError(
                f"'{file.path}' numbers its types, and does not say which elements they are; name "
                "them from type 0 on, for example with --set elements=Cu,O."
            )
        parse = partial(_parse, elements=np.array(elements))
        yield from read_blocks(file, "BEGIN_CFG", "END_CFG", parse, "configuration")


def _parse(lines: list[list[str]], name: str, elements: NDArray[np.int64]) -> Frame:
    sections: dict[str, list[list[str]]] = {}
    features: dict[str, Any] = {}
    rows: list[list[str]] = []
    for words in lines[1:]:
        if words[0] == "Feature":
            features[words[1]] = " ".join(words[2:])
        elif words[0].rstrip(":").isidentifier() and not _is_number(words[0]):
            title = words[0].rstrip(":")
            rows = sections.setdefault(_SPELLINGS.get(title, title), [])
            rows.append(words[1:])  # the header
        else:
            rows.append(words)
    if other := next((title for title in _OTHER_STRESSES if title in sections), None):
        raise DataError(
            f"The configuration has '{other}', whose sign and volume differ between versions of "
            "MLIP; write it as PlusStress."
        )
    atoms = int(sections["Size"][1][0])
    header, table = sections["AtomData"][0], np.array(sections["AtomData"][1:])
    if table.shape != (atoms, len(header)):
        raise DataError("The configuration has another number of atoms than it says.")
    columns = dict(zip(header, table.T, strict=True))
    if "true" in columns.get("ghost", ()):
        raise DataError("The configuration has ghosts, copies of atoms that belong to others.")
    vectors = np.array(sections.get("Supercell", [[]])[1:], dtype=np.float64).reshape(-1, 3)
    # Fewer than three lattice vectors: a molecule, a wire, or a layer.
    cell = np.zeros((3, 3))
    cell[: len(vectors)] = vectors
    types = columns["type"].astype(np.int64)
    if types.min() < 0 or types.max() >= len(elements):
        raise DataError(
            f"Type {types.max()} has no element; name {types.max() + 1} with --set elements."
        )
    direct = "direct_x" in columns
    prefix = "direct" if direct else "cartes"
    positions = np.stack([columns[f"{prefix}_{axis}"] for axis in _AXES], axis=1).astype(np.float64)
    values: dict[str, Any] = dict(features)
    if "fx" in columns:
        values["forces"] = np.stack([columns[f"f{axis}"] for axis in _AXES], 1).astype(np.float64)
    for column in (name for name in columns if name not in _MEANT):
        # Energies of sites, for example; a column of words is no label.
        with suppress(ValueError):
            values[column] = columns[column].astype(np.float64)
    for vector in _VECTORS:
        parts = [values.pop(f"{vector}_{axis}", None) for axis in _AXES]
        if all(part is not None for part in parts):
            values[vector] = np.stack(parts, axis=1)
    if "Energy" in sections:
        values["energy"] = float(sections["Energy"][1][0])
    if "PlusStress" in sections:
        order, numbers = sections["PlusStress"][:2]
        given = dict(zip(order, map(float, numbers), strict=True))
        values["plus_stress"] = np.array([given[pair] for pair in _VOIGT])
    return Frame(
        name=name,
        atomic_numbers=elements[types],
        positions=positions @ cell if direct else positions,
        cell=cell,
        pbc=cell.any(axis=1),
        values=values,
        units=UNITS,
    )


def _is_number(word: str) -> bool:
    """Return whether a word is a number, among them ``nan`` and ``inf``, which look like names."""
    try:
        float(word)
    except ValueError:
        return False
    return True
