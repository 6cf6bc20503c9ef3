"""Settings of the formats: what their files leave to whoever wrote them."""

from __future__ import annotations

from typing import Literal

from matsciml_core import Config
from matsciml_core.errors import ConfigError
from matsciml_core.interfaces.elements import atomic_number


class ElementsConfig(Config):
    """Elements of files that number their types."""

    elements: str = ""
    """Symbols of the types, from type 0 on, such as Cu,O; empty: as the files say."""

    @property
    def numbers(self) -> list[int]:
        """Atomic numbers of the types.

        Raises:
            ConfigError: A symbol is none.
        """
        symbols = self.elements.replace(",", " ").split()
        numbers = [atomic_number(symbol) for symbol in symbols]
        if None in numbers:
            raise ConfigError(
                f"'{symbols[numbers.index(None)]}' is no element; write --set elements=Cu,O."
            )
        return [number for number in numbers if number is not None]


class UnitsConfig(Config):
    """Units of files that state none."""

    units: Literal["", "atomic", "metal"] = ""
    """atomic: bohr, hartree and hartree/bohr, as RuNNer has it; metal: Å, eV and eV/Å."""
