"""Settings of formats."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from matsciml_core import Config
from matsciml_core.errors import ConfigError
from matsciml_core.interfaces.elements import atomic_number


class CP2KConfig(Config):
    """What files of CP2K leave open."""

    cell: str = ""
    """Cell, Å: three lengths, or three vectors one behind the other, with commas."""

    @property
    def vectors(self) -> NDArray[np.float64]:
        """Lattice vectors as rows, ``(3, 3)``, Å.

        Raises:
            ConfigError: It is neither three nor nine numbers.
        """
        try:
            numbers = np.array(self.cell.split(","), dtype=np.float64)
            return np.diag(numbers) if numbers.size == 3 else numbers.reshape(3, 3)
        except ValueError:
            raise ConfigError(
                f"The cell '{self.cell}' is neither three lengths nor nine numbers; write "
                "--set cell=10,10,10."
            ) from None


class LammpsConfig(Config):
    """What files of LAMMPS leave open."""

    elements: str = ""
    """Symbols of the types, from type 1 on, such as Cu,O; empty: as the file says."""
    units: Literal["", "metal", "real", "electron", "si"] = ""
    """Units of the run; empty: as the file says."""

    @property
    def symbols(self) -> list[str]:
        """Symbols of the types.

        Raises:
            ConfigError: One is no element.
        """
        symbols = self.elements.replace(",", " ").split()
        unknown = [symbol for symbol in symbols if atomic_number(symbol) is None]
        if unknown:
            raise ConfigError(f"'{unknown[0]}' is no element; write --set elements=Cu,O.")
        return symbols
