"""A message-passing network of DGL's layers as a MatSciML encoder."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from matsciml_core import CrystalBatch, Embedding, Encoder, Neighbourhood
from matsciml_core.convert import import_package, to_dgl
from matsciml_core.errors import ShapeError
from matsciml_core.nn.elements import ElementEmbedding
from matsciml_core.nn.radial import gaussian_basis
from matsciml_model_dgl.config import MPNNConfig

ELEMENT_ROWS = 119
"""Rows of the element embedding: the row is the atomic number, 1 to 118; row 0 is not used."""


class MPNN(Encoder):
    """The message-passing network of Gilmer et al., with edges across periodic boundaries.

    Each edge turns the expansion of its length into a matrix A(r). In every step an atom averages
    the messages A(r_ij) h_i of its neighbours (``dgl.nn.NNConv``) and a GRU updates its embedding
    with them; all steps share their weights. The crystal embedding is the Set2Set
    (``dgl.nn.Set2Set``) of the atoms', twice as wide.

    It sees nothing but lengths of edges, so it does not change under rotation, reflection,
    translation, wrapping, or the choice of cell. It is not continuous as a pair crosses the
    cutoff. DGL's wheels know the CPU only.

    References:
        Gilmer, Schoenholz, Riley, Vinyals, Dahl, ICML 2017, arXiv:1704.01212, section 5.
        Deviations: lengths expanded in Gaussians take the place of bond types; messages are
        averaged by default, because a crystal's atoms have far more neighbours than a molecule's.
    """

    config: MPNNConfig
    neighbours: Neighbourhood

    def __init__(self, config: MPNNConfig | None = None) -> None:
        """Build the layers.

        Args:
            config: The settings; None: the defaults.

        Raises:
            MissingPackageError: DGL is not installed, or cannot be loaded here.
        """
        config = config or MPNNConfig()
        super().__init__(config)
        layers = import_package("dgl.nn.pytorch")
        width = config.width
        self.neighbours = Neighbourhood(cutoff=config.cutoff, max_neighbours=config.max_neighbours)
        self.atom_width, self.crystal_width = width, 2 * width
        self.element_embedding = ElementEmbedding(width, config.elements, rows=ELEMENT_ROWS)
        self.edge_matrix = nn.Sequential(
            nn.Linear(config.gaussian_centres, config.edge_width),
            nn.SiLU(),
            nn.Linear(config.edge_width, width * width),
        )
        # The matrices are the same in every step: they are computed once and passed through.
        self.message = layers.NNConv(width, width, nn.Identity(), config.aggregation)
        self.update = nn.GRUCell(width, width)
        self.read_out = layers.Set2Set(width, config.set2set_iterations, config.set2set_layers)

    def forward(self, batch: CrystalBatch) -> Embedding:
        """Embed a batch.

        Args:
            batch: Crystals with edges within :attr:`neighbours`, on the CPU.

        Returns:
            The embedding, in the dtype of the parameters.

        Raises:
            ShapeError: The batch carries no edges.
            MissingPackageError: The batch is on a device that DGL does not know.
        """
        if batch.edge_index is None:
            raise ShapeError(
                "The encoder mpnn-dgl needs edges; call "
                "matsciml_core.data.attach_neighbours(batch, encoder.neighbours) first."
            )
        graph = to_dgl(batch)
        lengths = graph.edata["edge_weight"].to(self.element_embedding.dtype)
        basis = gaussian_basis(lengths / self.config.cutoff, self.config.gaussian_centres)
        matrices = self.edge_matrix(basis)
        atoms: Tensor = self.element_embedding(graph.ndata["z"])  # (atoms, width)
        for _ in range(self.config.steps):
            messages = functional.silu(self.message(graph, atoms, matrices))
            atoms = self.update(messages, atoms)
        return Embedding(atoms=atoms, crystals=self.read_out(graph, atoms))
