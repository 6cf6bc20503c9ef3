"""Every check of an encoder is failed by an encoder with that one fault, and by no other."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
import torch
from torch import nn

from matsciml_core import Embedding, EncoderCapabilities, MessageGraph
from matsciml_core.errors import DataError
from matsciml_core.nn.segments import Segments, segment_mean, segment_sum
from matsciml_core.testing import examples
from matsciml_core.testing.encoder import CHECKS, behaviour
from matsciml_core.testing.examples import ExampleEncoder, mean_over_atoms

SPEC = examples.ENCODER


def spec(**capabilities):
    return replace(SPEC, capabilities=EncoderCapabilities(**capabilities))


ROUGH = spec(smooth_cutoff=False)
"""For encoders whose fault also makes them jump at the cutoff."""
ON_NODES = spec(asymmetric_unit=True, smooth_cutoff=True)


class Changed(ExampleEncoder):
    """The example with a change to the atom embedding."""

    def forward(self, batch):
        atoms = self.change(super().forward(batch).atoms, batch)
        return Embedding(atoms=atoms, crystals=mean_over_atoms(atoms, batch))


class AbsolutePositions(ExampleEncoder):
    def __init__(self, config=None):
        super().__init__(config)
        self.read = nn.Linear(3, self.atom_width)

    def forward(self, batch):
        atoms = super().forward(batch).atoms + self.read(batch.positions)
        return Embedding(atoms=atoms, crystals=mean_over_atoms(atoms, batch))


class InsideTheCell(ExampleEncoder):
    """Takes distances between the stored atoms and ignores the shifts of the edges."""

    def forward(self, batch):
        sender, receiver = batch.edge_index
        vectors = batch.positions[receiver] - batch.positions[sender]
        length = (vectors.square().sum(-1, keepdim=True) + 1e-6).sqrt()
        species = self.species(batch.atomic_numbers)
        message = self.radial(torch.exp(-((length - self.centres) ** 2))) * species[sender]
        gathered = torch.zeros_like(species).index_add(0, receiver, message)
        atoms = torch.tanh(self.update(torch.cat((species, gathered), dim=-1)))
        return Embedding(atoms=atoms, crystals=mean_over_atoms(atoms, batch))


class Chiral(ExampleEncoder):
    """Adds a triple product of three differently weighted sums of edge vectors."""

    def forward(self, batch):
        atoms = super().forward(batch).atoms
        vectors = batch.edge_vectors()
        length = vectors.norm(dim=-1, keepdim=True)
        sender, receiver = batch.edge_index
        charge = batch.atomic_numbers[sender, None].to(vectors)
        fade = (1 - (length / self.neighbours.cutoff) ** 2) ** 2
        sums = [
            vectors.new_zeros(batch.num_atoms, 3).index_add(0, receiver, fade * weight * vectors)
            for weight in (torch.exp(-length), charge / 50, charge.cos() / length)
        ]
        sign = torch.linalg.det(torch.stack(sums, dim=1))[:, None]
        atoms = atoms + 0.01 * torch.tanh(sign)
        return Embedding(atoms=atoms, crystals=mean_over_atoms(atoms, batch))


class MixesTheBatch(Changed):
    def change(self, atoms, batch):
        return atoms + 0.1 * atoms.mean(dim=0)


class DependsOnAtomOrder(Changed):
    def change(self, atoms, batch):
        first = torch.cat((torch.tensor([True]), batch.crystal_index.diff() > 0))
        return atoms * torch.where(first, 2.0, 1.0)[:, None].to(atoms)


class DependsOnEdgeOrder(Changed):
    def change(self, atoms, batch):
        if not batch.num_edges:
            return atoms
        sender, receiver = batch.edge_index
        place = torch.arange(batch.num_edges).to(atoms)[:, None]
        place = place * batch.atomic_numbers[sender, None]
        return atoms + 1e-4 * torch.zeros_like(atoms[:, :1]).index_add(0, receiver, place)


class Noisy(Changed):
    def change(self, atoms, batch):
        return atoms + 0.01 * torch.randn_like(atoms)


class SumReadOut(ExampleEncoder):
    def forward(self, batch):
        embedding = super().forward(batch)
        sizes = batch.atoms_per_crystal[:, None].to(embedding.crystals)
        return Embedding(atoms=embedding.atoms, crystals=embedding.crystals * sizes)


class Constant(ExampleEncoder):
    def forward(self, batch):
        atoms = torch.tanh(self.update.bias).expand(batch.num_atoms, -1)
        return Embedding(atoms=atoms, crystals=mean_over_atoms(atoms, batch))


class NanWithoutNeighbours(Changed):
    def change(self, atoms, batch):
        return atoms + 0.0 * (1.0 / batch.edges_per_atom[:, None].to(atoms))


class RaisesWithoutEdges(ExampleEncoder):
    def forward(self, batch):
        batch.edge_vectors().norm(dim=-1).max()
        return super().forward(batch)


class NanForOneAtom(ExampleEncoder):
    """A standard deviation over the atoms of a crystal, which one atom does not have."""

    def forward(self, batch):
        embedding = super().forward(batch)
        parts = torch.split(embedding.atoms, batch.atoms_per_crystal.tolist())
        spread = torch.stack([part.std(dim=0, correction=1) for part in parts])
        return Embedding(atoms=embedding.atoms, crystals=embedding.crystals + 0.0 * spread)


class WrongWidth(ExampleEncoder):
    def __init__(self, config=None):
        super().__init__(config)
        self.crystal_width = 17


class DoesNotSayItsNeighbours(ExampleEncoder):
    def __init__(self, config=None):
        super().__init__(config)
        self.neighbours = replace(self.neighbours, max_neighbours=0)


class WritesToTheBatch(ExampleEncoder):
    def forward(self, batch):
        batch.edges_per_atom.clamp_(min=1)
        return super().forward(batch)


class ReplacesAField(ExampleEncoder):
    def forward(self, batch):
        batch.atomic_numbers = batch.atomic_numbers.clone()
        return super().forward(batch)


class SinglePrecisionOnly(ExampleEncoder):
    def forward(self, batch):
        embedding = super().forward(batch.to(dtype=torch.float32))
        return Embedding(atoms=embedding.atoms.float(), crystals=embedding.crystals.float())


class Jumps(Changed):
    """Counts its neighbours."""

    def change(self, atoms, batch):
        return atoms + 0.01 * batch.edges_per_atom[:, None].to(atoms)


class Detached(ExampleEncoder):
    def forward(self, batch):
        return super().forward(replace(batch, positions=batch.positions.detach()))


class WrongStress(ExampleEncoder):
    """Image shifts that do not follow the lattice in the backward pass."""

    def forward(self, batch):
        return super().forward(replace(batch, cell=batch.cell.detach()))


class SquareRootOfZero(Changed):
    """Finite, but the derivative of a square root at zero is not."""

    def change(self, atoms, batch):
        vectors = batch.edge_vectors()
        receiver = batch.edge_index[1]
        dipole = vectors.new_zeros(batch.num_atoms, 3).index_add(0, receiver, 0.0 * vectors)
        return atoms + dipole.square().sum(-1, keepdim=True).sqrt()


class RoundedDistances(ExampleEncoder):
    """Rounds coordinates to half precision, and passes gradients as if it had not."""

    def forward(self, batch):
        positions = batch.positions
        rounded = positions + (positions.half().to(positions) - positions).detach()
        return super().forward(replace(batch, positions=rounded))


class UnusedLayer(ExampleEncoder):
    def __init__(self, config=None):
        super().__init__(config)
        self.project = nn.Linear(self.atom_width, 3)


class ConstantOutsideTheState(Changed):
    def __init__(self, config=None):
        super().__init__(config)
        self.offset = torch.randn(self.atom_width)

    def change(self, atoms, batch):
        return atoms + self.offset.to(atoms)


class KeepsALambda(ExampleEncoder):
    def __init__(self, config=None):
        super().__init__(config)
        self.activation = lambda values: values


class KeepsItsGraph(ExampleEncoder):
    def forward(self, batch):
        embedding = super().forward(batch)
        self.last = embedding.crystals
        return embedding


class HundredElements(ExampleEncoder):
    def __init__(self, config=None):
        super().__init__(config)
        self.species = nn.Embedding(100, self.atom_width)


class IgnoresItsEdges(Changed):
    """Looks at the volume alone."""

    def forward(self, batch):
        volume = torch.linalg.det(batch.cell).abs() / batch.atoms_per_crystal
        species = self.species(batch.atomic_numbers)
        species = species + volume[batch.crystal_index, None] / 20
        atoms = torch.tanh(self.update(torch.cat((species, species), dim=-1)))
        return Embedding(atoms=atoms, crystals=mean_over_atoms(atoms, batch))


class Refuses(ExampleEncoder):
    def forward(self, batch):
        if int(batch.atomic_numbers.max()) > 94:
            raise DataError("Elements beyond plutonium were not in the training set.")
        return super().forward(batch)


class Clamps(ExampleEncoder):
    def forward(self, batch):
        return super().forward(replace(batch, atomic_numbers=batch.atomic_numbers.clamp(max=100)))


class WithoutEdges(ExampleEncoder):
    def __init__(self, config=None):
        super().__init__(config)
        self.neighbours = None

    def forward(self, batch):
        volume = torch.linalg.det(batch.cell).abs() / batch.atoms_per_crystal
        species = self.species(batch.atomic_numbers)
        atoms = species * (volume[batch.crystal_index, None] / 20)
        return Embedding(atoms=atoms, crystals=mean_over_atoms(atoms, batch))


class SeededByTheClock(ExampleEncoder):
    def __init__(self, config=None):
        super().__init__(config)
        nn.init.normal_(self.radial.bias, generator=_CLOCK)


_CLOCK = torch.Generator()


class OnNodes(ExampleEncoder):
    """The example, on the nodes of a message graph."""

    def forward(self, batch):
        graph = MessageGraph.of(batch)
        species = self.species(graph.atomic_numbers)
        length = batch.edge_vectors().norm(dim=-1, keepdim=True)
        envelope = (1 - (length / self.neighbours.cutoff) ** 2) ** 2
        radial = self.radial(torch.exp(-((length - self.centres) ** 2)))
        message = envelope * radial * species.index_select(0, graph.sender)
        gathered = segment_sum(message, graph.incoming)
        nodes = torch.tanh(self.update(torch.cat((species, gathered), dim=-1)))
        return Embedding(atoms=graph.to_atoms(nodes), crystals=self.read_out(nodes, graph))

    def read_out(self, nodes, graph):
        return segment_mean(nodes, graph.nodes)


class ForgetsMultiplicity(OnNodes):
    def read_out(self, nodes, graph):
        once = Segments(graph.nodes.index, graph.nodes.lengths)
        return segment_mean(nodes, once)


class NeedsWholeCrystals(ForgetsMultiplicity):
    needs_whole_crystals = True


MOVES = {"translation", "rotation", "reflection", "periodic-image", "lattice-basis"}
FAULTS = [
    (AbsolutePositions, ROUGH, MOVES | {"supercell"}),
    (
        InsideTheCell,
        ROUGH,
        {"missing-edges", "periodic-image", "lattice-basis", "supercell", "lattice-constant"},
    ),
    (Chiral, SPEC, {"reflection"}),
    (MixesTheBatch, SPEC, {"batch-equals-singles"}),
    (DependsOnAtomOrder, SPEC, {"permutation", "supercell"}),
    (SumReadOut, SPEC, {"supercell"}),
    (
        Constant,
        SPEC,
        {
            "missing-edges",
            "lattice-constant",
            "sees-geometry",
            "sees-species",
            "uses-edges",
            "position-gradient",
            "strain-gradient",
            "force-training",
        },
    ),
    (NanWithoutNeighbours, SPEC, {"isolated-atom", "no-edges", "uses-edges"}),
    (RaisesWithoutEdges, SPEC, {"isolated-atom", "no-edges", "uses-edges"}),
    (WrongWidth, SPEC, {"widths"}),
    # It asks for no neighbours at all and gets them: an encoder without any knows no geometry.
    (
        DoesNotSayItsNeighbours,
        ROUGH,
        {"neighbourhood", "lattice-constant", "sees-geometry", "sees-species", "uses-edges"},
    ),
    (WritesToTheBatch, SPEC, {"batch-untouched", "missing-edges"}),
    (ReplacesAField, SPEC, {"batch-untouched"}),
    (SinglePrecisionOnly, SPEC, {"precision"}),
    (Jumps, SPEC, {"smooth-cutoff"}),
    (Detached, SPEC, {"position-gradient", "strain-gradient", "force-training"}),
    (WrongStress, SPEC, {"strain-gradient"}),
    (ConstantOutsideTheState, SPEC, {"save-and-load"}),
    (KeepsALambda, SPEC, {"copies"}),
    (KeepsItsGraph, SPEC, {"copies"}),
    (HundredElements, SPEC, {"all-elements"}),
    (SeededByTheClock, SPEC, {"construction"}),
]


def test_the_example_keeps_every_promise(outcome):
    found = outcome(SPEC, quick=False)
    assert not found.failed | found.warned
    assert found.skipped == {"accelerator", "asymmetric-unit", "tensors"}


@pytest.mark.parametrize(
    ("component", "declared", "expected"), FAULTS, ids=[one.__name__ for one, *_ in FAULTS]
)
def test_a_fault_fails_the_right_rows(outcome, component, declared, expected):
    assert outcome(declared, component).failed == expected


@pytest.mark.parametrize(
    ("component", "expected"),
    [
        (Noisy, {"determinism", "rotation", "copies"}),
        (DependsOnEdgeOrder, {"edge-order"}),
        (RoundedDistances, {"position-gradient", "translation", "rotation", "periodic-image"}),
        (NanForOneAtom, {"finite", "one-atom-cell", "all-elements", "isolated-atom"}),
        (SquareRootOfZero, {"force-training", "position-gradient", "isolated-atom"}),
        (IgnoresItsEdges, {"uses-edges", "sees-geometry"}),
    ],
)
def test_a_fault_with_many_consequences_fails_these_rows_too(outcome, component, expected):
    assert expected <= outcome(SPEC, component).failed


def test_what_is_not_declared_is_not_tested(outcome):
    modest = spec(symmetry="none", supercell=False, smooth_cutoff=False)
    found = outcome(modest, AbsolutePositions)
    assert not found.failed
    assert {*MOVES, "supercell", "smooth-cutoff"} <= found.skipped
    for name in MOVES:
        said = found.row(name).explanation
        (difference,) = re.findall(r"symmetry none; .* differ by up to (\S+), in", said)
        assert float(difference) > 1e-5


def test_a_chiral_encoder_may_declare_so(outcome):
    found = outcome(spec(symmetry="SE(3)", smooth_cutoff=True), Chiral)
    assert not found.failed
    assert "reflection" in found.skipped
    said = found.row("reflection").explanation
    (difference,) = re.findall(r"mirror images differ by up to (\S+), in triclinic", said)
    assert float(difference) > 1e-5
    assert found.row("rotation").result == "passed"


def test_gradients_are_not_tested_where_there_are_none(outcome):
    found = outcome(spec(differentiable=False, smooth_cutoff=True), Detached)
    assert not found.failed
    assert {"position-gradient", "strain-gradient", "force-training"} <= found.skipped


def test_an_unused_layer_is_a_warning_with_its_name(outcome):
    found = outcome(SPEC, UnusedLayer)
    assert not found.failed
    assert found.warned == {"every-parameter-trains"}
    assert "project.weight" in found.row("every-parameter-trains").explanation
    assert found.row("every-parameter-trains").measured == "51 of 2627 unused"


def test_elements_may_be_refused_with_a_clear_error(outcome):
    found = outcome(SPEC, Refuses)
    assert not found.failed
    assert found.warned == {"all-elements"}
    assert found.row("all-elements").explanation == (
        "24 elements are refused: Z = 95, 96, 97, 98, 99, …."
    )


def test_elements_that_share_an_embedding_are_a_warning(outcome):
    found = outcome(SPEC, Clamps)
    assert found.warned == {"all-elements"}
    assert found.row("all-elements").measured == "100 of 118"


def test_an_index_error_names_the_element(outcome):
    assert (
        "Z = 100 raises IndexError"
        in outcome(SPEC, HundredElements).row("all-elements").explanation
    )


def test_an_encoder_that_runs_in_float32_only_is_held_to_float32(outcome):
    found = outcome(SPEC, SinglePrecisionOnly)
    assert found.row("rotation").tolerance == "≤ 0.0001"
    assert outcome(SPEC).row("rotation").tolerance == "≤ 1e-09"


def test_the_asymmetric_unit_gives_the_same_numbers(outcome):
    found = outcome(ON_NODES, OnNodes)
    assert not found.failed
    assert found.row("asymmetric-unit").result == "passed"


def test_equivalent_atoms_must_be_counted(outcome):
    assert outcome(ON_NODES, ForgetsMultiplicity).failed == {"asymmetric-unit"}


def test_settings_may_need_whole_crystals(outcome):
    found = outcome(ON_NODES, NeedsWholeCrystals)
    assert "whole crystals" in found.row("asymmetric-unit").explanation


def test_what_declares_no_neighbours_must_not_ask_for_them(outcome):
    row = outcome(spec(neighbours="none")).row("neighbourhood")
    assert row.result == "failed"
    assert "The spec declares 'none'" in row.explanation


def test_an_encoder_without_edges_is_checked_too(outcome):
    found = outcome(spec(neighbours="none"), WithoutEdges)
    # Volume and composition alone: where atoms sit, and which of them, cannot be seen.
    assert found.failed == {"sees-geometry", "sees-species", "position-gradient", "force-training"}
    assert {"edge-order", "uses-edges", "smooth-cutoff"} <= found.skipped


def test_an_encoder_that_cannot_be_built_fails_once(outcome):
    class CannotBeBuilt(ExampleEncoder):
        def __init__(self, config=None):
            raise RuntimeError("no compiler found")

    found = outcome(SPEC, CannotBeBuilt)
    assert found.failed == {"construction"}
    assert len(found.skipped) == len(CHECKS) - 1
    assert found.row("construction").explanation == "RuntimeError: no compiler found"


def test_only_encoders_can_be_checked_as_encoders(outcome):
    class NoEncoder(nn.Module):
        def __init__(self, config=None):
            super().__init__()

    row = outcome(SPEC, NoEncoder).row("construction")
    assert "NoEncoder is not a subclass of Encoder" in row.explanation


def test_an_encoder_must_return_an_embedding(outcome):
    class ReturnsATensor(ExampleEncoder):
        def forward(self, batch):
            return super().forward(batch).crystals

    row = outcome(SPEC, ReturnsATensor).row("widths")
    assert row.result == "failed"
    assert "forward returned Tensor" in row.explanation


def test_options_reach_the_encoder(outcome):
    found = outcome(SPEC, options={"width": 4, "cutoff": 3.5})
    assert found.row("widths").measured == "atoms 4, crystals 4"
    assert found.row("neighbourhood").measured == "3.5 Å"
    assert not found.failed


@pytest.mark.parametrize("cutoff", [2.2, 3.0, 7.5])
def test_the_example_passes_for_every_cutoff(outcome, cutoff):
    assert not outcome(SPEC, options={"cutoff": cutoff, "width": 4}).failed


def test_a_fault_is_seen_although_its_layer_starts_at_zero(outcome):
    class StartsAtZero(AbsolutePositions):
        def __init__(self, config=None):
            super().__init__(config)
            nn.init.zeros_(self.read.weight)

    assert outcome(ROUGH, StartsAtZero).failed >= MOVES


def test_the_place_of_the_worst_change_is_named(outcome):
    explanation = outcome(SPEC, SumReadOut).row("supercell").explanation
    assert "repeated 2 times" in explanation
    assert "allowed is ≤ 1e-09" in explanation


def test_an_accelerator_is_compared_with_the_cpu(outcome, monkeypatch):
    monkeypatch.setattr(behaviour, "_accelerator", lambda: torch.device("cpu"))
    row = outcome(SPEC).row("accelerator")
    assert (row.result, row.measured, row.tolerance) == ("passed", "0", "≤ 0.0001")


@pytest.mark.gpu
def test_the_example_gives_the_same_on_a_gpu(outcome):
    assert outcome(SPEC).row("accelerator").result == "passed"
