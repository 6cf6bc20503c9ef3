"""What the two graph libraries have in common."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from matsciml_core.errors import ShapeError
from matsciml_core.interfaces.batch import CrystalBatch


def refuse_asymmetric_unit(batch: CrystalBatch) -> None:
    """Reject a batch whose edges describe symmetry-distinct atoms only.

    Raises:
        ShapeError: It has an asymmetric unit, so that most of its atoms have no edges.
    """
    if batch.asymmetric_unit is not None:
        raise ShapeError(
            "The batch has edges into symmetry-distinct atoms only, which a graph of another "
            "library cannot express; call batch.without_edges() and attach_neighbours again."
        )


def starts(lengths: Tensor) -> Tensor:
    """Return where each segment begins, and where the last one ends.

    Args:
        lengths: ``(segments,)`` int64, dimensionless.

    Returns:
        ``(segments + 1,)`` int64.
    """
    return functional.pad(lengths.cumsum(0), (1, 0))


def edge_features(batch: CrystalBatch) -> dict[str, Tensor]:
    """Return what belongs to edges, by the name that it has in either library.

    Everything but ``cell_shift`` can be differentiated by positions and cell.
    """
    if batch.edge_index is None or batch.cell_shift is None:
        return {}
    sender, receiver = batch.edge_index.unbind(0)
    cell = batch.cell.index_select(0, batch.crystal_index.index_select(0, receiver))
    shift = batch.cell_shift
    # x_receiver − x_sender − S · L, as encoders have it: what is handed over agrees with them.
    offset = torch.bmm(shift.to(cell.dtype).unsqueeze(1), cell).squeeze(1)  # (edges, 3)
    home = batch.positions.index_select(0, receiver) - batch.positions.index_select(0, sender)
    vectors = home - offset
    return {
        "cell_shift": shift,
        "edge_offset": offset,
        "edge_vec": vectors,
        "edge_weight": torch.linalg.vector_norm(vectors, dim=1),
    }


def sorted_edges(edge_index: Tensor, cell_shift: Tensor, num_atoms: int) -> dict[str, Any]:
    """Return edges as a batch keeps them: sorted by receiver, and counted.

    Args:
        edge_index: Sender, then receiver, in any order, ``(2, edges)`` int64, dimensionless.
        cell_shift: ``(edges, 3)``, in lattice vectors (dimensionless).
        num_atoms: Number of atoms.

    Returns:
        The three fields of a batch; edges that are sorted keep their order.
    """
    order = torch.argsort(edge_index[1], stable=True)
    index = edge_index[:, order]
    # Not bincount, which waits for a GPU to say how long its result is.
    counts = torch.zeros(num_atoms, dtype=torch.int64, device=index.device)
    return {
        "edge_index": index,
        "cell_shift": cell_shift[order],
        "edges_per_atom": counts.index_add_(0, index[1], torch.ones_like(index[1])),
    }
