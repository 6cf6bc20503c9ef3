"""CrystalBatch ↔ ``torch_geometric.data.Batch``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import torch
from torch import Tensor

from matsciml_core.convert._graphs import (
    edge_features,
    refuse_asymmetric_unit,
    sorted_edges,
    starts,
)
from matsciml_core.convert.packages import import_package
from matsciml_core.errors import ShapeError
from matsciml_core.interfaces.batch import CrystalBatch
from matsciml_core.registry.targets import TargetInfo

_ATOMS = ("z", "pos")
_CRYSTALS = ("cell", "pbc", "dataset")
_LISTS = ("id", "target_info")


@cache
def data_class() -> Any:
    """Return the class of one crystal, which exists only where PyTorch Geometric is installed.

    PyG renumbers, when it puts graphs side by side, every value whose name has "index" or
    "batch" in it, and joins some along another axis. That would ruin a label such as
    ``refractive_index``. Here the names of labels mean nothing.
    """
    base = import_package("torch_geometric.data").Data

    class CrystalData(base):  # type: ignore[misc, valid-type]
        """One crystal as a graph of PyTorch Geometric."""

        def __inc__(self, key: str, value: Any, *args: Any, **kwargs: Any) -> Any:
            return 0 if _is_label(self, key) else super().__inc__(key, value, *args, **kwargs)

        def __cat_dim__(self, key: str, value: Any, *args: Any, **kwargs: Any) -> Any:
            return 0 if _is_label(self, key) else super().__cat_dim__(key, value, *args, **kwargs)

    # Pickle looks a class up by these two names, see __getattr__.
    CrystalData.__module__ = __name__
    CrystalData.__qualname__ = "CrystalData"
    return CrystalData


def __getattr__(name: str) -> Any:
    """Let pickle find the class, which worker processes of a loader need."""
    if name == "CrystalData":
        return data_class()
    raise AttributeError(f"module '{__name__}' has no attribute '{name}'")


def to_pyg(batch: CrystalBatch) -> Any:
    """Return the batch as a ``torch_geometric.data.Batch``, sharing its tensors.

    It has ``z``, ``pos``, ``cell``, ``pbc``, ``batch``, ``ptr``; where edges were found
    ``edge_index`` (sender, receiver), ``cell_shift`` (S, in lattice vectors), ``edge_offset``
    (S · L, Å), ``edge_vec`` (x_receiver − x_sender − S · L, Å), ``edge_weight`` (its length,
    Å) and ``edge_attr`` (the same, ``(edges, 1)``); the labels in the dict ``y`` by name; and
    ``id``, ``dataset``, ``target_info``. It can be taken apart with ``to_data_list``.

    Raises:
        ShapeError: The batch has edges into symmetry-distinct atoms only.
        MissingPackageError: PyTorch Geometric is not installed.
    """
    refuse_asymmetric_unit(batch)
    ends = starts(batch.atoms_per_crystal)
    edges = edge_features(batch)
    if batch.edge_index is not None:
        edges["edge_index"] = batch.edge_index
    if "edge_weight" in edges:
        edges["edge_attr"] = edges["edge_weight"].unsqueeze(1)
    graph = import_package("torch_geometric.data").Batch(
        _base_cls=data_class(),
        batch=batch.crystal_index,
        ptr=ends,
        **_whole(batch),
        **edges,
    )
    _note_slices(graph, batch, ends, tuple(edges))
    return graph


def from_pyg(graph: Any, targets: Sequence[TargetInfo] = ()) -> CrystalBatch:
    """Build a batch from a ``Batch`` or ``Data`` of PyTorch Geometric.

    What :func:`to_pyg` made comes back without loss. Any other graph needs ``z`` and ``pos``;
    without a ``cell`` it is not periodic, and its edges are kept where it has ``cell_shift``.

    Args:
        graph: The graph, in Å.
        targets: The labels to take from ``y``, which is a dict of tensors, or one tensor
            where one target is named; empty: those that the graph names in ``target_info``.

    Raises:
        ShapeError: Something is missing, or does not have the documented shape.
    """
    positions, numbers = _need(graph, "pos"), _need(graph, "z").to(torch.int64)
    index = _get(graph, "batch")
    if index is None:
        index = torch.zeros_like(numbers)
    ends = _get(graph, "ptr")
    counts = torch.bincount(index, minlength=1) if ends is None else ends.diff()
    cell, pbc = _lattice(graph, positions, len(counts))
    declared = _get(graph, "target_info", ())
    if isinstance(declared, list):  # in a batch, once for each of its crystals
        declared = declared[0]
    infos = {info.name: info for info in targets or tuple(declared)}
    # A single graph has one id, a batch a list of them.
    ids = _get(graph, "id", [])
    edges = {}
    # Without the image of the sender an edge of a periodic crystal has no vector.
    if _get(graph, "edge_index") is not None and _get(graph, "cell_shift") is not None:
        edges = sorted_edges(graph.edge_index, graph.cell_shift, len(positions))
    return CrystalBatch(
        atomic_numbers=numbers,
        positions=positions,
        cell=cell,
        pbc=pbc,
        crystal_index=index,
        atoms_per_crystal=counts,
        **edges,
        targets=_labels(_get(graph, "y"), infos),
        target_info=infos,
        site_properties=dict(_get(graph, "site_properties", {})),
        dataset_index=_get(graph, "dataset"),
        ids=[ids] if isinstance(ids, str) else list(ids),
    )


def _whole(batch: CrystalBatch) -> dict[str, Any]:
    """Return what does not belong to edges."""
    values: dict[str, Any] = {
        "z": batch.atomic_numbers,
        "pos": batch.positions,
        "cell": batch.cell,
        "pbc": batch.pbc,
    }
    if batch.dataset_index is not None:
        # Not "dataset_index": PyG would renumber it.
        values["dataset"] = batch.dataset_index
    if batch.ids:
        values["id"] = list(batch.ids)
    if batch.target_info:
        values["target_info"] = [tuple(batch.target_info.values())] * batch.num_crystals
        values["y"] = dict(batch.targets)
    if batch.site_properties:
        values["site_properties"] = dict(batch.site_properties)
    return values


def _note_slices(graph: Any, batch: CrystalBatch, ends: Tensor, edge_names: Sequence[str]) -> None:
    """Note where each crystal begins in each tensor, as ``Batch.from_data_list`` does.

    That function wants the crystals one by one, which takes five times as long.
    """
    rows = torch.arange(batch.num_crystals + 1)
    slices: dict[str, Any] = dict.fromkeys(_ATOMS, ends) | dict.fromkeys(_CRYSTALS, rows)
    slices |= dict.fromkeys(_LISTS, rows)
    if batch.edges_per_atom is not None:
        slices |= dict.fromkeys(edge_names, starts(batch.edges_per_atom)[ends])
    increments: dict[str, Any] = dict.fromkeys(slices)
    increments["edge_index"] = ends[:-1]  # atoms before the crystal, taken off its indices
    infos = batch.target_info
    slices["y"] = {name: ends if infos[name].per_atom else rows for name in batch.targets}
    increments["y"] = dict.fromkeys(batch.targets)
    slices["site_properties"], increments["site_properties"] = (
        dict.fromkeys(batch.site_properties, ends),
        dict.fromkeys(batch.site_properties),
    )
    graph._num_graphs = batch.num_crystals
    graph._slice_dict = {key: value for key, value in slices.items() if key in graph}
    graph._inc_dict = {key: value for key, value in increments.items() if key in graph}


def _is_label(graph: Any, key: str) -> bool:
    dicts = (_get(graph, "y"), _get(graph, "site_properties"))
    return any(isinstance(values, Mapping) and key in values for values in dicts)


def _labels(values: Any, infos: Mapping[str, TargetInfo]) -> dict[str, Tensor]:
    if values is None or not infos:
        return {}
    if isinstance(values, Tensor):
        if len(infos) != 1:
            raise ShapeError(
                f"The graph has one tensor of labels, y, and {len(infos)} targets were named "
                f"({', '.join(infos)}); name one, or make y a dict of tensors by name."
            )
        values = dict.fromkeys(infos, values)
    missing = [name for name in infos if name not in values]
    if missing:
        raise ShapeError(
            f"The graph has no label '{missing[0]}'; y holds {', '.join(values) or 'none'}."
        )
    return {name: values[name] for name in infos}


def _lattice(graph: Any, positions: Tensor, crystals: int) -> tuple[Tensor, Tensor]:
    """Return cell and pbc; a graph without a cell is not periodic."""
    cell, pbc = _get(graph, "cell"), _get(graph, "pbc")
    periodic = cell is not None
    if cell is None:
        cell = positions.new_zeros(crystals, 3, 3)
    if pbc is None:
        pbc = torch.full((crystals, 3), periodic, device=positions.device)
    if cell.numel() != 9 * crystals or pbc.numel() != 3 * crystals:
        raise ShapeError(
            f"The graph has {crystals} crystals, cell {tuple(cell.shape)} and pbc "
            f"{tuple(pbc.shape)}; they must be ({crystals}, 3, 3) and ({crystals}, 3)."
        )
    return cell.reshape(crystals, 3, 3), pbc.reshape(crystals, 3).to(torch.bool)


def _need(graph: Any, name: str) -> Tensor:
    value = _get(graph, name)
    if value is None:
        raise ShapeError(
            f"The graph has no '{name}'; it must have z (atomic numbers) and pos (positions, Å)."
        )
    return value  # type: ignore[no-any-return]


def _get(graph: Any, name: str, default: Any = None) -> Any:
    value = getattr(graph, name, None)
    return default if value is None else value
