"""Noise: what it is sampled from, and that validation always sees the same."""

from dataclasses import replace

import torch

from matsciml_model_cdvae import schedules
from matsciml_model_cdvae.config import CrystalGenerationConfig
from matsciml_model_cdvae.lattice import nearest_image, to_fractional, wrap
from matsciml_model_cdvae.noise import Noise, categorical, species_weights


def test_numbers_from_keys_are_uniform_and_normal():
    keys = torch.arange(200_000)
    numbers = schedules.uniform(keys, 0)
    assert float(numbers.min()) > 0.0
    assert float(numbers.max()) < 1.0
    counts = torch.histc(numbers, 20, 0.0, 1.0)
    assert float((counts / 10_000 - 1.0).abs().max()) < 0.05
    assert abs(float(torch.corrcoef(torch.stack((numbers[1:], numbers[:-1])))[0, 1])) < 0.01
    other = schedules.uniform(keys, 1)
    assert abs(float(torch.corrcoef(torch.stack((numbers, other)))[0, 1])) < 0.01
    sampled = schedules.normal(keys, 2)
    assert abs(float(sampled.mean())) < 0.01
    assert abs(float(sampled.std()) - 1.0) < 0.01


def test_keys_follow_from_ids(batch):
    device = torch.device("cpu")
    keys = schedules.keys_of(batch.ids, batch.num_crystals, device)
    assert len(keys.unique()) == batch.num_crystals
    assert torch.equal(schedules.keys_of(batch.ids[1:2], 1, device), keys[1:2])
    assert len(schedules.keys_of((), 3, device)) == 3


def test_a_crystal_has_the_same_noise_in_every_batch(batch):
    noise = Noise(CrystalGenerationConfig()).eval()
    sample = noise.sample(batch)
    crystals = batch.crystals()
    first = 0
    for number, crystal in enumerate(crystals):
        alone = noise.sample(type(batch).from_crystals([crystal]))
        last = first + crystal.num_atoms
        assert int(alone.level) == int(sample.level[number])
        assert torch.equal(alone.normal, sample.normal[first:last])
        assert torch.equal(alone.uniform, sample.uniform[first:last])
        first = last
    noise.train()
    assert not torch.equal(noise.sample(batch).normal, noise.sample(batch).normal)


def test_the_displacement_leads_back(batch):
    noise = Noise(CrystalGenerationConfig()).eval()
    sample = noise.sample(batch)
    noisy = noise(batch, torch.zeros(batch.num_crystals, 100, dtype=torch.float64), sample)
    index = batch.crystal_index
    back = to_fractional(noisy.positions + noisy.displacement, batch.cell, index)
    home = to_fractional(batch.positions, batch.cell, index)
    difference = back - home
    torch.testing.assert_close(difference, difference.round(), rtol=0, atol=1e-9)
    inside = to_fractional(noisy.positions, batch.cell, index)
    assert ((inside >= 0) & (inside < 1)).all()
    again = nearest_image(noisy.displacement, batch.cell, index)
    torch.testing.assert_close(again, noisy.displacement)


def test_small_noise_hardly_moves(batch):
    noise = Noise(CrystalGenerationConfig()).eval()
    sample = replace(noise.sample(batch), level=torch.full((batch.num_crystals,), 49))
    noisy = noise(batch, torch.zeros(batch.num_crystals, 100, dtype=torch.float64), sample)
    torch.testing.assert_close(noisy.displacement, -0.01 * sample.normal, rtol=0, atol=1e-6)


def test_species_are_drawn_with_their_weights():
    species = torch.tensor([3]).expand(20_000)
    composition = torch.zeros(20_000, 100, dtype=torch.float64)
    sigma = torch.ones(20_000, dtype=torch.float64)
    weights = species_weights(species, composition, sigma)
    torch.testing.assert_close(weights[0].sum(), torch.tensor(2.0, dtype=torch.float64))
    sampled = categorical(weights, torch.rand(20_000, dtype=torch.float64))
    share = float((sampled == 3).double().mean())
    assert abs(share - (1.0 + 0.01) / 2.0) < 0.02
    assert len(sampled.unique()) == 100


def test_wrapping_ends_below_one():
    values = torch.tensor([-1e-9, 1.0, 1.25, -0.25, torch.nan])
    wrapped = wrap(values)
    assert wrapped[:4].tolist() == [0.0, 0.0, 0.25, 0.75]
    assert wrapped[4].isnan()
