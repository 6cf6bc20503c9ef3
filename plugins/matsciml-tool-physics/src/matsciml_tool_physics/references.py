"""Chemical potentials of elements: energies per atom of what an atom goes to."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from matsciml_core.errors import ConfigError, DataError
from matsciml_util_potential.relaxation import relax


def chemical_potentials(
    references: Mapping[Path, Any], *, largest_force: float, steps: int
) -> dict[str, float]:
    """Relax what atoms go to, crystals with their cell, and return energies per atom.

    Args:
        references: ASE Atoms with a calculator, of one element each, by their files; they are
            moved.
        largest_force: Force that is left, eV/Å.
        steps: Most steps of a relaxation.

    Returns:
        eV per atom by symbol.

    Raises:
        ConfigError: A file has several elements, or two have the same.
        DataError: A relaxation did not end.
    """
    found: dict[str, float] = {}
    for file, atoms in references.items():
        elements = set(atoms.symbols)
        if len(elements) > 1:
            raise ConfigError(
                f"'{file}' has several elements ({', '.join(sorted(elements))}), and a chemical "
                "potential is that of one; name a --reference of one element."
            )
        (element,) = elements
        if element in found:
            raise ConfigError(
                f"'{file}' is a second --reference of {element}; name one for each element."
            )
        result = relax(
            atoms,
            optimiser="lbfgs",
            cell="full" if atoms.pbc.all() else "fixed",
            largest_force=largest_force,
            steps=steps,
        )
        if not result.converged:
            raise DataError(
                f"'{file}' did not relax within {steps} steps; allow more --steps, or name a "
                "--reference that is closer to a minimum."
            )
        found[element] = result.final.energy / len(atoms)
    return found
