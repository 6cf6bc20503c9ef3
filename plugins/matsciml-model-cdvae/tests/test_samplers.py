"""Samplers draw from known densities, and leave the noise that they promise."""

import pytest
import torch

from matsciml_core.interfaces.generation import SamplingConfig
from matsciml_model_cdvae.config import CrystalGenerationConfig
from matsciml_model_cdvae.samplers import schedule

CONFIG = CrystalGenerationConfig()
CUBES = torch.eye(3).expand(2, 3, 3) * torch.tensor([4.0, 40.0]).view(2, 1, 1)


def _schedule(**options):
    return schedule(SamplingConfig(**options), CONFIG, CUBES)


def _run(steps, score, start):
    """Take many atoms of the first crystal through all levels, and return them after each."""
    generator = torch.Generator().manual_seed(0)
    x, after = start, []
    for level, sigma in enumerate(steps.sigmas[:, 0]):
        for step in range(steps.steps):
            move = steps.move(level, step)
            noise = torch.randn(x.shape, generator=generator, dtype=x.dtype)
            x = x + move.drift[0] * sigma * score(x, sigma) + move.spread[0] * noise
        after.append(x)
    return after


def _normal(number=20_000):
    generator = torch.Generator().manual_seed(1)
    return torch.randn(number, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize("steps", [1, 3])
def test_ancestral_leaves_the_noise_of_the_next_level(steps):
    """Around one atom that is known, the noise after each level is that of the next."""
    moves = _schedule(sampler="ancestral", levels=12, steps_per_level=steps)
    sigmas = moves.sigmas[:, 0]
    after = _run(moves, lambda x, sigma: -x / sigma**2, sigmas[0] * _normal())
    for x, sigma in zip(after[:-1], sigmas[1:], strict=True):
        assert float(x.std()) == pytest.approx(float(sigma), rel=0.02)
    assert float(after[-1].abs().max()) == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize("width", [0.05, 0.3])
def test_ancestral_draws_from_the_density_of_the_score(width):
    """Atoms that vibrate by ``width`` have that width in the end."""
    moves = _schedule(sampler="ancestral", levels=200, steps_per_level=1)
    start = (moves.sigmas[0, 0] ** 2 + width**2) ** 0.5 * _normal()
    after = _run(moves, lambda x, sigma: -x / (sigma**2 + width**2), start)
    assert float(after[-1].std()) == pytest.approx(width, rel=0.05)


def test_ancestral_starts_where_the_cell_is_uniform():
    """Each crystal by itself: half of 4 Å, and 10 Å, the most that was trained, for 40 Å."""
    moves = _schedule(sampler="ancestral")
    assert moves.sigmas[0].tolist() == pytest.approx([2.0, 10.0])
    assert moves.sigmas[-1].tolist() == pytest.approx([0.01, 0.01])
    assert bool((moves.sigmas.diff(dim=0) < 0).all())
    alone = schedule(SamplingConfig(sampler="ancestral"), CONFIG, CUBES[1:])
    torch.testing.assert_close(alone.sigmas[:, 0], moves.sigmas[:, 1])


def test_ancestral_ends_at_the_smallest_level_that_is_wanted():
    moves = _schedule(sampler="ancestral", levels=5, smallest_sigma=0.1)
    assert moves.sigmas[-1].tolist() == pytest.approx([0.1, 0.1])


def test_langevin_is_the_published_schedule():
    moves = _schedule(sampler="langevin")
    assert moves.sigmas.shape == (50, 2)
    assert moves.steps == 100
    for level, sigma in ((0, 10.0), (-1, 0.01)):
        size = 1e-4 * (sigma / 0.01) ** 2
        for step in (0, 99):
            move = moves.move(level, step)
            assert move.drift.tolist() == pytest.approx([size / sigma] * 2)
            assert move.spread.tolist() == pytest.approx([(2 * size) ** 0.5] * 2)
