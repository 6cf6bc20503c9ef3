"""Use an exported model with PyTorch and NumPy alone.

This file was written beside the model and needs nothing else::

    from exported_model import ExportedModel

    model = ExportedModel(".")
    model(numbers, positions, cell)["energy"]

Units and names of the results are in ``program.json``.
"""

import itertools
import json
import logging
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

# PyTorch 2.13 warns of a symbol that it left out itself.
logging.getLogger("torch._export.serde.serialize").setLevel(logging.ERROR)

_LAST_ELEMENT = 118
_LEAST_VOLUME = 1e-3
"""Å³; the cell of a single atom has more than 1."""
Edges = tuple[NDArray[Any], NDArray[Any]]


class ExportedModel:
    """A model that was exported to a folder.

    Args:
        folder: The folder.
        compiled: Whether to run the compiled program, which works on the kind of machine and the
            version of PyTorch that wrote it; None: where it can be loaded.
        allow_unseen: Whether to calculate with elements that the model has never seen.
    """

    def __init__(
        self, folder: str | Path, *, compiled: bool | None = None, allow_unseen: bool = False
    ) -> None:
        folder = Path(folder)
        self.allow_unseen = allow_unseen
        self.description: dict[str, Any] = json.loads((folder / "program.json").read_text("utf-8"))
        self.dtype = getattr(torch, self.description["dtype"])
        self.compiled = False
        self.run: Any = None
        if compiled is not False and (compiled or (folder / "compiled.pt2").is_file()):
            try:
                self.run = torch._inductor.aoti_load_package(str(folder / "compiled.pt2"))
                self.compiled = True
            except Exception:
                if compiled:
                    raise
        if not self.compiled:
            self.run = torch.export.load(folder / "model.pt2").module()

    def __call__(
        self,
        numbers: Sequence[int] | NDArray[Any],
        positions: Any,
        cell: Any,
        pbc: Sequence[bool] = (True, True, True),
        edges: Edges | None = None,
    ) -> dict[str, NDArray[Any]]:
        """Return the labels by name.

        Args:
            numbers: Atomic numbers, ``(atoms,)``.
            positions: Cartesian, ``(atoms, 3)``, Å.
            cell: Lattice vectors as rows, ``(3, 3)``, Å.
            pbc: Which of them are periodic.
            edges: What ``neighbours`` returns, of another program for example; None: searched.

        Raises:
            ValueError: It is no structure, or one with elements that the model has never seen.
        """
        numbers = np.asarray(numbers)
        positions, cell = np.asarray(positions, dtype=float), np.asarray(cell, dtype=float)
        self._check(numbers, positions, cell, pbc)
        cutoff, cap = self.description["cutoff"], self.description["max_neighbours"]
        index, shifts = edges or neighbours(positions, cell, pbc, cutoff, cap)
        if not index.shape[1]:
            raise ValueError(f"No atom has another within the cutoff of {cutoff} Å.")
        if len(positions) < self.description["min_atoms"]:
            raise ValueError("The program needs two atoms or more; repeat the cell.")
        outputs = self.run(
            torch.as_tensor(numbers, dtype=torch.int64),
            torch.as_tensor(positions, dtype=self.dtype),
            torch.as_tensor(cell, dtype=self.dtype),
            torch.as_tensor(index, dtype=torch.int64),
            torch.as_tensor(shifts, dtype=self.dtype),
        )
        names = [output["name"] for output in self.description["outputs"]]
        return {name: value.numpy() for name, value in zip(names, outputs, strict=True)}

    def _check(
        self,
        numbers: NDArray[Any],
        positions: NDArray[Any],
        cell: NDArray[Any],
        pbc: Sequence[bool],
    ) -> None:
        """Reject what is no structure; the program would compute something all the same."""
        atoms = numbers.size
        if not atoms or numbers.shape != (atoms,) or positions.shape != (atoms, 3):
            raise ValueError(
                f"Atomic numbers of shape {numbers.shape} and positions of shape "
                f"{positions.shape} do not fit; give (atoms,) and (atoms, 3)."
            )
        if cell.shape != (3, 3) or not (np.isfinite(positions).all() and np.isfinite(cell).all()):
            raise ValueError("Positions and the cell, of shape (3, 3), must be finite numbers, Å.")
        if any(pbc) and abs(np.linalg.det(cell)) < _LEAST_VOLUME:
            raise ValueError("The cell has no volume; give three lattice vectors as rows, Å.")
        if numbers.dtype.kind not in "iu" or numbers.min() < 1 or numbers.max() > _LAST_ELEMENT:
            raise ValueError(f"Atomic numbers must be whole, from 1 to {_LAST_ELEMENT}.")
        known = self.description.get("atomic_numbers")  # missing where they are not recorded
        strange = set(numbers.tolist()) - set(known) if known else set()
        if strange and not self.allow_unseen:
            names = ", ".join(map(str, sorted(strange)))
            raise ValueError(
                f"The model has never seen the elements with the atomic numbers {names}, so that "
                "what it says would be a guess; allow_unseen=True calculates it."
            )


def neighbours(
    positions: NDArray[Any],
    cell: NDArray[Any],
    pbc: Sequence[bool],
    cutoff: float,
    cap: int | None = None,
) -> Edges:
    """Find all pairs within a cutoff, in a time that grows with the square of the atoms.

    Args:
        positions: Cartesian coordinates, ``(atoms, 3)``, Å; they need not lie within the cell.
        cell: Lattice vectors as rows, ``(3, 3)``, Å.
        pbc: Which of them are periodic.
        cutoff: Longest edge, Å.
        cap: How many senders an atom keeps, the nearest ones and all that tie with the last of
            them; None: all.

    Returns:
        Sender and receiver of each edge, ``(2, edges)``, sorted by receiver, and the lattice
        vectors S by which the sender is moved, ``(edges, 3)``: the edge is
        x_receiver - (x_sender + S cell).
    """
    reach = [0, 0, 0]
    for axis in np.flatnonzero(pbc):
        height = abs(np.linalg.det(cell)) / np.linalg.norm(np.cross(cell[axis - 2], cell[axis - 1]))
        # Atoms need not be wrapped into the cell.
        spread = np.ptp(positions @ np.linalg.inv(cell)[:, axis])
        reach[axis] = math.ceil(cutoff / height + spread)
    found = []
    for shift in itertools.product(*(range(-n, n + 1) for n in reach)):
        vectors = positions[:, None] - positions[None] - np.array(shift) @ cell
        lengths = np.sqrt((vectors**2).sum(-1))  # (receivers, senders)
        near = lengths < cutoff - 1e-9
        if shift == (0, 0, 0):
            np.fill_diagonal(near, val=False)
        receiver, sender = near.nonzero()
        moved = np.broadcast_to(shift, (len(sender), 3))
        found.append((receiver, sender, moved, lengths[receiver, sender]))
    receiver, sender, shifts, length = map(np.concatenate, zip(*found, strict=True))
    keep = np.lexsort((length, receiver))
    if cap is not None:  # the shortest, with all that tie with the last of them
        counts = np.bincount(receiver, minlength=len(positions))
        last = np.minimum(np.cumsum(counts) - counts + cap, np.cumsum(counts)) - 1
        keep = keep[length[keep] <= length[keep][last[receiver[keep]]] + 1e-4]
    return np.stack((sender[keep], receiver[keep])), shifts[keep]
