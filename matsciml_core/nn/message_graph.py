"""The graph an encoder passes messages on: all atoms, or the symmetry-distinct ones only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from matsciml_core.errors import ShapeError
from matsciml_core.interfaces.batch import CrystalBatch
from matsciml_core.interfaces.symmetry import AsymmetricUnit
from matsciml_core.nn.segments import Segments


@dataclass(frozen=True, kw_only=True)
class MessageGraph:
    """Nodes that receive messages, and the edges that bring them.

    Without symmetry the nodes are the atoms of the batch. Where the batch has an asymmetric unit
    they are the distinct atoms: an edge still starts from a certain image of a certain atom, but
    carries the features of the atom that represents it, which are the same. Sums and means over
    :attr:`nodes` and :attr:`edges` count each row as often as it occurs in the crystal, so an
    invariant network written in these terms gives the same numbers on either graph.

    An encoder that is written like this declares ``asymmetric_unit=True`` in its capabilities:

    >>> from matsciml_core import Crystal, Neighbourhood
    >>> from matsciml_core.data import attach_neighbours
    >>> from matsciml_core.nn.segments import segment_sum
    >>> cube = 2.87 * torch.eye(3)
    >>> iron = Crystal(id="Fe", atomic_numbers=[26], positions=[[0, 0, 0]], cell=cube)
    >>> batch = attach_neighbours(CrystalBatch.from_crystals([iron]), Neighbourhood(cutoff=3.0))
    >>> graph = MessageGraph.of(batch)
    >>> features = graph.atomic_numbers.unsqueeze(1)  # (nodes, 1)
    >>> messages = features.index_select(0, graph.sender)  # (edges, 1)
    >>> segment_sum(messages, graph.incoming).tolist()
    [[156]]
    """

    atomic_numbers: Tensor
    """``(nodes,)`` int64."""
    sender: Tensor
    """The node whose features each edge carries, ``(edges,)`` int64."""
    incoming: Segments
    """The edges that enter each node, each as often as it occurs."""
    nodes: Segments
    """The nodes of each crystal, each as often as it occurs."""
    edges: Segments
    """The edges of each crystal, each as often as it occurs."""
    sender_atom: Tensor
    """The atom of the batch each edge starts from, ``(edges,)`` int64."""
    unit: AsymmetricUnit | None
    """Which atoms the nodes stand for; None: the nodes are the atoms."""

    @classmethod
    def of(cls, batch: CrystalBatch) -> Self:
        """Return the graph of a batch.

        Args:
            batch: Crystals with edges.

        Raises:
            ShapeError: The batch carries no edges.
        """
        if batch.edge_index is None or batch.edges_per_atom is None:
            raise ShapeError(
                "The batch carries no edges; call matsciml_core.data.attach_neighbours(batch, "
                "encoder.neighbours) first."
            )
        sender, receiver = batch.edge_index.unbind(0)
        unit = batch.asymmetric_unit
        if unit is None:
            nodes = Segments(batch.crystal_index, batch.atoms_per_crystal)
            incoming = Segments(receiver, batch.edges_per_atom)
            node_sender, numbers = sender, batch.atomic_numbers
        else:
            crystals = batch.crystal_index.index_select(0, unit.atoms)
            nodes = Segments(crystals, unit.atoms_per_crystal, unit.multiplicity)
            per_node = batch.edges_per_atom.index_select(0, unit.atoms)
            incoming = Segments(
                unit.distinct.index_select(0, receiver), per_node, unit.edge_multiplicity
            )
            node_sender = unit.distinct.index_select(0, sender)
            numbers = batch.atomic_numbers.index_select(0, unit.atoms)
        return cls(
            atomic_numbers=numbers,
            sender=node_sender,
            incoming=incoming,
            nodes=nodes,
            edges=incoming.joined(nodes),
            sender_atom=sender,
            unit=unit,
        )

    def to_atoms(self, values: Tensor) -> Tensor:
        """Give every atom of the batch the value of the node that stands for it.

        Args:
            values: Invariants, ``(nodes, ...)``, in any unit.

        Returns:
            ``(atoms, ...)``; the values themselves where the nodes are the atoms.
        """
        return values if self.unit is None else values.index_select(0, self.unit.distinct)

    def vectors_to_atoms(self, vectors: Tensor) -> Tensor:
        """Give every atom its node's Cartesian vector, turned by the atom's symmetry operation.

        Args:
            vectors: ``(nodes, 3)``, in any unit.

        Returns:
            ``(atoms, 3)``, in the unit of ``vectors``.
        """
        if self.unit is None:
            return vectors
        carried = vectors.index_select(0, self.unit.distinct).unsqueeze(1)  # (atoms, 1, 3)
        return torch.bmm(carried, self.unit.rotation.to(vectors.dtype)).squeeze(1)

    def allowed(self, vectors: Tensor) -> Tensor:
        """Return what of the nodes' Cartesian vectors their site symmetry allows.

        Sums of edge vectors over all edges are allowed as they are. Where one edge stands for
        several, as with ``Neighbourhood(uses="vectors")``, this makes its multiple their sum.

        Args:
            vectors: ``(nodes, 3)``, in any unit.

        Returns:
            ``(nodes, 3)``, in the unit of ``vectors``.
        """
        if self.unit is None:
            return vectors
        return torch.bmm(vectors.unsqueeze(1), self.unit.site.to(vectors.dtype)).squeeze(1)

    def differences(self, vectors: Tensor) -> Tensor:
        """Return the receiver's vector minus the sender's, along each edge.

        With displacements of the nodes this is how much the displaced edge vectors differ from
        ``batch.edge_vectors()``: all images of an atom move with it, each in its own direction.

        Args:
            vectors: Cartesian, ``(nodes, 3)``, in any unit.

        Returns:
            ``(edges, 3)``, in the unit of ``vectors``.
        """
        senders = self.vectors_to_atoms(vectors).index_select(0, self.sender_atom)
        return vectors.index_select(0, self.incoming.index) - senders
