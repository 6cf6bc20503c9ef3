"""Dense tables of edges against triplets that are listed one by one."""

from itertools import product

import pytest
import torch

from matsciml_core import CrystalBatch, Neighbourhood
from matsciml_core.data.neighbours.neighbour_list import attach_neighbours
from matsciml_core.testing.crystals import all_crystals, isolated_atom
from matsciml_model_cdvae.bases import legendre
from matsciml_model_cdvae.config import CrystalGenerationConfig, DimeNetConfig
from matsciml_model_cdvae.connect import Candidates
from matsciml_model_cdvae.dimenet import DimeNet
from matsciml_model_cdvae.gemnet import GemNetDecoder
from matsciml_model_cdvae.lattice import to_cartesian, to_fractional
from matsciml_model_cdvae.triplets import Slots

WIDTH = 3


@pytest.fixture
def connected() -> CrystalBatch:
    """Crystals of one to five atoms, one of them without any edge; up to nine neighbours."""
    batch = CrystalBatch.from_crystals([*all_crystals(), isolated_atom(5.0)])
    return attach_neighbours(batch, Neighbourhood(cutoff=5.0, max_neighbours=9))


def _returns(batch, there, back, rule) -> bool:
    sender, receiver = batch.edge_index.tolist()
    same = sender[there] == receiver[back]
    shift = batch.cell_shift
    return same and (rule == "atom" or bool((shift[there] + shift[back] == 0).all()))


@pytest.mark.parametrize("rule", ["edge", "atom"])
def test_sums_over_paths(connected, rule):
    network = DimeNet(DimeNetConfig(cutoff=5.0, excluded_paths=rule)).double()
    edges = network.features(connected)
    count = connected.num_edges
    messages = torch.randn(count, 7, WIDTH, dtype=torch.float64)
    vectors = connected.edge_vectors()
    directions = vectors / vectors.norm(dim=1, keepdim=True)
    sender, receiver = connected.edge_index.tolist()
    expected = torch.zeros(count, WIDTH, dtype=torch.float64)
    for back, there in product(range(count), repeat=2):
        if receiver[there] == sender[back] and not _returns(connected, there, back, rule):
            angular = legendre(7, directions[there] @ directions[back])
            expected[back] += (angular.unsqueeze(1) * messages[there]).sum(0)
    torch.testing.assert_close(edges.sum_over_paths(messages), expected)


def test_sums_over_triplets(connected):
    config = CrystalGenerationConfig(radius=5.0, max_neighbours=5)
    decoder = GemNetDecoder(config, 4).double()
    index = connected.crystal_index
    fractional = to_fractional(connected.positions, connected.cell, index)
    candidates = Candidates.of(connected.cell, connected.atoms_per_crystal, 5.0)
    edges = candidates.connect(to_cartesian(fractional, connected.cell, index), 5.0, 5)
    geometry = decoder.geometry(edges, decoder.radial(edges.lengths))
    count = len(edges.receiver)
    messages = torch.randn(count, WIDTH, dtype=torch.float64)
    targets = edges.receiver.tolist()
    expected = torch.zeros(count, 7, WIDTH, dtype=torch.float64)
    for one, other in product(range(count), repeat=2):
        if one != other and targets[one] == targets[other]:
            angular = legendre(7, edges.directions[one] @ edges.directions[other])
            expected[one] += angular.unsqueeze(1) * messages[other]
    torch.testing.assert_close(geometry.sum_over_triplets(messages), expected)


def test_slots_give_back_what_was_put_in():
    atoms = torch.tensor([2, 0, 2, 2, 5])
    slots = Slots.of(atoms, 6)
    values = torch.arange(10.0).view(5, 2)
    assert slots.width == 3
    assert torch.equal(slots.collect(slots.spread(values)), values)
    assert slots.filled.sum(1).tolist() == [1, 0, 3, 0, 0, 1]
    nothing = Slots.of(atoms[:0], 6)
    assert nothing.spread(values[:0]).shape == (6, 1, 2)


def test_undefined_values_of_an_edge_stay_with_it():
    slots = Slots.of(torch.tensor([0, 1, 1]), 2)
    table = slots.spread(torch.tensor([[torch.nan], [1.0], [2.0]]))
    assert table[1].isfinite().all()
