"""From calculations to crystals with labels."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from matsciml_core import Crystal
from matsciml_core.data import Rejection
from matsciml_core.data.ingestion.conversion import Item, Source, reason_of
from matsciml_core.errors import MatSciMLError
from matsciml_data_nomad.archive import Calculation
from matsciml_data_nomad.references import OUTLIER, ReferenceEnergies, fit_references

Records = Callable[[int], Iterable[Calculation | Rejection]]
"""Yields what was read, from the n-th record on."""


def fit(records: Records) -> ReferenceEnergies:
    """Fit reference energies to what was read; see ``references``."""
    return fit_references(lambda: _calculations(records))


def crystals(records: Records, references: ReferenceEnergies) -> Source:
    """Return what was read as crystals.

    Args:
        records: What was read.
        references: Reference energies that were fitted to it.
    """
    return lambda start: (crystal_of(record, references) for record in records(start))


def crystal_of(found: Calculation | Rejection, references: ReferenceEnergies) -> Item:
    """Return a calculation as a crystal, or why it can't be one.

    Args:
        found: The calculation.
        references: Reference energies.
    """
    if isinstance(found, Rejection):
        return found
    energy = references.formation_energy(found)
    if energy is not None and abs(energy) > OUTLIER:
        return Rejection(
            found.id, f"The energy is more than {OUTLIER:g} eV/atom off the reference energies."
        )
    labels = {
        "formation_energy_per_atom": energy,
        "band_gap": found.band_gap,
        "fermi_energy": found.fermi_energy,
        "space_group": None if found.space_group is None else found.space_group - 1,
        "relative_energy": None
        if found.energy is None
        else found.energy - references.lowest[found.composition],
    }
    known = {name: value for name, value in labels.items() if value is not None}
    if known.keys() <= {"space_group"}:
        return Rejection(found.id, "The entry has neither an energy nor a band structure.")
    try:
        return Crystal(
            id=found.id,
            atomic_numbers=found.atomic_numbers,
            positions=found.positions,
            cell=found.cell,
            labels=known,
        )
    except MatSciMLError as error:
        return Rejection(found.id, reason_of(error))


def _calculations(records: Records) -> Iterator[Calculation]:
    for record in records(0):
        if not isinstance(record, Rejection):
            yield record
