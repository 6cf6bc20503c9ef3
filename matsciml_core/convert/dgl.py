"""CrystalBatch ↔ ``dgl.DGLGraph``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from matsciml_core.convert._graphs import (
    edge_features,
    refuse_asymmetric_unit,
    sorted_edges,
)
from matsciml_core.convert.packages import import_package
from matsciml_core.errors import MissingPackageError, ShapeError
from matsciml_core.interfaces.batch import CrystalBatch

_WHOLE = ("cell", "pbc", "targets", "target_info", "site_properties", "dataset_index", "ids")
"""Fields that belong neither to atoms nor to edges, or that only the batch knows the kind of."""


def to_dgl(batch: CrystalBatch) -> Any:
    """Return the batch as one ``dgl.DGLGraph`` of several graphs, sharing its tensors.

    ``ndata`` has ``z`` and ``pos``; ``edata`` has ``cell_shift``, ``edge_offset``,
    ``edge_vec`` and ``edge_weight``, see :func:`to_pyg`. DGL has no place for what belongs
    to a whole graph: cells, labels and ids are in the dict ``graph.crystal_data``, which
    ``graph.to`` and ``graph.clone`` pass on and ``dgl.batch`` and ``dgl.unbatch`` do not.

    Raises:
        ShapeError: The batch has edges into symmetry-distinct atoms only.
        MissingPackageError: DGL is not installed, or cannot use the batch's device.
    """
    refuse_asymmetric_unit(batch)
    index = batch.edge_index
    if index is None:
        index = torch.zeros(2, 0, dtype=torch.int64, device=batch.positions.device)
    graph = _empty_graph(index, batch.num_atoms)
    graph.set_batch_num_nodes(batch.atoms_per_crystal)
    # DGL takes a new graph for a single one until both numbers are set.
    per_crystal = torch.zeros_like(batch.atoms_per_crystal)
    if batch.edges_per_atom is not None:
        per_crystal = per_crystal.index_add(0, batch.crystal_index, batch.edges_per_atom)
    graph.set_batch_num_edges(per_crystal)
    graph.ndata["z"] = batch.atomic_numbers
    graph.ndata["pos"] = batch.positions
    for name, value in edge_features(batch).items():
        graph.edata[name] = value
    graph.crystal_data = {name: getattr(batch, name) for name in _WHOLE}
    return graph


def from_dgl(graph: Any, crystal_data: Mapping[str, Any] | None = None) -> CrystalBatch:
    """Build a batch from a ``dgl.DGLGraph`` that :func:`to_dgl` made, without loss.

    Args:
        graph: The graph; its edges may be in any order.
        crystal_data: Cells, labels and ids; None: those that the graph carries.

    Raises:
        ShapeError: The graph carries none, or those of another number of crystals.
    """
    whole = getattr(graph, "crystal_data", None) if crystal_data is None else crystal_data
    if whole is None:
        raise ShapeError(
            "The graph has no crystal_data, in which cells and labels are kept and which "
            "dgl.batch does not pass on; give from_dgl the crystal_data of the graphs."
        )
    device = graph.device
    counts = graph.batch_num_nodes().to(torch.int64)
    if whole["cell"].shape[0] != len(counts):
        raise ShapeError(
            f"The graph has {len(counts)} crystals, and its crystal_data "
            f"{whole['cell'].shape[0]} cells; give from_dgl the crystal_data of this graph."
        )
    edges = {}
    if "cell_shift" in graph.edata:
        index = torch.stack(graph.edges(order="eid")).to(torch.int64)
        edges = sorted_edges(index, graph.edata["cell_shift"], graph.num_nodes())
    return CrystalBatch(
        atomic_numbers=graph.ndata["z"],
        positions=graph.ndata["pos"],
        crystal_index=torch.repeat_interleave(torch.arange(len(counts), device=device), counts),
        atoms_per_crystal=counts,
        **edges,
        **{name: _moved(value, device) for name, value in whole.items()},
    )


def _empty_graph(edge_index: Tensor, num_atoms: int) -> Any:
    """Return a graph without features, on the device of its edges."""
    dgl = import_package("dgl")
    try:
        return dgl.graph((edge_index[0], edge_index[1]), num_nodes=num_atoms)
    except (dgl.DGLError, RuntimeError) as error:  # the wheels on PyPI know the CPU only
        if edge_index.device.type == "cpu":
            raise
        raise MissingPackageError(
            f"The installed DGL {dgl.__version__} cannot use the device '{edge_index.device}'; "
            "work on the CPU (matsciml run --device cpu)."
        ) from error


def _moved(value: Any, device: torch.device) -> Any:
    """Bring tensors to where the graph is; ``graph.to`` knows nothing of them."""
    if isinstance(value, Tensor):
        return value.to(device)
    if isinstance(value, Mapping):
        return {name: _moved(entry, device) for name, entry in value.items()}
    return value
