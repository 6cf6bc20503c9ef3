"""Data path: the store, neighbour lists, splits, and loaders that put batches together.

Public names are imported on first use, so that ``matsciml_core.data.fetch`` loads no torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

_HOME = {
    "ingestion.geometry": ("check_geometry",),
    "ingestion.conversion": ("Rejection", "ingest"),
    "neighbours.neighbour_list": ("attach_neighbours",),
    "splits.algorithms": ("grouped_split", "stratified_split"),
    "store.crystal_store": ("CrystalStore", "CrystalStoreWriter"),
    "store.store_dataset": ("StoreDataset",),
    "symmetry.stored_orbits": ("write_symmetry",),
    "symmetry.orbits": ("attach_asymmetric_unit",),
}
_MODULE_OF = {name: module for module, names in _HOME.items() for name in names}

__all__ = [
    "CrystalStore",
    "CrystalStoreWriter",
    "Rejection",
    "StoreDataset",
    "attach_asymmetric_unit",
    "attach_neighbours",
    "check_geometry",
    "grouped_split",
    "ingest",
    "stratified_split",
    "write_symmetry",
]

if TYPE_CHECKING:
    from matsciml_core.data.ingestion.conversion import Rejection, ingest
    from matsciml_core.data.ingestion.geometry import check_geometry
    from matsciml_core.data.neighbours.neighbour_list import attach_neighbours
    from matsciml_core.data.splits.algorithms import grouped_split, stratified_split
    from matsciml_core.data.store.crystal_store import CrystalStore, CrystalStoreWriter
    from matsciml_core.data.store.store_dataset import StoreDataset
    from matsciml_core.data.symmetry.orbits import attach_asymmetric_unit
    from matsciml_core.data.symmetry.stored_orbits import write_symmetry


def __getattr__(name: str) -> Any:
    """Import a public name from the module that defines it (PEP 562)."""
    if name not in _MODULE_OF:
        raise AttributeError(f"module 'matsciml_core.data' has no attribute '{name}'")
    return getattr(import_module(f"matsciml_core.data.{_MODULE_OF[name]}"), name)


def __dir__() -> list[str]:
    """List the public names without importing them."""
    return __all__
