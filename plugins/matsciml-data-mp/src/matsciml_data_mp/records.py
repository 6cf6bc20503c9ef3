"""From a record of the Materials Project's summary to a crystal, or to why it is left out."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from matsciml_core import Crystal
from matsciml_core.data import Rejection
from matsciml_core.data.ingestion.conversion import Item, reason_of
from matsciml_core.data.readers.structures import frame_from_structure
from matsciml_core.errors import MatSciMLError
from matsciml_core.guarded import parse_json

FIELDS = (
    "material_id",
    "structure",
    "symmetry",
    "nsites",
    "deprecated",
    "builder_meta",
    "formation_energy_per_atom",
    "energy_above_hull",
    "is_stable",
    "band_gap",
    "efermi",
    "is_metal",
    "is_magnetic",
    "total_magnetization",
)
"""What is read of a record, by the Materials Project's names."""
GNOME_BATCHES = frozenset({"gnome_r2scan_statics"})
"""Batches of calculations whose licence forbids commercial use."""

_NUMBERS = {
    "formation_energy_per_atom": "formation_energy_per_atom",
    "energy_above_hull": "energy_above_hull",
    "band_gap": "band_gap",
    "fermi_energy": "efermi",
    "total_magnetization": "total_magnetization",
}
"""Label → name at the source; the units are the same, so nothing is converted."""
_CLASSES = ("is_stable", "is_metal", "is_magnetic")


@dataclass(frozen=True, kw_only=True)
class Rules:
    """What is left out, and counted."""

    include_gnome: bool = False
    include_deprecated: bool = False
    min_sites: int = 2
    controlled: frozenset[str] = GNOME_BATCHES
    """Batches under another licence."""

    def objection(self, record: Mapping[str, Any]) -> str | None:
        """Return why a record is left out; None where it is not.

        Args:
            record: By the Materials Project's names.
        """
        # Either mark is enough: what may be under another licence is left out.
        origin = record.get("builder_meta") or {}
        foreign = origin.get("license") == "BY-NC" or origin.get("batch_id") in self.controlled
        if foreign and not self.include_gnome:
            return "It comes from GNoME under BY-NC; --set include_gnome=true takes it along."
        if record.get("deprecated") and not self.include_deprecated:
            return "The Materials Project has withdrawn it (deprecated)."
        sites = record.get("nsites")
        if isinstance(sites, int) and sites < self.min_sites:
            return f"It has fewer than {self.min_sites} sites in the cell."
        return None


def read_record(record: Any, where: str, rules: Rules) -> Item:
    """Return a record as a crystal, or why it is not one.

    Args:
        record: The record; None: it could not be read.
        where: What to call it if it has no id.
        rules: What to leave out.

    Returns:
        The crystal, with those labels that the record has, or a rejection.
    """
    if not isinstance(record, Mapping):
        return Rejection(where, "It is no JSON object.")
    name = str(record.get("material_id") or where)
    objection = rules.objection(record)
    if objection is not None:
        return Rejection(name, objection)
    try:
        return _crystal(name, record, rules)
    except MatSciMLError as error:
        return Rejection(name, reason_of(error))
    except (AttributeError, TypeError, ValueError):
        return Rejection(name, "A field holds something else than it should.")


def _crystal(name: str, record: Mapping[str, Any], rules: Rules) -> Item:
    """Return the structure of a record with its labels."""
    structure = record.get("structure")
    if structure is None:
        return Rejection(name, "It has no structure.")
    if isinstance(structure, str):  # JSON within the record
        structure = parse_json(structure, largest=None)
    frame = frame_from_structure(structure, name, {})
    if isinstance(frame, Rejection):
        return frame
    numbers = np.asarray(frame.atomic_numbers)
    if record.get("nsites") not in (None, len(numbers)):
        return Rejection(name, "The structure has another number of sites than stated.")
    if len(numbers) < rules.min_sites:
        return Rejection(name, f"It has fewer than {rules.min_sites} sites in the cell.")
    return Crystal(
        id=name,
        atomic_numbers=numbers,
        positions=np.asarray(frame.positions),
        cell=np.asarray(frame.cell),
        labels=labels_of(record),
    )


def labels_of(record: Mapping[str, Any]) -> dict[str, float]:
    """Return the labels that a record has; what is unknown is missing, never zero.

    Args:
        record: By the Materials Project's names.

    Raises:
        ValueError: A label is no number.
    """
    values = {label: record.get(field) for label, field in _NUMBERS.items()}
    values |= {label: record.get(label) for label in _CLASSES}
    group = (record.get("symmetry") or {}).get("number")
    # A class counts from 0, a space group from 1.
    values["space_group"] = group - 1 if group is not None and 1 <= group <= 230 else None
    labels = {label: float(value) for label, value in values.items() if value is not None}
    return {label: value for label, value in labels.items() if not math.isnan(value)}
