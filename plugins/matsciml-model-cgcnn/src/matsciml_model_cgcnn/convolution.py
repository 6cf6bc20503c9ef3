"""The gated convolution of CGCNN: messages along the edges, then new atom features."""

from __future__ import annotations

from torch import Tensor, nn

from matsciml_core import MessageGraph
from matsciml_model_cgcnn._gated_sum import gated_sum
from matsciml_model_cgcnn.config import CGCNNConfig
from matsciml_model_cgcnn.geometry import Edges


class GatedConvolution(nn.Module):
    """Sum messages that a gate lets through, and add them to the atom features.

    With z_ij = [x_i, x_j, u_ij], i the receiver, u what is seen of the edge, the messages are
    m_i = Σ_j c_ij σ(z_ij W_f + b_f) ⊙ g(z_ij W_s + b_s), where c is the envelope divided by the
    average number of neighbours. ``update=add``: x = v and v_i ← v_i + m_i, which with c = 1 and g
    the softplus is Eq. (5) of the paper. ``update=project``: x = LayerNorm(v), so that gates do not
    depend on how many convolutions have added to v, and v_i ← v_i + W m_i.

    [x_i, x_j, u] W = x_i W_i + x_j W_j + u W_u: the first two products are made per atom and not
    per edge, of which there are some ten times as many.

    References:
        Xie, Grossman, Phys. Rev. Lett. 120, 145301 (2018), doi:10.1103/PhysRevLett.120.145301,
        Eq. (5).
    """

    def __init__(self, config: CGCNNConfig) -> None:
        """Build the layers.

        Args:
            config: The encoder's settings.
        """
        super().__init__()
        width, message = config.width, config.message_width
        self.activation = config.activation
        project = config.update == "project"
        # Gate first, content second, in one product of twice the width.
        self.receiver = nn.Linear(width, 2 * message)
        self.sender = nn.Linear(width, 2 * message, bias=False)
        self.edge = nn.Linear(config.distance_functions, 2 * message, bias=False)
        self.norm = nn.LayerNorm(width) if project else nn.Identity()
        self.update = nn.Linear(message, width, bias=False) if project else nn.Identity()

    def forward(self, v: Tensor, edges: Edges, graph: MessageGraph) -> Tensor:
        """Update the nodes.

        Args:
            v: Node features, ``(nodes, width)``, dimensionless.
            edges: What is seen of the edges.
            graph: Who is connected to whom.

        Returns:
            ``(nodes, width)``, dimensionless.
        """
        normal = self.norm(v)
        messages = gated_sum(
            self.receiver(normal),
            self.sender(normal),
            edges.features,
            self.edge.weight,
            edges.scale,
            graph,
            self.activation,
        )  # (nodes, message)
        changed: Tensor = v + self.update(messages).to(v.dtype)
        return changed
