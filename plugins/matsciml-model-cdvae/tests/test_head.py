"""The head: sizes, losses, training, and what it rejects."""

from dataclasses import replace

import pytest
import torch

from matsciml_core import CrystalBatch, Embedding, TargetInfo
from matsciml_core.data.neighbours.neighbour_list import attach_neighbours
from matsciml_core.errors import ConfigError, DataError
from matsciml_core.interfaces.generation import LatentEmbedding
from matsciml_model_cdvae.config import CDVAEConfig, CrystalGenerationConfig
from matsciml_model_cdvae.head import CrystalGeneration
from matsciml_model_cdvae.latent import CDVAEEncoder

ENERGY_BRANCH = 467_456
"""Parameters of the original's decoder that never get a gradient; they are left out here."""
MORE_ELEMENTS = (119 - 95) * 128
"""The original's table of elements ends at 94; this one has a row for each element."""


def _count(module) -> int:
    return sum(one.numel() for one in module.parameters())


def _model(structure, preset="small", **options):
    torch.manual_seed(0)
    encoder = CDVAEEncoder(CDVAEConfig.from_options({"preset": preset}, where="encoder"))
    config = CrystalGenerationConfig.from_options({"preset": preset, **options}, where="head")
    width = encoder.crystal_width
    return encoder, CrystalGeneration([structure], encoder.atom_width, width, config)


def _ready(batch: CrystalBatch, encoder, dtype=torch.float32) -> CrystalBatch:
    return attach_neighbours(batch, encoder.neighbours).to(dtype=dtype)


def test_the_published_model_has_the_published_size(structure):
    encoder, head = _model(structure, "published")
    assert _count(encoder.network) - MORE_ELEMENTS == 2_213_510
    assert _count(encoder.readout) == 2 * 65_792
    assert _count(head.decoder) + ENERGY_BRANCH == 2_345_188
    assert _count(head.predictors.atoms) == 72_474
    assert _count(head.predictors.lattice) == 67_334
    assert _count(head.predictors.composition) == 91_492
    total = _count(encoder) + _count(head)
    assert total - MORE_ELEMENTS + ENERGY_BRANCH == 4_921_582


@pytest.mark.parametrize("preset", ["small", pytest.param("published", marks=pytest.mark.slow)])
def test_a_few_steps_lower_the_loss(batch, structure, preset):
    encoder, head = _model(structure, preset)
    head.fit([batch])
    crystals = _ready(batch, encoder)
    parameters = [*encoder.parameters(), *head.parameters()]
    optimiser = torch.optim.AdamW(parameters, lr=1e-3)

    def validation() -> float:
        encoder.eval(), head.eval()
        with torch.no_grad():
            return float(_loss(encoder, head, crystals))

    before = validation()
    encoder.train(), head.train()
    for _ in range(8):
        optimiser.zero_grad()
        loss = _loss(encoder, head, crystals)
        assert loss.isfinite()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimiser.step()
    assert validation() < before


def _loss(encoder, head, batch):
    prediction = head(encoder(batch), batch)
    return head.loss(prediction, head.transform(batch), head.mask(batch))


def test_reduced_precision_does_not_reach_positions(batch, structure):
    encoder, head = _model(structure)
    head.fit([batch])
    crystals = _ready(batch, encoder)
    encoder.eval(), head.eval()
    with torch.no_grad():
        expected = _loss(encoder, head, crystals)
        with torch.autocast("cpu", torch.bfloat16):
            found = _loss(encoder, head, crystals)
    torch.testing.assert_close(found.float(), expected, rtol=0.02, atol=0.0)


def test_gradients_reach_every_parameter(batch, structure):
    encoder, head = _model(structure)
    head.fit([batch])
    _loss(encoder, head, _ready(batch, encoder)).backward()
    for name, parameter in [*encoder.named_parameters(), *head.named_parameters()]:
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name


def test_validation_repeats_and_training_does_not(batch, structure):
    encoder, head = _model(structure)
    head.fit([batch])
    crystals = _ready(batch, encoder)
    encoder.eval(), head.eval()
    assert torch.equal(_loss(encoder, head, crystals), _loss(encoder, head, crystals))
    encoder.train(), head.train()
    assert not torch.equal(_loss(encoder, head, crystals), _loss(encoder, head, crystals))


def test_the_latent_is_drawn_in_training_and_the_mean_otherwise(batch, structure):
    encoder, head = _model(structure)
    crystals = _ready(batch, encoder)
    sampled = encoder.train()(crystals)
    assert not torch.equal(sampled.crystals, sampled.mean)
    fixed = encoder.eval()(crystals)
    assert torch.equal(fixed.crystals, fixed.mean)
    assert torch.equal(head.encode(fixed), fixed.mean)


def test_any_encoder_will_do_with_a_latent_space_of_the_head(batch, structure):
    _, head = _model(structure)
    plain = Embedding(
        atoms=torch.randn(batch.num_atoms, 64), crystals=torch.randn(batch.num_crystals, 64)
    )
    with pytest.raises(ConfigError, match=r"head\.latent_width"):
        head(plain, batch)
    _, head = _model(structure, latent_width=8)
    found = head.latent(plain)
    assert isinstance(found, LatentEmbedding)
    assert found.crystals.shape == (batch.num_crystals, 8)


def test_only_structures_are_trained(structure):
    other = TargetInfo(name="gap", kind="scalar", unit="eV")
    for targets in ([other], [structure, other]):
        with pytest.raises(ConfigError, match="--target structure"):
            CrystalGeneration(targets, 4, 4)


def test_crystals_that_cannot_be_generated_are_rejected(batch, structure):
    _, head = _model(structure, max_atoms=3)
    with pytest.raises(DataError, match=r"dataset.max_atoms=3"):
        head.fit([batch])
    _, head = _model(structure)
    heavy = replace(batch, atomic_numbers=torch.full_like(batch.atomic_numbers, 103))
    with pytest.raises(DataError, match="elements up to 100"):
        head.fit([heavy])
    flat = replace(batch, pbc=torch.zeros_like(batch.pbc))
    with pytest.raises(DataError, match="not periodic"):
        head.fit([flat])
    missing = {"structure": torch.full_like(batch.targets["structure"], torch.nan)}
    with pytest.raises(DataError, match="no crystal"):
        head.fit([replace(batch, targets=missing)])


def test_crystals_that_are_too_large_do_not_count(batch, structure):
    encoder, head = _model(structure, max_atoms=3)
    crystals = _ready(batch, encoder)
    mask = head.mask(crystals)["structure"]
    assert torch.equal(mask, crystals.atoms_per_crystal <= 3)
    assert 0 < int(mask.sum()) < len(mask)
    assert _loss(encoder, head, crystals).isfinite()


def test_metrics_and_baseline_predictions_are_of_the_same_columns(batch, structure):
    encoder, head = _model(structure)
    head.fit([batch])
    encoder.eval(), head.eval()
    crystals = _ready(batch, encoder)
    values = head.inverse_transform(head(encoder(crystals), crystals), crystals)["structure"]
    baseline = head.baseline_predictions(crystals)["marginal"]["structure"]
    assert values.shape == baseline.shape
    metrics = head.metrics()["structure"]
    assert values.shape[1] == len(metrics)
    for name, metric in metrics.items():
        metric.update(values, crystals.targets["structure"])
        assert metric.compute().isfinite(), name
    loss = _loss(encoder, head, crystals)
    torch.testing.assert_close(metrics["loss"].compute(), loss.detach(), rtol=1e-4, atol=1e-4)
    assert metrics["atoms_accuracy"].compute() <= 1.0
