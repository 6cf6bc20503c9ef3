"""What the numbers are: compared with values by hand, from tables, and from plain loops."""

import numpy as np
import pytest
import torch

from matsciml_core import CrystalBatch
from matsciml_core.data import attach_neighbours
from matsciml_core.data.symmetry.orbits import attach_asymmetric_unit
from matsciml_core.errors import ConfigError, ShapeError
from matsciml_core.nn.element_descriptors import element_descriptors
from matsciml_core.testing import transforms
from matsciml_core.testing.crystals import (
    all_crystals,
    bcc_iron,
    rutile,
    simple_cubic,
    sodium_chloride,
    triclinic,
)
from matsciml_model_descriptors.composition import Composition
from matsciml_model_descriptors.config import DescriptorsConfig
from matsciml_model_descriptors.encoder import Descriptors
from matsciml_model_descriptors.surroundings import Surroundings

COLUMNS = len(element_descriptors().names)
PLAIN = DescriptorsConfig(distances=False)


def batch_of(*crystals, encoder=None):
    batch = CrystalBatch.from_crystals(crystals)
    if encoder is not None and encoder.neighbours is not None:
        batch = attach_neighbours(batch, encoder.neighbours)
    return batch


def embed(*crystals, **settings):
    encoder = Descriptors(DescriptorsConfig(**settings)).double()
    return encoder(batch_of(*crystals, encoder=encoder)).crystals


def surroundings(crystal, cutoff=5.0):
    encoder = Descriptors(DescriptorsConfig(cutoff=cutoff)).double()
    batch = batch_of(crystal, encoder=encoder)
    return batch, Surroundings.of(batch, encoder.radii, cutoff)


def test_statistics_are_those_over_the_atoms():
    table = torch.tensor(element_descriptors().standardised)
    statistics = Composition.of(batch_of(rutile(), bcc_iron()), 119).statistics(table)
    atoms = element_descriptors().standardised[[22, 22, 8, 8, 8, 8]]  # (6, columns)
    mean = atoms.mean(axis=0)
    expected = {
        "mean": mean,
        "deviation": np.abs(atoms - mean).mean(axis=0),
        "min": atoms.min(axis=0),
        "max": atoms.max(axis=0),
        "range": np.ptp(atoms, axis=0),
    }
    assert statistics.keys() == expected.keys()
    for name, values in expected.items():
        np.testing.assert_allclose(statistics[name][0], values, atol=1e-12)
    np.testing.assert_allclose(statistics["mean"][1], table[26], atol=1e-12)
    assert not statistics["deviation"][1].any()


def test_abundances_are_norms_of_the_shares():
    abundances = Composition.of(batch_of(rutile(), bcc_iron()), 119).abundances()
    shares = np.array([1 / 3, 2 / 3])
    norms = [(shares**p).sum() ** (1 / p) for p in (2, 3, 5)]
    np.testing.assert_allclose(abundances[0], [2, *norms], atol=1e-12)
    np.testing.assert_allclose(abundances[1], [1, 1, 1, 1], atol=1e-12)


@pytest.mark.parametrize(
    ("crystal", "density", "volume"),
    [
        # CRC Handbook of Chemistry and Physics, g/cm³; volumes by hand from the lattice constants.
        (sodium_chloride(), 2.17, 5.6402**3 / 8),
        (bcc_iron(), 7.87, 2.8665**3 / 2),
        (rutile(), 4.23, 4.5937**2 * 2.9587 / 6),
    ],
    ids=["NaCl", "Fe", "TiO2"],
)
def test_density_and_volume(crystal, density, volume):
    encoder = Descriptors(PLAIN).double()
    batch = batch_of(crystal)
    found = encoder._densities(batch, Composition.of(batch, 119))[0]
    assert found[0].exp().item() == pytest.approx(volume, rel=1e-6)
    assert found[1].item() == pytest.approx(density, rel=0.01)


def test_packing_is_the_share_of_the_spheres():
    # Spheres that touch fill 52 % of a simple cubic lattice, π / 6.
    radius = Descriptors(PLAIN).radii[84].item()
    encoder = Descriptors(PLAIN).double()
    batch = batch_of(simple_cubic(2 * radius))
    packing = encoder._densities(batch, Composition.of(batch, 119))[0, 2].item()
    assert packing == pytest.approx(np.pi / 6, rel=1e-6)


def test_surroundings_are_those_of_a_plain_loop():
    batch, around = surroundings(triclinic())
    sender, receiver = batch.edge_index.tolist()
    lengths = batch.edge_vectors().norm(dim=1).tolist()
    radii = Descriptors(PLAIN).radii.double()[batch.atomic_numbers].tolist()
    table = torch.tensor(element_descriptors().standardised)[batch.atomic_numbers]
    total, relative, nearest = [0.0] * 5, [0.0] * 5, [5.0] * 5
    differences = torch.zeros(5, COLUMNS, dtype=torch.float64)
    for i, j, r in zip(receiver, sender, lengths, strict=True):
        s = r / (radii[i] + radii[j])
        w = np.exp(-(s**4) / 2) * (1 + np.cos(np.pi * r / 5.0)) / 2
        total[i] += w
        relative[i] += w * s
        nearest[i] = min(nearest[i], r)
        differences[i] += w * (table[i] - table[j]).abs()
    sums = torch.tensor(total).unsqueeze(1)
    values, found = around.of_nodes()
    expected = torch.stack(
        (sums[:, 0], torch.tensor(relative) / (sums[:, 0] + 1e-3), torch.tensor(nearest) / 5.0), 1
    )
    torch.testing.assert_close(values, expected.double(), rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(
        around.differences(torch.tensor(element_descriptors().standardised), found)[0],
        (differences / (sums + 1e-3)).mean(dim=0),
        rtol=1e-6,
        atol=1e-9,
    )


def test_a_histogram_has_a_peak_at_each_shell():
    batch, around = surroundings(simple_cubic(3.0), cutoff=6.0)
    del batch
    histogram = around.histogram(60)[0]  # centres 0.1, 0.2, … Å
    first = histogram[20:40].argmax().item() + 20
    assert (first + 1) * 0.1 == pytest.approx(3.0)
    # Six neighbours at 3 Å, where the envelope is a half.
    assert histogram[first].item() == pytest.approx(3.0, rel=1e-3)


def test_the_asymmetric_unit_says_the_same():
    encoder = Descriptors(DescriptorsConfig(bins=8)).double()
    batch = batch_of(rutile(), sodium_chloride(), triclinic(), encoder=encoder)
    whole, distinct = encoder(batch), encoder(attach_asymmetric_unit(batch))
    torch.testing.assert_close(whole.crystals, distinct.crystals, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(whole.atoms, distinct.atoms, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("settings", [{"distances": False}, {"symprec": 1e-3, "bins": 6}])
def test_a_supercell_is_described_as_its_primitive_cell(settings):
    matrix = np.array([[1, 1, 0], [-1, 1, 0], [0, 0, 2]])
    crystals = [*all_crystals(), rutile()]
    repeated = [transforms.supercell(crystal, matrix)[0] for crystal in crystals]
    found, expected = embed(*repeated, **settings), embed(*crystals, **settings)
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-9)


def test_without_distances_no_neighbours_are_asked_for():
    encoder = Descriptors(PLAIN)
    assert encoder.neighbours is None
    assert encoder(batch_of(bcc_iron()).to(dtype=torch.float32)).crystals.shape == (
        1,
        encoder.crystal_width,
    )


def test_with_distances_a_batch_without_edges_is_an_error():
    with pytest.raises(ShapeError, match="carries no edges"):
        Descriptors()(batch_of(bcc_iron()))


def test_the_space_group_is_described():
    described = embed(rutile(), sodium_chloride(), distances=False, symprec=0.01)[:, -8:]
    np.testing.assert_allclose(described[:, 0], [136 / 230, 225 / 230])
    assert described[:, 1:].argmax(dim=1).tolist() == [3, 6]  # tetragonal, cubic


def test_nothing_is_learnt():
    encoder = Descriptors()
    assert not list(encoder.parameters())
    assert encoder.state_dict().keys() == {"table", "radii", "masses"}


def test_a_histogram_needs_distances():
    with pytest.raises(ConfigError, match="histogram is of distances"):
        DescriptorsConfig.from_options({"distances": False, "bins": 3}, where="encoder")
