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
"""Yields what was read, from an index on."""


def fit(records: Records) -> ReferenceEnergies:
    """Fit reference energies to what was read; see ``references``.

    Args:
        records: Yields what was read; called about five times.
    """

    def calculations() -> Iterator[Calculation]:
        return (record for record in records(0) if not isinstance(record, Rejection))

    return fit_references(calculations)


def crystals(records: Records, references: ReferenceEnergies) -> Source:
    """Return what was read as crystals.

    Args:
        records: What was read.
        references: Reference energies that were fitted to it.
    """
    return lambda start: (crystal_of(record, references) for record in records(start))


def crystal_of(record: Calculation | Rejection, references: ReferenceEnergies) -> Item:
    """Return a calculation as a crystal, or why it can't be one.

    Args:
        record: The calculation.
        references: Reference energies.
    """
    if isinstance(record, Rejection):
        return record
    energy = references.formation_energy(record)
    if energy is not None and abs(energy) > OUTLIER:
        return Rejection(
            record.id, f"The energy is more than {OUTLIER:g} eV/atom off the reference energies."
        )
    labels = {
        "formation_energy_per_atom": energy,
        "band_gap": record.band_gap,
        "fermi_energy": record.fermi_energy,
        "space_group": None if record.space_group is None else record.space_group - 1,
        "relative_energy": None
        if record.energy is None
        else record.energy - references.lowest[record.composition],
    }
    present = {name: value for name, value in labels.items() if value is not None}
    if present.keys() <= {"space_group"}:  # which follows from the structure
        return Rejection(record.id, "The entry has neither an energy nor a band structure.")
    try:
        return Crystal(
            id=record.id,
            atomic_numbers=record.atomic_numbers,
            positions=record.positions,
            cell=record.cell,
            labels=present,
        )
    except MatSciMLError as error:
        return Rejection(record.id, reason_of(error))
