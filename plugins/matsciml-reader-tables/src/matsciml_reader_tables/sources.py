"""Sets of data in JSON that define the units of their values, told by keys that only they have.

MatPES (matpes.ai) and MPtrj (CHGNet, doi:10.1038/s42256-023-00716-3) give VASP's stresses, in kbar
and positive under compression; so do relaxation paths of Alexandria, of whose two converters in
public one assumes eV/Å³ (as of 2026-12). JARVIS: doi:10.1038/s41524-020-00440-1.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from matsciml_core.data.ingestion.sources import Rejection
from matsciml_core.data.readers import Frame

_KBAR = "kbar:vasp"
_MATPES = {
    "energy": "eV",
    "forces": "eV/A",
    "stress": _KBAR,
    "bandgap": "eV",
    "cohesive_energy_per_atom": "eV/atom",
    "formation_energy_per_atom": "eV/atom",
}
_MPTRJ = {
    "uncorrected_total_energy": "eV",
    "corrected_total_energy": "eV",
    "energy_per_atom": "eV/atom",
    "ef_per_atom": "eV/atom",
    "force": "eV/A",
    "stress": _KBAR,
    "bandgap": "eV",
    "magmom": "muB",
}
_ALEXANDRIA = {
    "energy": "eV",
    "forces": "eV/A",
    "stress": _KBAR,
    "e_form": "eV/atom",
    "e_above_hull": "eV/atom",
    "band_gap_ind": "eV",
    "band_gap_dir": "eV",
}
_JARVIS = {
    "formation_energy_peratom": "eV/atom",
    "optb88vdw_total_energy": "eV/atom",
    "optb88vdw_bandgap": "eV",
    "mbj_bandgap": "eV",
    "ehull": "eV/atom",
    "bulk_modulus_kv": "GPa",
    "shear_modulus_gv": "GPa",
}
_SOURCES = {
    "matpes_id": _MATPES,
    "uncorrected_total_energy": _MPTRJ,
    "mat_id": _ALEXANDRIA,
    "jid": _JARVIS,
}
"""Key that only entries of a source have → units of its values, as ``--label`` takes them."""


def units_of(values: Mapping[str, Any]) -> Mapping[str, str]:
    """Return the units that the source of an entry defines; none where it is not known.

    Args:
        values: What the entry has beside its structure.
    """
    return next((units for key, units in _SOURCES.items() if key in values), {})


def with_units(record: Frame | Rejection, units: Mapping[str, str]) -> Frame | Rejection:
    """Return a record that says in which units its source has its values.

    Args:
        record: The record.
        units: By value, as ``--label`` takes them.
    """
    return record if isinstance(record, Rejection) else replace(record, units=units)
