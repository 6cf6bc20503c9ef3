"""The decoder's neighbours, against the compiled search and against each other's mirror."""

import numpy as np
import pytest
import torch

from matsciml_core import Crystal, CrystalBatch, Neighbourhood
from matsciml_core.data.neighbours.neighbour_list import attach_neighbours
from matsciml_core.testing.crystals import all_crystals
from matsciml_model_cdvae.connect import Candidates
from matsciml_model_cdvae.lattice import to_cartesian, to_fractional

RADIUS = 5.0


def _connected(batch, most, cut="either"):
    fractional = to_fractional(batch.positions, batch.cell, batch.crystal_index)
    positions = to_cartesian(fractional, batch.cell, batch.crystal_index)
    candidates = Candidates.of(batch.cell, batch.atoms_per_crystal, RADIUS)
    return candidates, candidates.connect(positions, RADIUS, most, cut)


def _random(atoms: int, seed: int) -> Crystal:
    random = np.random.default_rng(seed)
    return Crystal.from_fractional(
        id=str(seed),
        atomic_numbers=random.integers(1, 90, atoms),
        fractional=random.uniform(-1.0, 2.0, (atoms, 3)),
        cell=4.0 * np.eye(3) + random.uniform(-1.0, 1.0, (3, 3)),
    )


@pytest.fixture
def disordered() -> CrystalBatch:
    return CrystalBatch.from_crystals([_random(1, 0), _random(7, 1), _random(3, 2)])


def test_without_a_cut_they_are_all_within_the_radius(disordered):
    crystals = CrystalBatch.from_crystals([*all_crystals(), *disordered.crystals()])
    _, edges = _connected(crystals, 100_000)
    expected = attach_neighbours(crystals, Neighbourhood(cutoff=RADIUS))
    assert len(edges.sender) == expected.num_edges
    found = zip(edges.sender.tolist(), edges.receiver.tolist(), edges.lengths.tolist(), strict=True)
    lengths = expected.edge_vectors().norm(dim=1)
    known = zip(*expected.edge_index.tolist(), lengths.tolist(), strict=True)
    for one, other in zip(sorted(found), sorted(known), strict=True):
        assert one[:2] == other[:2]
        assert one[2] == pytest.approx(other[2], abs=1e-9)


@pytest.mark.parametrize("cut", ["either", "literal"])
def test_every_edge_has_its_mirror(disordered, cut):
    _, edges = _connected(disordered, 9, cut)
    mirror = edges.mirror
    assert torch.equal(mirror[mirror], torch.arange(len(mirror)))
    assert torch.equal(edges.sender[mirror], edges.receiver)
    torch.testing.assert_close(edges.directions[mirror], -edges.directions)
    assert (edges.receiver[1:] >= edges.receiver[:-1]).all()


def test_candidates_are_mirrored_too(disordered):
    candidates, _ = _connected(disordered, 9)
    mirror = candidates.mirror
    assert torch.equal(candidates.sender[mirror], candidates.receiver)
    shift = candidates.shifts[candidates.image]
    assert torch.equal(shift[mirror], -shift)


def test_each_atom_keeps_its_nearest(disordered):
    _, edges = _connected(disordered, 9)
    _, everything = _connected(disordered, 100_000)
    for atom in range(disordered.num_atoms):
        mine = edges.lengths[edges.receiver == atom].sort().values
        nearest = everything.lengths[everything.receiver == atom].sort().values[:9]
        assert len(mine) >= len(nearest)
        torch.testing.assert_close(mine[:9], nearest)


def test_the_cut_does_not_depend_on_the_order_of_atoms(disordered):
    crystal = disordered.crystals()[1]
    order = np.random.default_rng(0).permutation(crystal.num_atoms)
    shuffled = Crystal(
        id="b",
        atomic_numbers=crystal.atomic_numbers[order],
        positions=crystal.positions[order],
        cell=crystal.cell,
    )
    lengths = []
    for one in (crystal, shuffled):
        _, edges = _connected(CrystalBatch.from_crystals([one]), 9)
        lengths.append(edges.lengths.sort().values)
    torch.testing.assert_close(*lengths)


def test_a_perfect_crystal_keeps_whole_shells():
    """Rock salt has shells of 6, 12 and 8 neighbours; nine of them are no symmetric choice."""
    batch = CrystalBatch.from_crystals([all_crystals()[0]])
    _, edges = _connected(batch, 9)
    counts = torch.bincount(edges.receiver)
    assert (counts == counts[0]).all()


def test_coincident_and_undefined_atoms_have_no_edges():
    batch = CrystalBatch.from_crystals([_random(3, 3), _random(3, 4)])
    candidates = Candidates.of(batch.cell, batch.atoms_per_crystal, RADIUS)
    positions = batch.positions.clone()
    positions[0] = torch.nan
    positions[2] = positions[1]
    edges = candidates.connect(positions, RADIUS, 9)
    assert edges.lengths.isfinite().all()
    assert edges.lengths.min() > 1e-2
    assert not ((edges.sender == 0) | (edges.receiver == 0)).any()
