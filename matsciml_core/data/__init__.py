"""Data path: the store, neighbour lists, splits, and loaders that put batches together."""

from matsciml_core.data.geometry import check_geometry
from matsciml_core.data.neighbours import attach_neighbours
from matsciml_core.data.splits import Split, random_split, stratified_split
from matsciml_core.data.store import CrystalStore, CrystalStoreWriter
from matsciml_core.data.store_dataset import StoreDataset

__all__ = [
    "CrystalStore",
    "CrystalStoreWriter",
    "Split",
    "StoreDataset",
    "attach_neighbours",
    "check_geometry",
    "random_split",
    "stratified_split",
]
