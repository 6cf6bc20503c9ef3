"""Settings of formats."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from matsciml_core import Config
from matsciml_core.errors import ConfigError


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
