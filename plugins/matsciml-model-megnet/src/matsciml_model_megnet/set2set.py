"""Set2Set: a permutation-invariant read-out by repeated attention."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from matsciml_core.nn.segments import (
    Segments,
    segment_gather,
    segment_softmax,
    segment_sum,
)


class LSTMCell(nn.Module):
    """One step of one LSTM layer, gates in torch's order.

    Written out in dense operations because the fused LSTM has no second derivative on a GPU,
    which training on forces needs.
    """

    def __init__(self, input_width: int, hidden_width: int) -> None:
        """Build the two dense maps onto the four gates."""
        super().__init__()
        self.input = nn.Linear(input_width, 4 * hidden_width)
        self.recurrent = nn.Linear(hidden_width, 4 * hidden_width)

    def forward(self, x: Tensor, hidden: Tensor, memory: Tensor) -> tuple[Tensor, Tensor]:
        """Return the new hidden state and memory.

        Args:
            x: ``(crystals, input_width)``, dimensionless.
            hidden: ``(crystals, hidden_width)``, dimensionless.
            memory: ``(crystals, hidden_width)``, dimensionless.
        """
        gates = self.input(x) + self.recurrent(hidden)
        take, forget, candidate, give = gates.chunk(4, dim=1)
        memory = torch.sigmoid(forget) * memory + torch.sigmoid(take) * torch.tanh(candidate)
        return torch.sigmoid(give) * torch.tanh(memory), memory


class Set2Set(nn.Module):
    """Read a set of feature rows out into one vector of twice their width.

    q = LSTM(q*), a = softmax(f · q) within the set, r = Σ a f, q* = [q, r], several times from
    q* = 0. The weights a sum to one, so a set in which every member occurs n times gives the same
    vector: the read-out does not depend on the choice of supercell. An empty set gives r = 0.

    References:
        Vinyals, Bengio, Kudlur, Order matters: sequence to sequence for sets, ICLR (2016),
        arXiv:1511.06391, Eqs. (3)-(7).
    """

    def __init__(self, width: int, layers: int, iterations: int) -> None:
        """Build the LSTM.

        Args:
            width: Width of the feature rows.
            layers: Number of LSTM layers.
            iterations: Rounds of attention.
        """
        super().__init__()
        self.width = width
        self.iterations = iterations
        self.cells = nn.ModuleList(
            LSTMCell(2 * width if layer == 0 else width, width) for layer in range(layers)
        )

    def forward(self, features: Tensor, segments: Segments) -> Tensor:
        """Read out each segment.

        Args:
            features: ``(rows, width)``, dimensionless.
            segments: The rows of each crystal.

        Returns:
            ``(crystals, 2 * width)``.
        """
        crystals = segments.lengths.shape[0]
        result = features.new_zeros(crystals, 2 * self.width)
        states = [(features.new_zeros(crystals, self.width),) * 2 for _ in self.cells]
        for _ in range(self.iterations):
            query = result
            for layer, cell in enumerate(self.cells):
                states[layer] = cell(query, *states[layer])
                query = states[layer][0]
            scores = (features * segment_gather(query, segments)).sum(dim=1)  # (rows,)
            weights = segment_softmax(scores, segments).unsqueeze(1)
            result = torch.cat((query, segment_sum(features * weights, segments)), dim=1)
        return result
