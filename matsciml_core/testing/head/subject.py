"""The task head under test, with made-up labels and embeddings."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from matsciml_core.data.neighbours.neighbour_list import attach_neighbours
from matsciml_core.interfaces.batch import CrystalBatch
from matsciml_core.interfaces.crystal import Crystal
from matsciml_core.interfaces.encoder import Embedding, Neighbourhood, TensorEmbedding
from matsciml_core.interfaces.generation import GenerativeHead, LatentEmbedding
from matsciml_core.interfaces.head import TaskHead, TensorHead, Values
from matsciml_core.interfaces.structure import STRUCTURE
from matsciml_core.registry.specs import TaskHeadSpec
from matsciml_core.registry.targets import Grid, TargetInfo, TargetKind
from matsciml_core.testing import transforms
from matsciml_core.testing.checks import SEED, Broken
from matsciml_core.testing.crystals import all_crystals
from matsciml_core.testing.example_settings import ExampleEncoderConfig
from matsciml_core.testing.examples import (
    ExampleEncoder,
    ExampleTensorEncoder,
    mean_over_atoms,
)
from matsciml_core.testing.subject import Subject, stir_zeros

ATOM_WIDTH, CRYSTAL_WIDTH = 12, 20
"""Different, so that a head that mixes them up fails."""
_TOGETHER: tuple[TargetKind, ...] = ("energy", "forces", "stress")
_ALONE: tuple[TargetKind, ...] = ("scalar", "grid", "binary", "multiclass", "structure")
_UNITS = {
    "energy": "eV",
    "forces": "eV/Å",
    "stress": "eV/Å³",
    "scalar": "eV/atom",
    "grid": "1/eV",
    "structure": STRUCTURE.unit,
}
_CRYSTALS = 16
_MISSING_EVERY = 4

Targets = tuple[TargetInfo, ...]


@dataclass
class Bench:
    """A fitted head in double precision with one labelled batch, a quarter of it unlabelled."""

    head: TaskHead
    batch: CrystalBatch
    embed: torch.nn.Module

    def __post_init__(self) -> None:
        """Let positions and cell carry gradients where the head asks for them."""
        if self.head.needs_position_gradient:
            self.batch = replace(
                self.batch,
                positions=self.batch.positions.clone().requires_grad_(),
                cell=self.batch.cell.clone().requires_grad_(),
            )

    @property
    def names(self) -> str:
        """The targets, for messages."""
        return "+".join(info.name for info in self.head.targets)

    def embedding(self) -> Embedding:
        """Return the embedding of the batch, with a graph."""
        embedding: Embedding = self.embed(self.batch)
        return embedding

    def predict(self) -> dict[str, Tensor]:
        """Return the prediction in the head's own space, with a graph."""
        prediction: dict[str, Tensor] = self.head(self.embedding(), self.batch)
        return prediction

    def physical(self) -> dict[str, Tensor]:
        """Return the prediction in physical units, without a graph."""
        values = self.head.inverse_transform(self.predict(), self.batch)
        return {name: value.detach() for name, value in values.items()}

    def leaves(self) -> dict[str, Tensor]:
        """Return the prediction as leaves that collect the gradient of the loss."""
        return {name: value.detach().requires_grad_() for name, value in self.predict().items()}

    def loss(self, prediction: Values, target: Values | None = None) -> Tensor:
        """Return the loss of a prediction, with the batch's own labels unless others are given."""
        target = self.head.transform(self.batch) if target is None else target
        return self.head.loss(prediction, target, self.head.mask(self.batch))

    def is_plain(self, info: TargetInfo, prediction: Values) -> bool:
        """Return whether a prediction is simply a normalised label, of the same shape."""
        shape = self.batch.targets[info.name].shape
        return has_values(info) and prediction[info.name].shape == shape


@dataclass
class TaskHeadSubject(Subject):
    """A task head under test."""

    @property
    def declared(self) -> TaskHeadSpec:
        """What the plugin declares."""
        if not isinstance(self.spec, TaskHeadSpec):
            raise TypeError(f"'{self.spec.name}' is of the kind {self.spec.kind}, not task head.")
        return self.spec

    @cached_property
    def groups(self) -> list[Targets]:
        """The targets to build heads for: one by one, but energy, forces and stress together."""
        kinds = self.declared.target_kinds
        together = tuple(self._info(kind) for kind in _TOGETHER if kind in kinds)
        groups: list[Targets] = [(self._info(kind),) for kind in _ALONE if kind in kinds]
        if "tensor" in kinds:
            groups += [(info,) for info in self._tensors()]
        return [*groups, together] if together else groups

    def _tensors(self) -> Iterator[TargetInfo]:
        """Yield labels of each rank that the head predicts, per crystal and per atom."""
        for rank in getattr(self.component, "ranks", (1,)):
            label = TargetInfo(name="example_tensor", kind="tensor", rank=rank, unit="e")
            yield label
            yield replace(label, per_atom=True)
            yield replace(label, extensive=True)
            if rank == 2:
                yield replace(label, symmetric=True)

    def benches(self) -> Iterator[Bench]:
        """Yield a fitted head with a batch for each group of targets."""
        for group in self.groups:
            yield self.bench(group)

    def bench(self, group: Targets, *, fitted: bool = True) -> Bench:
        """Return a head for some targets with a batch."""
        head = self.build(group).double().eval()
        embed = _Embed(
            latent=isinstance(head, GenerativeHead), tensors=isinstance(head, TensorHead)
        ).double()
        batch = labelled_batch(group)
        if fitted:
            head.fit(iter([batch.without_edges()]))
        return Bench(head=head, batch=batch, embed=embed)

    def build(self, group: Targets, *, seed: int = SEED) -> TaskHead:
        """Return a new head."""
        with torch.random.fork_rng(devices=()):
            torch.default_generator.manual_seed(seed)
            names = ("vector_width", "matrix_width")
            tensors = issubclass(self.component, TensorHead)
            widths = {name: getattr(ExampleTensorEncoder, name) for name in names if tensors}
            head = self.component(group, ATOM_WIDTH, CRYSTAL_WIDTH, self.config, **widths)
            if not isinstance(head, TaskHead):
                raise Broken(f"{self.component.__name__} is not a subclass of TaskHead.")
            stir_zeros(head)
        return head

    def prepare(self) -> None:
        """Build a head for each group of targets."""
        for group in self.groups:
            self.build(group)

    def _info(self, kind: TargetKind) -> TargetInfo:
        units = getattr(self.component, "units", {}).get(kind)
        unit = "class" if kind in ("binary", "multiclass") else _UNITS[kind]
        return TargetInfo(
            name=f"example_{kind}",
            kind=kind,
            unit=units[0] if units else unit,
            num_classes=3 if kind == "multiclass" else None,
            grid=Grid(points=4, start=-1.0, stop=2.0, unit="eV") if kind == "grid" else None,
        )


class _Embed(torch.nn.Module):
    """An encoder with different widths for atoms and crystals.

    It has a latent space, or vectors and matrices, where a head needs them.
    """

    def __init__(self, *, latent: bool = False, tensors: bool = False) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=()):
            torch.default_generator.manual_seed(SEED)
            self.encoder = ExampleTensorEncoder() if tensors else ExampleEncoder()
            self.atoms = torch.nn.Linear(16, ATOM_WIDTH)
            self.crystals = torch.nn.Linear(16, CRYSTAL_WIDTH)
            self.variance = torch.nn.Linear(16, CRYSTAL_WIDTH) if latent else None

    def forward(self, batch: CrystalBatch) -> Embedding:
        embedding = self.encoder(batch)
        atoms = embedding.atoms
        crystals = mean_over_atoms(torch.tanh(self.crystals(atoms)), batch)
        inner = torch.tanh(self.atoms(atoms))
        if isinstance(embedding, TensorEmbedding):
            return replace(embedding, atoms=inner, crystals=crystals)
        if self.variance is None:
            return Embedding(atoms=inner, crystals=crystals)
        variance = mean_over_atoms(torch.tanh(self.variance(atoms)), batch)
        return LatentEmbedding(atoms=inner, crystals=crystals, mean=crystals, log_variance=variance)


def labelled_batch(group: Targets) -> CrystalBatch:
    """Return crystals of several sizes with random labels; every fourth crystal has none."""
    random = np.random.default_rng(SEED)
    samples = []
    for number in range(_CRYSTALS):
        crystal = all_crystals()[number % 4]
        moved = transforms.displace(crystal, 0.05 * random.normal(size=(crystal.num_atoms, 3)))
        labels = {info.name: _label(info, moved, random) for info in group}
        missing = number % _MISSING_EVERY == 1
        samples.append(replace(moved, id=str(number), labels={} if missing else labels))
    return connected(samples, group)


def connected(samples: Sequence[Crystal], targets: Targets) -> CrystalBatch:
    """Return crystals as a batch with the edges that the embedding is made from."""
    batch = CrystalBatch.from_crystals(samples, targets)
    return attach_neighbours(batch, Neighbourhood(cutoff=ExampleEncoderConfig().cutoff))


def has_values(info: TargetInfo) -> bool:
    """Return whether predictions of a label are numbers to compare with it, in its shape."""
    return not info.is_class and info.kind != "structure"


def _label(info: TargetInfo, crystal: Crystal, random: np.random.Generator) -> object:
    if info.kind == "structure":
        return 1.0
    if info.is_class:
        return int(random.integers(info.classes))
    if info.extensive:
        return crystal.num_atoms * random.normal(-4.0, 0.5, size=info.shape)
    mean = -2.0 if info.kind == "scalar" else 0.0
    return random.normal(mean, 1.5, size=info.value_shape(crystal.num_atoms))
