"""A model for LAMMPS's ``pair_style mliap unified``, with PyTorch and NumPy alone.

This file was written beside the model; LAMMPS finds it where PYTHONPATH names its folder::

    pair_style mliap unified FOLDER/model.pickle
    pair_coeff * * Cu Au

From Python, without the pickle: ``lammps.mliap.load_unified(MLIAPModel.of("FOLDER"))``, and
``pair_style mliap unified EXISTS``.
"""

import io
import json
import logging
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray

# PyTorch 2.13 warns of a symbol that it left out itself.
logging.getLogger("torch._export.serde.serialize").setLevel(logging.ERROR)


class MLIAPModel:
    """What LAMMPS expects of a unified model: a few numbers, and forces of what it shows.

    One process; units metal. A periodic image belongs to the atom of its tag, so that layers that
    pass messages need no exchange between atoms and their images.

    Args:
        program: The bytes of the program, as ``torch.export`` writes them.
        description: Elements, cutoff, precision and cap of neighbours.
    """

    ndescriptors = 1
    nparams = 1

    def __init__(self, program: bytes, description: dict[str, Any]) -> None:
        self.program = program
        self.description = description
        self.interface: Any = None  # which LAMMPS sets
        self.element_types: list[str] = description["elements"]
        self.rcutfac: float = 0.5 * description["cutoff"]  # of radii that LAMMPS sets to 1
        self._run: Any = None

    @classmethod
    def of(cls, folder: str | Path) -> Self:
        """Read a model from its folder."""
        folder = Path(folder)
        description = json.loads((folder / "program.json").read_text("utf-8"))
        return cls((folder / "model.pt2").read_bytes(), description)

    def __getstate__(self) -> tuple[bytes, dict[str, Any]]:
        """Keep what makes the model, and nothing of a LAMMPS that uses it."""
        return self.program, self.description

    def __setstate__(self, state: tuple[bytes, dict[str, Any]]) -> None:
        """Make it again."""
        type(self).__init__(self, *state)

    def compute_descriptors(self, data: Any) -> None:
        """Do nothing: all is computed with the forces."""

    def compute_gradients(self, data: Any) -> None:
        """Do nothing: all is computed with the forces."""

    def compute_forces(self, data: Any) -> None:
        """Give LAMMPS the energy, and the force along each pair of neighbours.

        Energies of single atoms are not known, and are NaN.

        Args:
            data: Atoms and neighbours, as LAMMPS shows them.

        Raises:
            RuntimeError: LAMMPS shows no tags, or runs in several processes; or the model gives no
                finite energy or force.
        """
        count = int(data.nlistatoms)
        receiver = np.array(data.pair_i, dtype=np.int64)
        vectors = np.array(data.rij, dtype=float).reshape(-1, 3)  # from receiver to sender
        if len(receiver) == 0 or count < self.description["min_atoms"]:
            raise RuntimeError("The model needs two atoms or more within its cutoff.")
        sender = local_senders(data, count)
        chosen = self._chosen(receiver, vectors, count)
        numbers = np.array(self.description["numbers"])[np.array(data.elems)[:count]]
        dtype = getattr(torch, self.description["dtype"])
        if self._run is None:
            self._run = torch.export.load(io.BytesIO(self.program)).module()
        energy, slopes = self._run(
            torch.as_tensor(numbers, dtype=torch.int64),
            torch.zeros(count, 3, dtype=dtype),
            torch.eye(3, dtype=dtype),
            torch.as_tensor(np.stack((sender[chosen], receiver[chosen]))),
            torch.as_tensor(vectors[chosen], dtype=dtype),
        )
        forces = np.zeros_like(vectors)
        forces[chosen] = slopes.numpy()
        if not (np.isfinite(float(energy)) and np.isfinite(forces).all()):
            raise RuntimeError(
                "The model gives no finite energy or force; the structure is far from everything "
                "it was trained on."
            )
        data.eatoms = np.full(count, np.nan)
        data.update_pair_forces(forces)
        data.energy = float(energy)

    def _chosen(
        self, receiver: NDArray[np.int64], vectors: NDArray[np.float64], count: int
    ) -> NDArray[np.int64]:
        """Return the pairs that the model looks at, sorted by receiver."""
        lengths = np.linalg.norm(vectors, axis=1)
        order: NDArray[np.int64] = np.lexsort((lengths, receiver))
        order = order[lengths[order] < self.description["cutoff"] - 1e-9]
        cap = self.description["max_neighbours"]
        if cap is not None:  # the shortest, with all that tie with the last of them
            counts = np.bincount(receiver[order], minlength=count)
            last = np.minimum(np.cumsum(counts) - counts + cap, np.cumsum(counts)) - 1
            order = order[lengths[order] <= lengths[order][last[receiver[order]]] + 1e-4]
        return order


def local_senders(data: Any, count: int) -> NDArray[np.int64]:
    """Return the atom of the simulation cell that each neighbour is, or is an image of.

    Args:
        data: Atoms and neighbours, as LAMMPS shows them.
        count: Atoms of this process.

    Raises:
        RuntimeError: LAMMPS shows no tags, or a neighbour is an atom of another process.
    """
    tags = getattr(data, "jtags", None)
    if tags is None:
        raise RuntimeError(
            "This LAMMPS does not show the tags of neighbours (jtags), without which images of "
            "atoms cannot be told; take a newer one."
        )
    tags, atoms = np.array(tags, dtype=np.int64), np.array(data.jatoms, dtype=np.int64)
    here = atoms < count
    index_of = dict(zip(tags[here].tolist(), atoms[here].tolist(), strict=True))
    # Of atoms whose neighbours are images all, no pair shows the tag; where that is one, it is
    # the one that is left.
    unknown = sorted(set(tags.tolist()) - set(index_of))
    left = sorted(set(range(count)) - set(index_of.values()))
    if len(unknown) == 1 and len(left) == 1:
        index_of[unknown[0]] = left[0]
    elif unknown:
        raise RuntimeError(
            f"LAMMPS does not say which atoms {len(unknown)} neighbours are images of; run it in "
            "one process, with a cell larger than the cutoff."
        )
    return np.array([index_of[tag] for tag in tags.tolist()], dtype=np.int64)
