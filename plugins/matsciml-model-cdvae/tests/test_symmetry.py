"""Sampling within a space group: cells, steps and results keep its symmetry."""

import pytest
import torch

from matsciml_core.data.symmetry.orbits import find_space_group
from matsciml_core.errors import ConfigError
from matsciml_core.interfaces.generation import Composition, SamplingConfig
from matsciml_core.testing import crystals
from matsciml_model_cdvae.config import CrystalGenerationConfig
from matsciml_model_cdvae.head import CrystalGeneration
from matsciml_model_cdvae.lattice import lattice_parameters, lattice_vectors
from matsciml_model_cdvae.niggli import niggli_reduced
from matsciml_model_cdvae.space_groups import space_group
from matsciml_model_cdvae.symmetry import Symmetry, nearest_numbers, symmetric_cells


@pytest.fixture
def head(batch, structure) -> CrystalGeneration:
    torch.manual_seed(0)
    head = CrystalGeneration([structure], 16, 16, CrystalGenerationConfig()).eval()
    head.fit([batch])
    return head


def _sampling(number, **options):
    options = {"sampler": "langevin", "levels": 4, "steps_per_level": 3, **options}
    return SamplingConfig(space_group=number, **options)


def _decode(head, number=4, composition=None, **options):
    generator = torch.Generator().manual_seed(5)
    latents = head.sample_latents(number, generator=generator)
    return head.decode(latents, composition=composition, generator=generator, **options)


PARAMETERS = torch.tensor(
    [[4.1, 4.4, 5.2, 88.0, 93.0, 118.0], [3.0, 3.1, 3.2, 61.0, 59.0, 62.0]], dtype=torch.float64
)


@pytest.mark.parametrize("number", [62, 166, 194, 225])
def test_cells_are_mapped_onto_themselves_and_keep_their_volume(number):
    found = symmetric_cells(PARAMETERS, number)
    cell = lattice_vectors(found.parameters)
    for rotation in torch.from_numpy(space_group(number).rotations).double():
        metric = cell @ cell.transpose(1, 2)
        torch.testing.assert_close(rotation.T @ metric @ rotation, metric)
    volumes = [torch.linalg.det(one).abs() for one in (cell, lattice_vectors(PARAMETERS))]
    torch.testing.assert_close(*volumes)
    again = symmetric_cells(found.parameters, number)
    assert float(again.strain.max()) < 1e-6


@pytest.mark.parametrize(
    ("crystal", "number"),
    [
        (crystals.sodium_chloride(), 225),
        (crystals.hcp_magnesium(), 194),
        (crystals.rutile(), 136),
        (crystals.bcc_iron(), 229),
    ],
)
def test_the_cell_of_a_crystal_of_the_group_stays(crystal, number):
    assert find_space_group(crystal, 1e-3) == number
    cell = niggli_reduced(torch.tensor(crystal.cell).double().unsqueeze(0))
    found = symmetric_cells(lattice_parameters(cell), number)
    assert float(found.strain) < 1e-6
    shear = torch.tensor([[1.0, 0.1, 0.05], [0.0, 1.0, 0.1], [0.0, 0.0, 1.0]]).double()
    assert float(symmetric_cells(lattice_parameters(cell @ shear), number).strain) > 0.01


@pytest.mark.parametrize("number", [62, 166, 194, 221])
def test_steps_of_an_orbit_are_images_of_each_other(number):
    cell = lattice_vectors(symmetric_cells(PARAMETERS[:1], number).parameters)
    generator = torch.Generator().manual_seed(0)
    size = int(nearest_numbers(number, torch.tensor([20]), 25)[0])
    symmetry = Symmetry.of(number, cell, [[size]], generator)
    fractional = symmetry.start(torch.rand(size, 3, generator=generator).double())
    vectors = torch.randn(size, 3, generator=generator).double()
    scores, noise, logits = symmetry.project(vectors, vectors, vectors)
    for steps in (scores, noise):
        moved = fractional + 0.01 * steps @ torch.linalg.inv(cell[0])
        misses = symmetry.follow(moved) - moved
        assert float((misses - misses.round()).abs().max()) < 1e-12
    twice, *_ = symmetry.project(scores, noise, logits)
    torch.testing.assert_close(twice, scores)
    assert len(logits.unique(dim=0)) <= len(symmetry.first)


@pytest.mark.parametrize("number", [62, 166, 221, 227])
def test_what_comes_out_has_the_symmetry(head, number):
    found = [one.crystal for one in _decode(head, sampling=_sampling(number))]
    found = [crystal for crystal in found if crystal is not None]
    assert found
    for crystal in found:
        # Special positions may have more symmetry than was asked for, and never less.
        symmetry = find_space_group(crystal, 1e-3)
        assert symmetry is not None
        assert symmetry >= number or symmetry in _supergroups(number)


def _supergroups(number):
    """Numbers below that of a group in which it is contained, as for hexagonal in cubic ones."""
    return {166: (), 216: (), 194: (191,), 227: (), 225: (221,)}.get(number, ())


@pytest.mark.parametrize("sampler", ["langevin", "ancestral"])
def test_a_prescribed_composition_fills_orbits(head, sampler):
    known = Composition(
        atoms_per_crystal=torch.tensor([5, 5]),
        atomic_numbers=torch.tensor([8, 22, 8, 38, 8] * 2),
    )
    found = _decode(head, 2, known, sampling=_sampling(221, sampler=sampler))
    for one in found:
        assert sorted(one.crystal.atomic_numbers.tolist()) == [8, 8, 8, 22, 38]
        assert find_space_group(one.crystal, 1e-3) == 221


def test_a_resumed_sampling_is_the_same(head):
    states = []
    whole = _decode(head, sampling=_sampling(62), checkpoint=states.append)
    rest = _decode(head, sampling=_sampling(62), state=states[1])
    assert [one.crystal.positions.tolist() for one in whole if one.crystal] == [
        one.crystal.positions.tolist() for one in rest if one.crystal
    ]


def test_atoms_that_fill_no_orbit_are_refused(head):
    known = Composition(atoms_per_crystal=torch.tensor([1]), atomic_numbers=torch.tensor([11]))
    with pytest.raises(ConfigError, match="1 atoms fill no whole orbits of the space group 227"):
        _decode(head, 1, known, sampling=_sampling(227))


def test_numbers_of_atoms_go_to_the_nearest_possible():
    found = nearest_numbers(227, torch.tensor([0, 1, 2, 3, 7, 25]), 25)
    assert found.tolist() == [0, 2, 2, 2, 6, 24]


def test_latents_with_a_suitable_cell_weigh_more(head):
    generator = torch.Generator().manual_seed(1)
    latents = head.sample_latents(5, generator=generator)
    assert head.log_symmetry(latents, 1).abs().max() < 1e-6
    weights = head.log_symmetry(latents, 225)
    assert bool((weights < 0).all())
    with torch.no_grad():
        head.predictors.lattice.layers[-1].bias.fill_(-1e6)
    assert bool(head.log_symmetry(latents, 225).isneginf().all())
