"""Several crystals as one set of plain tensors."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from itertools import pairwise
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

from matsciml_core.errors import ShapeError
from matsciml_core.interfaces._joining import join_site_properties, stack_labels
from matsciml_core.interfaces.crystal import Crystal
from matsciml_core.interfaces.symmetry import AsymmetricUnit
from matsciml_core.registry.targets import TargetInfo


@dataclass(kw_only=True)
class CrystalBatch:
    """Several crystals as one set of plain tensors, edges included once they were found.

    Edges are sorted by receiver atom, so that reductions over the edges of an atom, and over the
    atoms of a crystal, run over contiguous segments.
    """

    atomic_numbers: Tensor
    """``(atoms,)`` int64."""
    positions: Tensor
    """Cartesian coordinates, ``(atoms, 3)``, Å; not wrapped."""
    cell: Tensor
    """Lattice vectors as rows, ``(crystals, 3, 3)``, Å."""
    pbc: Tensor
    """Periodic directions, ``(crystals, 3)`` bool."""
    crystal_index: Tensor
    """The crystal each atom belongs to, ``(atoms,)`` int64, ascending."""
    atoms_per_crystal: Tensor
    """``(crystals,)`` int64."""
    edge_index: Tensor | None = None
    """Sender and receiver atom of each edge, ``(2, edges)`` int64, sorted by receiver."""
    cell_shift: Tensor | None = None
    """Image of the sender atom in lattice vectors, ``(edges, 3)``, in the dtype of positions."""
    edges_per_atom: Tensor | None = None
    """Number of edges entering each atom, ``(atoms,)`` int64."""
    asymmetric_unit: AsymmetricUnit | None = None
    """Where set, only edges into symmetry-distinct atoms are there, and this says which atoms
    those are and what they stand for; None: every atom has its edges."""
    targets: dict[str, Tensor] = field(default_factory=dict)
    """Labels by name: ``(crystals, *shape)``, or ``(atoms, *shape)`` per atom, where ``shape`` is
    that of one value as declared: ``()`` for a number, ``(3,)`` for a force, ``(3, 3)`` for a
    stress. In the declared unit; NaN, or −1 for a class, where missing."""
    target_info: Mapping[str, TargetInfo] = field(default_factory=dict)
    """Declaration of each label in ``targets``."""
    site_properties: dict[str, Tensor] = field(default_factory=dict)
    """Site properties of the atoms by name, ``(atoms,)`` uint8, see :class:`Crystal`."""
    weights: dict[str, Tensor] = field(default_factory=dict)
    """Weight of each crystal in the loss of a label, by label, ``(crystals,)``, dimensionless;
    labels that are not there have all crystals count alike."""
    dataset_index: Tensor | None = None
    """The dataset each crystal came from, ``(crystals,)`` int64."""
    ids: Sequence[str] = ()
    """The crystals' ids."""

    @classmethod
    def from_crystals(
        cls,
        crystals: Sequence[Crystal],
        targets: Mapping[str, TargetInfo] | Sequence[TargetInfo] = (),
        *,
        dtype: torch.dtype = torch.float64,
    ) -> Self:
        """Put crystals side by side; no edges yet.

        Args:
            crystals: At least one crystal.
            targets: The labels to collect; a crystal without one gets NaN, or −1 for a class.
            dtype: Floating-point type of positions, cell and labels.

        Returns:
            A batch without edges.

        Raises:
            ShapeError: There is no crystal, or a label has the wrong shape.
        """
        if not crystals:
            raise ShapeError("A batch needs at least one crystal.")
        infos = tuple(targets.values()) if isinstance(targets, Mapping) else tuple(targets)
        counts = torch.tensor([crystal.num_atoms for crystal in crystals])
        numbers = np.concatenate([crystal.atomic_numbers for crystal in crystals])
        positions = np.concatenate([crystal.positions for crystal in crystals])
        return cls(
            atomic_numbers=torch.from_numpy(numbers.astype(np.int64)),
            positions=torch.from_numpy(positions).to(dtype),
            cell=torch.from_numpy(np.stack([c.cell for c in crystals])).to(dtype),
            pbc=torch.from_numpy(np.stack([c.pbc for c in crystals])),
            crystal_index=torch.repeat_interleave(torch.arange(len(crystals)), counts),
            atoms_per_crystal=counts,
            targets={
                info.name: stack_labels(crystals, info).to(torch.int64 if info.is_class else dtype)
                for info in infos
            },
            target_info={info.name: info for info in infos},
            site_properties=join_site_properties(crystals),
            ids=[crystal.id for crystal in crystals],
        )

    @property
    def num_crystals(self) -> int:
        """Number of crystals."""
        return self.cell.shape[0]

    @property
    def num_atoms(self) -> int:
        """Number of atoms."""
        return self.positions.shape[0]

    @property
    def num_edges(self) -> int:
        """Number of directed edges; 0 before edges were found."""
        return 0 if self.edge_index is None else self.edge_index.shape[1]

    @property
    def edge_crystal_index(self) -> Tensor:
        """The crystal each edge belongs to, ``(edges,)`` int64, ascending."""
        return self.crystal_index[self._edges()[1]]

    def edge_vectors(self) -> Tensor:
        """Return x_receiver − (x_sender + shift · L), the vector from sender image to receiver.

        Differentiable with respect to ``positions`` and ``cell``.

        Returns:
            ``(edges, 3)``, Å.

        Raises:
            ShapeError: The batch carries no edges.
        """
        sender, receiver = self._edges()
        if self.cell_shift is None:
            raise ShapeError("The batch has edges but no cell_shift; use attach_neighbours.")
        # index_select and not x[index]: a third of the time, forward and backward.
        crystal = self.crystal_index.index_select(0, receiver)
        cell = self.cell.index_select(0, crystal)  # (edges, 3, 3)
        image = torch.bmm(self.cell_shift.to(cell.dtype).unsqueeze(1), cell).squeeze(1)
        home = self.positions.index_select(0, receiver) - self.positions.index_select(0, sender)
        return home - image

    def to(
        self,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
        *,
        non_blocking: bool = False,
    ) -> Self:
        """Return a copy on another device, or with another floating-point type.

        Args:
            device: Where to put the tensors; None: where they are.
            dtype: Type of every floating-point tensor; None: as it is.
            non_blocking: Whether to copy asynchronously from pinned memory.

        Returns:
            A new batch; tensors that need no change are shared.
        """

        def move(tensor: Tensor) -> Tensor:
            # Indices and classes stay whole numbers.
            new = dtype if tensor.is_floating_point() else None
            return tensor.to(device=device, dtype=new, non_blocking=non_blocking)

        return self._map(move)

    def pin_memory(self) -> Self:
        """Return a copy in page-locked memory, for asynchronous copies to a GPU."""
        return self._map(Tensor.pin_memory)

    def clone(self) -> Self:
        """Return a copy that shares no memory."""
        return self._map(Tensor.clone)

    def without_edges(self) -> Self:
        """Return the batch without its edges; the other tensors are shared."""
        return replace(
            self, edge_index=None, cell_shift=None, edges_per_atom=None, asymmetric_unit=None
        )

    def crystals(self) -> list[Crystal]:
        """Return the crystals one by one, with the labels that are present."""
        bounds = [0, *torch.cumsum(self.atoms_per_crystal, 0).tolist()]
        site_properties = {name: values.cpu() for name, values in self.site_properties.items()}
        return [
            Crystal(
                id=self.ids[k] if self.ids else str(k),
                atomic_numbers=self.atomic_numbers[first:last].numpy(force=True),
                positions=self.positions[first:last].numpy(force=True),
                cell=self.cell[k].numpy(force=True),
                pbc=self.pbc[k].numpy(force=True),
                labels=self._labels_of(k, first, last),
                site_properties={
                    name: values[first:last].numpy() for name, values in site_properties.items()
                },
            )
            for k, (first, last) in enumerate(pairwise(bounds))
        ]

    def _labels_of(self, k: int, first: int, last: int) -> dict[str, Any]:
        labels: dict[str, Any] = {}
        for name, tensor in self.targets.items():
            info = self.target_info[name]
            value = (tensor[first:last] if info.per_atom else tensor[k]).numpy(force=True)
            # A label per atom that some atoms have is a label of the crystal.
            missing = (value < 0).all() if info.is_class else np.isnan(value).all()
            if not missing:
                labels[name] = value if value.ndim else value.item()
        return labels

    def _edges(self) -> Tensor:
        if self.edge_index is None:
            raise ShapeError(
                "The batch carries no edges; call matsciml_core.data.attach_neighbours(batch, "
                "encoder.neighbours) first."
            )
        return self.edge_index

    def _map(self, function: Callable[[Tensor], Tensor]) -> Self:
        changes: dict[str, Any] = {}
        for item in fields(self):
            value = getattr(self, item.name)
            if isinstance(value, Tensor):
                changes[item.name] = function(value)
        changes["targets"] = {name: function(value) for name, value in self.targets.items()}
        changes["weights"] = {name: function(value) for name, value in self.weights.items()}
        changes["site_properties"] = {
            name: function(value) for name, value in self.site_properties.items()
        }
        if self.asymmetric_unit is not None:
            changes["asymmetric_unit"] = self.asymmetric_unit.map(function)
        return replace(self, **changes)
