"""The TaskHead interface: embedding → prediction, with loss, metrics and units."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

import torch
from torch import Tensor, nn

from matsciml_core.errors import ConfigError, UnitError
from matsciml_core.interfaces.batch import CrystalBatch
from matsciml_core.interfaces.encoder import Embedding, Encoder, TensorEmbedding
from matsciml_core.registry.targets import TargetInfo

if TYPE_CHECKING:
    from torchmetrics import Metric

    from matsciml_core.interfaces.config import Config

Values = Mapping[str, Tensor]
"""One tensor per target name."""


class TaskHead(nn.Module, ABC):
    """A task head H: (embedding, batch) → prediction.

    A head serves one target, or a few that belong together (an energy and its forces). It trains
    in a space of its own (normalised, logits) and knows the way back to physical units. What it
    needs for that it fits on the training split, stores in buffers, and never takes by hand.

    Masks: a head sees every crystal of the batch; ``mask[name]`` is True where the label exists,
    and nothing else may influence loss or metrics.
    """

    units: ClassVar[Mapping[str, tuple[str, ...]]] = {}
    """Target kind → units the head can train on; a kind that is absent takes any unit."""
    needs_position_gradient: bool = False
    """Whether the head differentiates with respect to positions (forces); whoever calls it then
    gives the encoder a batch from :func:`with_gradients`, with gradients enabled. An instance may
    set it."""
    needs_cell_gradient: bool = False
    """Whether it differentiates with respect to the cell too (stress); an instance may set it."""
    progress: float = 1.0
    """Share of the training steps that have been made, 0 to 1, dimensionless, for a loss whose
    weights change during training. Training sets it before every step, and to 1 for validation, so
    that the epochs are compared by one measure."""

    def __init__(
        self,
        targets: Sequence[TargetInfo],
        atom_width: int,
        crystal_width: int,
        config: Config | None = None,
    ) -> None:
        """Keep the targets and settings; a subclass builds its layers.

        Args:
            targets: The labels to predict.
            atom_width: Width of the encoder's atom embedding.
            crystal_width: Width of the encoder's crystal embedding.
            config: The head's settings.

        Raises:
            UnitError: A label has a unit that this head cannot train on.
            ConfigError: A label turns with the crystal, and the head is no :class:`TensorHead`.
        """
        super().__init__()
        self.targets = tuple(targets)
        self.atom_width = atom_width
        self.crystal_width = crystal_width
        self.config = config
        for info in self.targets:
            if info.kind == "tensor" and not isinstance(self, TensorHead):
                raise ConfigError(
                    f"Label '{info.name}' is a tensor of rank {info.rank}, which turns with the "
                    f"crystal, and {type(self).__name__} reads features that do not, so it cannot "
                    "predict it; choose a head for tensors."
                )
            allowed = self.units.get(info.kind)
            if allowed and info.unit not in allowed:
                raise UnitError(
                    f"Label '{info.name}' is in {info.unit}, but an {info.kind} head trains on "
                    f"{' or '.join(allowed)}; convert the label and declare that unit."
                )

    @abstractmethod
    def fit(self, training: Iterable[CrystalBatch]) -> None:
        """Fit normalisation constants and baselines on the training split.

        Args:
            training: The training split, float64, without edges, read once.

        Raises:
            DataError: The split has no label to fit on, or one without variance.
        """

    @abstractmethod
    def forward(self, embedding: Embedding, batch: CrystalBatch) -> dict[str, Tensor]:
        """Predict, in the space the head trains in.

        Returns:
            One tensor per target, first axis crystals or atoms.
        """

    @abstractmethod
    def transform(self, batch: CrystalBatch) -> dict[str, Tensor]:
        """Return the batch's labels in the space the head trains in; missing ones stay missing."""

    @abstractmethod
    def loss(
        self, prediction: Values, target: Values, mask: Values, weights: Values | None = None
    ) -> Tensor:
        """Return the mean loss over the labelled entries, each times its weight, a scalar.

        The terms of several targets are added, each a mean over its own labels: distributed
        training weighs every term by the labels that each process had.

        Args:
            prediction: What ``forward`` returned.
            target: What ``transform`` returned.
            mask: True where a label exists, same shapes as the labels.
            weights: Weight of each crystal, or atom, in the mean over the labels of a target,
                ``(crystals,)`` or ``(atoms,)`` by name, dimensionless: the sum of weighted losses
                is divided by the number of labels. None: all count alike. A head that has no such
                argument trains on unweighted data only.

        Returns:
            A scalar; zero, with a graph, where the batch has no label at all.
        """

    @abstractmethod
    def inverse_transform(self, prediction: Values, batch: CrystalBatch) -> dict[str, Tensor]:
        """Return the prediction in the labels' units (for classes: probabilities)."""

    @abstractmethod
    def metrics(self) -> dict[str, dict[str, Metric]]:
        """Return fresh torchmetrics objects by target and name, fed with physical values."""

    @abstractmethod
    def baseline_predictions(self, batch: CrystalBatch) -> dict[str, dict[str, Tensor]]:
        """Return what baselines fitted on the training split say, in physical units.

        Returns:
            Predictor name (``mean``, ``median``, ``majority``, ``zero``) → values by target; a
            predictor that makes no sense for a target leaves it out, but every target has one.
        """

    @property
    def spread_targets(self) -> tuple[str, ...]:
        """Names of the targets for which :meth:`uncertainty` returns a standard deviation."""
        return ()

    def uncertainty(self, embedding: Embedding, batch: CrystalBatch) -> dict[str, Tensor]:
        """Return how uncertain the head is, in the labels' units, where it can tell.

        Returns:
            A standard deviation for each crystal by target, ``(crystals,)`` float64, for those of
            ``spread_targets``; the default: for none.
        """
        return {}

    def restricted(self, names: Sequence[str]) -> TaskHead:
        """Return a head that predicts some of the targets only, with the same weights.

        It is for prediction alone. A head whose targets differ in cost, as an energy and its
        derivatives do, overrides this; the default predicts all of them.

        Args:
            names: Names of the targets that are asked for, at least one.
        """
        return self

    def adopt(self, state: Values, encoder: Encoder, training: Iterable[CrystalBatch]) -> None:
        """Start from the weights of a trained head for the same labels.

        Weights of the same name and shape are copied. What was fitted on the training split stays
        as it is; a head whose predictions would change with that puts it right.

        Args:
            state: The tensors of the trained head, by their names, of any shape, dimensionless.
            encoder: The trained encoder.
            training: Batches of the training split, with the edges that the encoder asks for.
        """
        with torch.no_grad():
            for name, parameter in self.named_parameters():
                if name in state and state[name].shape == parameter.shape:
                    parameter.copy_(state[name])

    def mask(self, batch: CrystalBatch) -> dict[str, Tensor]:
        """Return, for each target, where the batch has a label; False where it carries none."""
        return {info.name: label_mask(labels_of(batch, info), info) for info in self.targets}


class TensorHead(TaskHead):
    """A head for labels of the kind ``tensor``: it reads a :class:`TensorEmbedding`.

    By contract its predictions turn with the crystal: for every orthogonal matrix R the crystal
    with positions R x and lattice vectors R a has the vector R v, the matrix R M Rᵀ, and so on.
    """

    ranks: ClassVar[tuple[int, ...]]
    """Cartesian ranks that it can predict, per crystal and per atom."""

    def __init__(
        self,
        targets: Sequence[TargetInfo],
        atom_width: int,
        crystal_width: int,
        config: Config | None = None,
        *,
        vector_width: int,
        matrix_width: int,
    ) -> None:
        """Keep targets, settings and widths; a subclass builds its layers.

        Args:
            targets: The labels to predict.
            atom_width: Width of the encoder's atom embedding.
            crystal_width: Width of the encoder's crystal embedding.
            config: The head's settings.
            vector_width: Number of vectors of each atom.
            matrix_width: Number of matrices of each atom.

        Raises:
            ConfigError: A label is no tensor, or of a rank that the head cannot predict.
        """
        super().__init__(targets, atom_width, crystal_width, config)
        self.vector_width = vector_width
        self.matrix_width = matrix_width
        for info in self.targets:
            if info.kind != "tensor" or info.rank not in self.ranks:
                ranks = " or ".join(map(str, self.ranks))
                raise ConfigError(
                    f"{type(self).__name__} predicts tensors of rank {ranks}, and '{info.name}' is "
                    f"{info.form}; choose another label or another head."
                )

    @staticmethod
    def tensors_of(embedding: Embedding) -> TensorEmbedding:
        """Return an embedding that has vectors and matrices.

        Raises:
            ConfigError: It has none.
        """
        if not isinstance(embedding, TensorEmbedding):
            raise ConfigError(
                "Labels that turn with the crystal need an encoder whose embedding has vectors and "
                "matrices; this one gives features that do not turn."
            )
        return embedding


def label_mask(labels: Tensor, info: TargetInfo) -> Tensor:
    """Return True where a label exists: not NaN, or not negative for a class.

    Args:
        labels: Values of a batch, ``(crystals, *shape)`` or ``(atoms, *shape)``, in the unit of
            the label.
        info: The label.

    Returns:
        A mask of the same shape. A value with several components, such as a force or a tensor, of
        which one is missing, is missing altogether.
    """
    if info.is_class:
        return labels >= 0
    present = ~torch.isnan(labels)
    if info.shape:
        rows = present.flatten(1).all(dim=1)
        present = rows.view(-1, *[1] * len(info.shape)).expand_as(labels)
    return present


def labels_of(batch: CrystalBatch, info: TargetInfo) -> Tensor:
    """Return a label of a batch; one that the batch does not carry is missing everywhere.

    Args:
        batch: The crystals.
        info: The label.

    Returns:
        ``(crystals, *info.shape)``, or ``(atoms, *info.shape)`` per atom, in the declared unit;
        NaN, or −1 for a class, where missing.
    """
    labels = batch.targets.get(info.name)
    if labels is not None:
        return labels
    rows = batch.num_atoms if info.per_atom else batch.num_crystals
    like = batch.atomic_numbers if info.is_class else batch.positions
    return like.new_full((rows, *info.shape), info.missing)


def with_gradients(batch: CrystalBatch, heads: Iterable[TaskHead]) -> CrystalBatch:
    """Return the batch that an encoder must see so that some heads can differentiate.

    Args:
        batch: The crystals; not changed.
        heads: The heads that will read the embedding.

    Returns:
        The batch with positions, and cell where a head needs it, as leaves that require
        gradients; the batch itself where no head differentiates.
    """
    heads = tuple(heads)
    if not any(head.needs_position_gradient for head in heads):
        return batch
    strained = any(head.needs_cell_gradient for head in heads)
    return replace(
        batch,
        positions=batch.positions.detach().requires_grad_(),
        cell=batch.cell.detach().requires_grad_() if strained else batch.cell,
    )
