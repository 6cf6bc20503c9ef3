"""Sampling: repeatable, resumable, and safe against whatever a model predicts."""

import pytest
import torch

from matsciml_core.errors import ConfigError, DataError
from matsciml_core.interfaces.generation import (
    Composition,
    GuidanceConfig,
    Rejection,
    SamplingConfig,
    SamplingState,
)
from matsciml_model_cdvae.config import CrystalGenerationConfig
from matsciml_model_cdvae.head import CrystalGeneration
from matsciml_model_cdvae.initial_state import check_cells, sample_species

SHORT = SamplingConfig(sampler="langevin", levels=4, steps_per_level=3)


@pytest.fixture
def head(batch, structure) -> CrystalGeneration:
    torch.manual_seed(0)
    head = CrystalGeneration([structure], 16, 16, CrystalGenerationConfig()).eval()
    head.fit([batch])
    return head


def _seeded() -> torch.Generator:
    return torch.Generator().manual_seed(1)


def _decode(head, latents, **options):
    return head.decode(latents, **{"sampling": SHORT, "generator": _seeded(), **options})


def _positions(found):
    return [one.crystal.positions.tolist() if one.crystal else one.rejected for one in found]


def _latents(head, number=6):
    return head.sample_latents(number, generator=torch.Generator().manual_seed(5))


def test_crystals_come_out_with_what_was_predicted(head):
    latents = _latents(head)
    found = _decode(head, latents)
    counts = head.predictors(latents).atoms.argmax(1).tolist()
    for number, (one, count) in enumerate(zip(found, counts, strict=True)):
        assert (one.crystal is None) == (one.rejected is not None)
        if one.crystal is not None:
            assert one.crystal.id == str(number)
            assert one.crystal.num_atoms == count


def test_a_seed_repeats_and_another_does_not(head):
    latents = _latents(head)
    assert _positions(_decode(head, latents)) == _positions(_decode(head, latents))
    other = _decode(head, latents, generator=torch.Generator().manual_seed(2))
    assert _positions(other) != _positions(_decode(head, latents))


@pytest.mark.parametrize("sampler", ["langevin", "ancestral"])
def test_an_interrupted_sampling_goes_on_as_if_it_had_not_been(head, tmp_path, sampler):
    latents = _latents(head)
    states = []
    short = SamplingConfig(sampler=sampler, levels=4, steps_per_level=3)
    whole = _decode(head, latents, sampling=short, checkpoint=states.append)
    assert [state.level for state in states] == [1, 2, 3, 4]
    states[1].save(tmp_path / "state.safetensors")
    state = SamplingState.load(tmp_path / "state.safetensors")
    steps = []
    rest = _decode(
        head,
        latents,
        sampling=short,
        state=state,
        progress=lambda *step: steps.append(step),
    )
    assert _positions(rest) == _positions(whole)
    assert steps == [(number, 12) for number in range(7, 13)]


def test_a_state_of_other_settings_is_rejected(head, tmp_path):
    latents, states = _latents(head), []
    _decode(head, latents, checkpoint=states.append)
    with pytest.raises(ConfigError, match="latents"):
        _decode(head, _latents(head, 5), state=states[0])
    with pytest.raises(ConfigError, match="levels"):
        _decode(head, latents, sampling=SamplingConfig(levels=5), state=states[0])
    other = SamplingConfig(sampler="ancestral", levels=4, steps_per_level=3)
    with pytest.raises(ConfigError, match="levels"):
        _decode(head, latents, sampling=other, state=states[0])
    (tmp_path / "broken").write_bytes(b"nothing")
    with pytest.raises(DataError, match="remove it"):
        SamplingState.load(tmp_path / "broken")


def test_a_known_composition_stays(head, batch):
    known = Composition(
        atoms_per_crystal=batch.atoms_per_crystal, atomic_numbers=batch.atomic_numbers
    )
    found = _decode(head, _latents(head, batch.num_crystals), composition=known)
    expected = batch.atomic_numbers.split(batch.atoms_per_crystal.tolist())
    made = [(one.crystal, numbers) for one, numbers in zip(found, expected, strict=True)]
    assert any(crystal is not None for crystal, _ in made)
    for crystal, numbers in made:
        if crystal is not None:
            assert crystal.atomic_numbers.tolist() == numbers.tolist()


def test_an_element_that_the_decoder_lacks_is_rejected(head):
    known = Composition(atoms_per_crystal=torch.tensor([1]), atomic_numbers=torch.tensor([101]))
    with pytest.raises(ConfigError, match="the element 101"):
        _decode(head, _latents(head, 1), composition=known)


@torch.no_grad()
def test_the_probability_of_a_composition_is_that_of_its_atoms_and_species(head):
    latents = _latents(head, 3)
    cells = [[11, 17], [8, 22, 8, 22, 8, 8], [26]]
    known = Composition(
        atoms_per_crystal=torch.tensor([len(cell) for cell in cells]),
        atomic_numbers=torch.tensor([number for cell in cells for number in cell]),
    )
    predicted = head.predictors(latents)
    for k, (cell, value) in enumerate(
        zip(cells, head.log_probability(latents, known), strict=True)
    ):
        counts = torch.bincount(torch.tensor(cell) - 1, minlength=100).double()
        species = torch.distributions.Multinomial(len(cell), logits=predicted.composition[k])
        expected = predicted.atoms[k].log_softmax(0)[len(cell)] + species.log_prob(counts)
        assert float(value) == pytest.approx(float(expected), rel=1e-5)
    sizes = Composition(atoms_per_crystal=known.atoms_per_crystal)
    assert head.log_probability(latents, sizes)[2].item() == pytest.approx(
        predicted.atoms[2].log_softmax(0)[1].item()
    )


def test_crystals_of_a_batch_do_not_see_each_other(head):
    """With the same places and noise a crystal alone ends where it ends among others."""
    latents = _latents(head).double()
    head = head.double()
    one = SamplingConfig(sampler="langevin", levels=1, steps_per_level=1, step_size=1e-12)
    together = _decode(head, latents, sampling=one)[0]
    alone = _decode(head, latents[:1], sampling=one)[0]
    assert together.crystal.cell.ravel() == pytest.approx(alone.crystal.cell.ravel())


def test_absurd_cells_are_rejected_with_a_reason():
    nan = float("nan")
    parameters = torch.tensor(
        [
            [4.0, 4.0, 4.0, 90.0, 90.0, 90.0],
            [4.0, 4.0, 4.0, 90.0, 90.0, 90.0],
            [-1.0, 4.0, 4.0, 90.0, 90.0, 90.0],
            [nan, 4.0, 4.0, 90.0, 90.0, 90.0],
            [4.0, 4.0, float("inf"), 90.0, 90.0, 90.0],
            [4.0, 4.0, 4.0, 150.0, 150.0, 90.0],
            [4.0, 4.0, 4.0, 30.0, 40.0, 120.0],
            [4.0, 4.0, 4.0, nan, 90.0, 90.0],
            [4.0, 4.0, 4.0, 60.0, 60.0, 119.9],
            [0.1, 4.0, 4.0, 90.0, 90.0, 90.0],
        ]
    )
    counts = torch.tensor([1, 0, 1, 1, 1, 1, 1, 1, 1, 1])
    cells = check_cells(parameters, counts)
    assert cells.rejections == [
        None,
        Rejection.NO_ATOMS,
        Rejection.LENGTHS,
        Rejection.LENGTHS,
        Rejection.LENGTHS,
        Rejection.ANGLES,
        Rejection.ANGLES,
        Rejection.ANGLES,
        Rejection.THIN_CELL,
        Rejection.THIN_CELL,
    ]


def test_a_model_that_predicts_nonsense_ends_in_rejections(head):
    with torch.no_grad():
        head.predictors.lattice.layers[-1].bias.fill_(-1e6)
    found = _decode(head, _latents(head))
    assert all(one.rejected == Rejection.LENGTHS for one in found)


def test_undefined_scores_reject_only_their_crystal(head, monkeypatch):
    latents = _latents(head)
    whole = _decode(head, latents)
    real = head.decoder.forward

    def spoilt(species, latents, crystal_index, edges):
        scores, logits = real(species, latents, crystal_index, edges)
        return torch.where((crystal_index == 1).unsqueeze(1), torch.nan, scores), logits

    monkeypatch.setattr(head.decoder, "forward", spoilt)
    found = _decode(head, latents)
    accepted = [number for number, one in enumerate(whole) if one.crystal is not None]
    spoilt_one = accepted[1]
    assert found[spoilt_one].rejected == Rejection.NOT_FINITE
    for number, (one, other) in enumerate(zip(found, whole, strict=True)):
        if number != spoilt_one:
            assert _positions([one]) == _positions([other])


def test_undefined_latents_do_not_crash(head):
    latents = _latents(head)
    latents[0] = torch.nan
    found = _decode(head, latents)
    assert found[0].rejected is not None
    assert any(one.crystal is not None for one in found[1:])


def test_compositions_come_close_to_the_predicted_shares():
    logits = torch.full((2, 100), -30.0)
    logits[0, [7, 25]] = torch.tensor([0.6, 0.4]).log()
    logits[1, [0, 1, 2]] = torch.tensor([1 / 3] * 3).log()
    sampled = sample_species(logits, torch.tensor([5, 7]), _seeded())
    first, second = sampled[:5], sampled[5:]
    assert sorted(first.tolist()) == [7, 7, 7, 25, 25]
    counts = torch.bincount(second, minlength=3)
    assert len(counts) == 3
    assert counts.min() >= 2
    undefined = sample_species(torch.full((1, 100), torch.nan), torch.tensor([4]), _seeded())
    assert len(undefined) == 4


def test_guidance_moves_latents_to_where_the_objective_is_smaller(head):
    latents = _latents(head)
    steps = []
    moved = head.guide(
        latents,
        lambda z: (z - 1.0).square().sum(1),
        settings=GuidanceConfig(steps=200, learning_rate=0.05),
        progress=lambda *step: steps.append(step),
    )
    assert (moved - 1.0).abs().max() < 0.1 * (latents - 1.0).abs().max()
    assert steps[-1] == (200, 200)

    def broken(z):
        return torch.where(torch.arange(len(z)) == 0, torch.nan, 1.0) * z.square().sum(1)

    spoilt = head.guide(latents, broken, settings=GuidanceConfig(steps=3, learning_rate=0.1))
    assert torch.equal(spoilt[0], latents[0])
    assert not torch.equal(spoilt[1], latents[1])


def test_levels_below_the_smallest_are_left_out(head):
    steps = []
    sampling = SamplingConfig(sampler="langevin", levels=4, steps_per_level=1, smallest_sigma=0.05)
    _decode(head, _latents(head), sampling=sampling, progress=lambda *step: steps.append(step))
    assert steps[-1] == (3, 3)
