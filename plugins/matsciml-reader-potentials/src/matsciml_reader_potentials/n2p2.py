"""``input.data`` of n2p2 and RuNNer: structures with energies, charges and forces.

RuNNer has bohr and hartree, n2p2 takes what its user trains with, and no file says which: the user
does. An atom's line is ``atom x y z element charge energy fx fy fz``.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np

from matsciml_core.data.readers import Frame, InputFile, Reader, Record
from matsciml_core.errors import ConfigError
from matsciml_core.interfaces.elements import atomic_number
from matsciml_reader_potentials.atomic_units import BOHR
from matsciml_reader_potentials.blocks import read_blocks
from matsciml_reader_potentials.config import UnitsConfig

UNITS = {
    "atomic": {"energy": "Ha", "forces": "Ha/bohr"},
    "metal": {"energy": "eV", "forces": "eV/A"},
}
_WIDTH = 10
"""Words of an atom's line."""


class N2P2Reader(Reader):
    """Reads the structures of a file."""

    def read(self, file: InputFile) -> Iterator[Record]:
        """Yield the structures; one that is broken or torn as a rejection.

        Args:
            file: The file.

        Raises:
            ConfigError: The units are not said.
            DataError: There is no structure in it.
        """
        units = self.config.units if isinstance(self.config, UnitsConfig) else ""
        if not units:
            raise ConfigError(
                f"'{file.path}' does not say its units; write --set units=atomic for bohr and "
                "hartree, or --set units=metal for Å and eV."
            )
        yield from read_blocks(file, "begin", "end", partial(_parse, units=units), "structure")


def _parse(lines: list[list[str]], name: str, units: str) -> Frame:
    length = BOHR if units == "atomic" else 1.0
    vectors, atoms = [], []
    values: dict[str, Any] = {}
    for key, *words in lines:
        if key == "lattice":
            vectors.append([float(word) for word in words])
        elif key == "atom":
            atoms.append(words[: _WIDTH - 1])
        elif key == "comment":
            values["comment"] = " ".join(words)
        elif key in ("energy", "charge"):
            values[key] = float(words[0])
    table = np.array([[*atom[:3], *atom[4:]] for atom in atoms], dtype=np.float64)
    # No lattice vectors: a molecule. One or two are no structure of n2p2.
    cell = np.array(vectors or np.zeros((3, 3))).reshape(3, 3) * length
    values["charges"], values["forces"] = table[:, 3], table[:, 5:8].reshape(-1, 3)
    return Frame(
        name=name,
        atomic_numbers=[atomic_number(atom[3]) or 0 for atom in atoms],
        positions=table[:, :3] * length,
        cell=cell,
        pbc=(bool(vectors),) * 3,
        values=values,
        units=UNITS[units],
    )
