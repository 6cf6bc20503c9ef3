"""Structures and labels that a program hands over, written as a store that a run can open again."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from matsciml_core.data.ingestion.geometry import check_geometry
from matsciml_core.data.readers.labels import LabelColumn, describe_label
from matsciml_core.data.store.crystal_store import CrystalStoreWriter
from matsciml_core.errors import ConfigError, DataError, MatSciMLError, did_you_mean
from matsciml_core.interfaces.crystal import Crystal
from matsciml_core.interfaces.dataset import Provenance
from matsciml_core.model.inputs import as_crystal
from matsciml_core.registry.targets import TargetInfo

Unit = str | TargetInfo
"""Unit of a label as users write it, or the label's whole declaration."""

_CALCULATED: Mapping[str, str] = {"energy": "eV", "forces": "eV/Å", "stress": "eV/Å³"}
"""Units of what the calculators of ASE hold, which are ASE's and need not be said."""
_SOURCE = "structures that a program handed over"
_LIKE_THIS = "labels={'band_gap': [1.1, None, …]}, units={'band_gap': 'eV'}"


@dataclass(frozen=True, kw_only=True)
class LabelledStructures:
    """Crystals with the labels to learn, which have been checked."""

    crystals: Sequence[Crystal]
    targets: Sequence[TargetInfo]

    def write(self, folder: Path) -> None:
        """Write a store.

        Args:
            folder: Where; must not hold a store yet.
        """
        names = sorted({name for crystal in self.crystals for name in crystal.site_properties})
        provenance = Provenance(source=_SOURCE)
        with CrystalStoreWriter(folder, self.targets, provenance, site_properties=names) as writer:
            for crystal in self.crystals:
                writer.add(crystal)


def label_structures(
    structures: Sequence[Any],
    labels: Mapping[str, Sequence[Any]] | None,
    units: Mapping[str, Unit] | None,
) -> LabelledStructures:
    """Join structures with their labels.

    Args:
        structures: Crystals, pymatgen Structures or ASE Atoms.
        labels: Values by label, one for each structure, None where it is missing: a number, a
            class, or an array such as forces, ``(atoms, 3)``. None: what the structures carry and
            ``units`` names, or else the energy, forces and stress that a calculator of ASE holds.
        units: Unit of each label, ``class`` or ``class(7)`` for classes; or the declaration of a
            label, which one with a shape of its own needs.

    Raises:
        ConfigError: There is no structure or no label, or labels, units and structures do not
            belong together.
        UnitError: A unit is unknown.
        DataError: A structure or a value cannot be used.
    """
    if not len(structures):
        raise ConfigError("The list of structures is empty; hand over some structures.")
    crystals = []
    for index, structure in enumerate(structures):
        try:
            crystals.append(as_crystal(structure))
            check_geometry(crystals[-1])
        except MatSciMLError as error:
            raise DataError(f"Structure {index} cannot be used: {error}") from error
    if len({crystal.id for crystal in crystals}) < len(crystals):  # an id is often the formula
        crystals = [replace(one, id=f"{index}-{one.id}") for index, one in enumerate(crystals)]
    if labels is None:
        values, units = _carried(crystals, units)
    else:
        units = units or {}
        _check_lengths(labels, units, len(crystals))
        values = {name: list(column) for name, column in labels.items()}
    columns = [_declare(name, column, crystals, units[name]) for name, column in values.items()]
    return LabelledStructures(
        crystals=[_labelled(k, one, columns, values) for k, one in enumerate(crystals)],
        targets=[column.info for column in columns],
    )


def _carried(
    crystals: Sequence[Crystal], units: Mapping[str, Unit] | None
) -> tuple[dict[str, list[Any]], Mapping[str, Unit]]:
    """Return values and units of the labels to learn, which the structures carry themselves."""
    present = dict.fromkeys(name for crystal in crystals for name in crystal.labels)
    for name in units or ():
        if name not in present:
            raise ConfigError(
                f"No structure carries a label '{name}'.{did_you_mean(name, present)} Hand its "
                f"values over, for example {_LIKE_THIS}."
            )
    # Structures carry everything that was written into them; what is to be learnt has a unit.
    chosen = units or {name: unit for name, unit in _CALCULATED.items() if name in present}
    if not chosen:
        raise ConfigError(
            f"The structures come without labels to learn; add them, for example {_LIKE_THIS}."
        )
    return {name: [one.labels.get(name) for one in crystals] for name in chosen}, chosen


def _check_lengths(
    labels: Mapping[str, Sequence[Any]], units: Mapping[str, Unit], count: int
) -> None:
    """Reject labels, units and structures that do not belong together."""
    if not labels:
        raise ConfigError(f"'labels' is empty; add a label, for example {_LIKE_THIS}.")
    for name, values in labels.items():
        if len(values) != count:
            raise ConfigError(
                f"The label '{name}' has {len(values)} values for {count} structures; give one for "
                "each structure, None where it is missing."
            )
        if name not in units:
            raise ConfigError(
                f"The label '{name}' has no unit; add it, for example units={{'{name}': 'eV'}}, "
                "where 'dimensionless' is a unit and 'class' stands for classes."
            )
    extra = next((name for name in units if name not in labels), None)
    if extra is not None:
        raise ConfigError(
            f"There is a unit for '{extra}', which is no label.{did_you_mean(extra, labels)}"
        )


def _declare(
    name: str, values: Sequence[Any], crystals: Sequence[Crystal], unit: Unit
) -> LabelColumn:
    """Return the declaration of a label, and how its values are read."""
    if isinstance(unit, TargetInfo):
        return LabelColumn(info=replace(unit, name=name), column=name)
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
        raise ConfigError(
            f"'{name}' cannot be the name of a label; use lower-case letters, digits and '_', "
            "beginning with a letter."
        )
    shapes = [
        (np.shape(value), one.num_atoms)
        for value, one in zip(values, crystals, strict=True)
        if value is not None and not isinstance(value, str)
    ]
    # One number for each atom of every structure; a single one could be either, and is the whole's.
    per_atom = bool(shapes) and all(shape == (atoms,) for shape, atoms in shapes)
    info, factor = describe_label(name, unit, per_atom=per_atom)
    return LabelColumn(info=info, column=name, factor=factor)


def _labelled(
    index: int,
    crystal: Crystal,
    columns: Sequence[LabelColumn],
    values: Mapping[str, Sequence[Any]],
) -> Crystal:
    row = {name: column[index] for name, column in values.items()}
    try:
        found = {column.info.name: column.read(row, crystal.num_atoms) for column in columns}
    except MatSciMLError as error:
        raise DataError(f"Structure {index} ('{crystal.id}'): {error}") from error
    labels = {name: value for name, value in found.items() if value is not None}
    return replace(crystal, labels=labels)
