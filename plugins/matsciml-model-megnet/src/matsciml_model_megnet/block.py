"""The graph-network block of MEGNet: new edges, then new atoms, then a new state."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from matsciml_core import MessageGraph
from matsciml_core.nn.segments import segment_gather, segment_mean
from matsciml_model_megnet.config import MEGNetConfig
from matsciml_model_megnet.layers import DenseTriple


@dataclass(frozen=True)
class Features:
    """Edge, atom and crystal features, all of one width."""

    edges: Tensor
    """``(edges, width)``."""
    atoms: Tensor
    """``(nodes, width)``; the nodes of the graph stand for the atoms."""
    state: Tensor
    """``(crystals, width)``."""


class MEGNetBlock(nn.Module):
    """One block; its input is added to its output.

    e' = φ_e([v_sender, v_receiver, e, u]), v' = φ_v([v, mean of incoming e', u]),
    u' = φ_u([u, mean e', mean v']). In all blocks but the first, dense layers act on e, v and u
    before that.

    The first dense layer of φ_e is by far the widest product (edges x 4 width). It is computed as
    W_s v_sender + W_t v_receiver + W_e e + W_u u with the atoms' and crystals' shares multiplied
    per atom and per crystal and gathered to the edges, which is the same sum.

    References:
        Chen, Ye, Zuo, Zheng, Ong, Chem. Mater. 31, 3564 (2019),
        doi:10.1021/acs.chemmater.9b01294, Eqs. (1)-(7).
    """

    def __init__(self, config: MEGNetConfig, *, first: bool) -> None:
        """Build the layers.

        Args:
            config: The encoder's settings.
            first: Whether this is the first block, which has no dense layers of its own.
        """
        super().__init__()
        width, activation = config.width, config.activation
        wide = config.convolution_widths[-1]
        self.width = width
        self.dense = None if first else DenseTriple((width,) * 3, config.hidden_widths, activation)
        self.update = DenseTriple(
            (4 * width, wide + 2 * width, 2 * wide + width), config.convolution_widths, activation
        )
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, x: Features, graph: MessageGraph) -> Features:
        """Update edges, then atoms, then the state, Eqs. (2)-(6) of the paper.

        Args:
            x: The features that the block is given.
            graph: Who is connected to whom.
        """
        dense = x
        if self.dense is not None:
            dense = Features(
                edges=self.dense.edges(x.edges),
                atoms=self.dense.atoms(x.atoms),
                state=self.dense.state(x.state),
            )
        edges = self._new_edges(dense, graph)
        # Means, not sums: they are the same in every supercell.
        incoming = segment_mean(edges, graph.incoming)
        state_of_atom = segment_gather(dense.state, graph.nodes)
        atoms = self.update.atoms(torch.cat((dense.atoms, incoming, state_of_atom), dim=1))
        mean_edge, mean_atom = segment_mean(edges, graph.edges), segment_mean(atoms, graph.nodes)
        state = self.update.state(torch.cat((dense.state, mean_edge, mean_atom), dim=1))
        # The input skips the dense layers, too, as in the reference program.
        return Features(
            edges=self.dropout(edges) + x.edges,
            atoms=self.dropout(atoms) + x.atoms,
            state=self.dropout(state) + x.state,
        )

    def _new_edges(self, x: Features, graph: MessageGraph) -> Tensor:
        """Return φ_e, its first product split so that no row of 4 widths exists per edge."""
        update = self.update.edges
        w_sender, w_receiver, w_edge, w_state = update.split_weight([self.width] * 4)
        crystal = functional.linear(x.state, w_state) + update.first_bias  # (crystals, hidden)
        receiver = functional.linear(x.atoms, w_receiver) + segment_gather(crystal, graph.nodes)
        sender = functional.linear(x.atoms, w_sender)  # (atoms, hidden)
        shares = segment_gather(receiver, graph.incoming) + sender.index_select(0, graph.sender)
        return update.after_first(torch.addmm(shares, x.edges, w_edge.t()))
