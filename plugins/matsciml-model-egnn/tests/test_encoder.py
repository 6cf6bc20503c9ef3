"""The encoder as a whole: its size, its equations in two other forms, and its options."""

import importlib.util
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from matsciml_core import CrystalBatch, Neighbourhood
from matsciml_core.errors import ConfigError
from matsciml_model_egnn import _chain, _fused, encoder
from matsciml_model_egnn.config import EGNNConfig
from matsciml_model_egnn.encoder import EGNN

PLAIN = Path(__file__).resolve().parents[3] / "benchmarks" / "_plain_egnn.py"

OPTIONS = {
    "default": {},
    "table6": {"preset": "table6"},
    "forces": {"preset": "forces"},
    "softmax": {"attention": "softmax", "aggregation": "mean"},
    "sigmoid": {"preset": "table6", "attention": "sigmoid", "distance": "bessel"},
    "bare": {"normalise": False, "tanh": False, "residual": False, "distance": "scaled"},
    "fixed": {"update_positions": False},
    "shallow": {"message_widths": (16,), "position_widths": (), "num_layers": 2},
}


def build(**options) -> EGNN:
    options = {"cutoff": 4.0, "position_gain": 0.5, **options}
    return EGNN(EGNNConfig.from_options(options, where="encoder")).double()


def size(**options) -> int:
    found = EGNN(EGNNConfig.from_options(options, where="encoder"))
    return sum(parameter.numel() for parameter in found.parameters())


@pytest.fixture(scope="module")
def plain_class():
    if not PLAIN.is_file():
        pytest.skip(f"The plain network is not here: {PLAIN} does not exist.")
    spec = importlib.util.spec_from_file_location("_plain_egnn", PLAIN)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module.PlainEGNN


@pytest.fixture(autouse=True)
def _small_blocks(monkeypatch):
    """Several blocks, the last one not full."""
    monkeypatch.setattr(_chain, "BLOCK", 50)


class TestParameterCount:
    def test_table6(self):
        assert size(preset="table6") == 600_064

    def test_table6_without_the_unused_network(self):
        assert size(preset="table6", last_position_network=False) == 587_584

    def test_table6_with_attention(self):
        assert size(preset="table6", attention="sigmoid") == 600_064 + 5 * 129

    def test_default_and_forces(self):
        assert size(elements="learnt") == 597_792
        assert size() == size(preset="forces") == 597_792 + 32 * (48 + 1)


class TestPlainEquations:
    @pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
    def test_embedding_and_gradients(self, plain_class, batch, options):
        network = build(**options)
        plain = plain_class.like(network)
        factors = torch.randn(batch.num_crystals, network.crystal_width).double()
        gradients = []
        for one in (network, plain):
            crystals = one(batch).crystals
            parameters = list(one.parameters())
            gradients.append(
                torch.autograd.grad((crystals * factors).sum(), parameters, allow_unused=True)
            )
        found, wanted = network(batch), plain(batch)
        torch.testing.assert_close(found.atoms, wanted.atoms, rtol=1e-10, atol=1e-12)
        torch.testing.assert_close(found.crystals, wanted.crystals, rtol=1e-10, atol=1e-12)
        assert batch.num_edges > _chain.BLOCK
        for ours, theirs in zip(*gradients, strict=True):
            if theirs is None:  # the position network that nothing uses
                assert ours is None
            else:
                scale = float(theirs.abs().max())
                torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-10 * scale + 1e-14)

    @pytest.mark.parametrize("options", [{}, {"preset": "table6"}], ids=["silu", "relu"])
    def test_second_derivatives(self, plain_class, batch, options, monkeypatch):
        """Of the plain operations, and of blocks."""
        network = build(**options)
        wanted = force_gradients(plain_class.like(network), batch)
        assert all(gradient.abs().max() > 1e-9 for gradient in wanted)
        for fusing in (False, True):
            monkeypatch.setattr(encoder, "_fusing", lambda _, fusing=fusing: fusing)
            monkeypatch.setattr(_fused, "_again", None)
            found = force_gradients(network, batch)
            for ours, theirs in zip(found, wanted, strict=True):
                scale = float(theirs.abs().max())
                torch.testing.assert_close(ours, theirs, rtol=1e-8, atol=1e-9 * scale)

    def test_second_derivatives_by_weights(self, plain_class, batch):
        """Nobody trains with them, but they must not be wrong."""
        network = build()
        found, wanted = (
            weight_curvature(one, batch) for one in (network, plain_class.like(network))
        )
        assert wanted.abs().max() > 1e-9
        torch.testing.assert_close(found, wanted, rtol=1e-7, atol=1e-9)

    @pytest.mark.parametrize("aggregation", ["sum", "mean"])
    @pytest.mark.parametrize("envelope", [True, False])
    def test_second_derivatives_against_finite_differences(self, batch, aggregation, envelope):
        network = build(
            width=3,
            message_widths=(4, 3),
            position_widths=(3,),
            update_widths=(4,),
            projection_widths=(3,),
            num_layers=2,
            aggregation=aggregation,
            envelope=envelope,
            position_gain=1.0,
        )
        weights = [network.layers[0].message.layers[k].weight for k in (0, 1)]

        def energy(positions, *_):
            return network(replace(batch, positions=positions)).crystals.square().sum()

        positions = batch.positions.clone().requires_grad_()
        assert torch.autograd.gradgradcheck(energy, (positions,), fast_mode=True)
        assert torch.autograd.gradgradcheck(energy, (positions, *weights), fast_mode=True)


def force_gradients(network: torch.nn.Module, batch: CrystalBatch) -> list[torch.Tensor]:
    """Differentiate a made-up energy and its squared forces by all weights."""
    positions = batch.positions.clone().requires_grad_()
    energy = 1e2 * network(replace(batch, positions=positions)).crystals.square().sum()
    (forces,) = torch.autograd.grad(energy, positions, create_graph=True)
    network.zero_grad()
    (forces.square().sum() + energy).backward()
    return [one.grad for one in network.parameters() if one.grad is not None]


def weight_curvature(network: torch.nn.Module, batch: CrystalBatch) -> torch.Tensor:
    """Differentiate the squared gradient by one weight by another."""
    positions = batch.positions.clone().requires_grad_()
    energy = 1e2 * network(replace(batch, positions=positions)).crystals.square().sum()
    first = network.layers[0].message.layers[1].weight
    (gradient,) = torch.autograd.grad(energy, first, create_graph=True)
    second = network.layers[1].message.layers[0].weight
    return torch.autograd.grad(gradient.square().sum(), second)[0]


class _NoSynchronisation(TorchDispatchMode):
    """Refuse the operations whose result, or its shape, the host has to wait for."""

    waiting = ("_local_scalar_dense", "nonzero", "masked_select", "unique", "bincount", "equal")

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        name = func.overloadpacket.__name__
        if name.startswith(self.waiting):
            raise AssertionError(f"{name} makes the host wait for the device")
        return func(*args, **(kwargs or {}))


class TestBehaviour:
    @pytest.mark.parametrize("fusing", [False, True])
    @pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
    def test_the_host_never_waits(self, batch, options, fusing, monkeypatch):
        monkeypatch.setattr(encoder, "_fusing", lambda _: fusing)
        network = build(**options).float()
        with _NoSynchronisation():
            network(batch.to(dtype=torch.float32)).crystals.sum().backward()
        assert network.element_embedding.weight.grad.isfinite().all()

    @pytest.mark.parametrize("fusing", [False, True])
    @pytest.mark.parametrize("preset", EGNNConfig.presets)
    def test_bfloat16(self, batch, preset, fusing, monkeypatch):
        """Networks round to three digits; embeddings and gradients arrive in float32."""
        monkeypatch.setattr(encoder, "_fusing", lambda _: fusing)
        network, batch = build(preset=preset).float(), batch.to(dtype=torch.float32)
        wanted = network(batch)
        with torch.autocast("cpu", torch.bfloat16):
            found = network(batch)
        found.crystals.sum().backward()
        for ours, theirs in ((found.atoms, wanted.atoms), (found.crystals, wanted.crystals)):
            assert ours.dtype == torch.float32
            assert (ours - theirs).abs().max() < 0.03 * theirs.abs().max()
        gradients = [p.grad for p in network.parameters() if p.grad is not None]
        assert all(g.dtype == torch.float32 and g.isfinite().all() for g in gradients)

    def test_inference_equals_training(self, batch):
        network = build()
        with torch.no_grad():
            found = network(batch).crystals
        torch.testing.assert_close(found, network(batch).crystals, rtol=1e-12, atol=1e-14)

    def test_elements_beyond_the_table_share_the_zero_row(self, batch):
        network = build(preset="table6")
        heavy = replace(batch, atomic_numbers=torch.full_like(batch.atomic_numbers, 110))
        heavier = replace(batch, atomic_numbers=torch.full_like(batch.atomic_numbers, 118))
        assert torch.equal(network(heavy).crystals, network(heavier).crystals)

    def test_displacements_turn_with_the_crystal(self, batch):
        network = build(position_gain=2.0)
        matrix, _ = torch.linalg.qr(torch.randn(3, 3).double())
        turned = replace(batch, positions=batch.positions @ matrix, cell=batch.cell @ matrix)
        wanted = network.displacements(batch) @ matrix
        assert wanted.abs().max() > 1e-2
        torch.testing.assert_close(network.displacements(turned), wanted, rtol=1e-9, atol=1e-11)

    def test_nothing_moves_where_positions_are_fixed(self, batch):
        assert not build(update_positions=False).displacements(batch).any()

    def test_the_sum_grows_with_the_crystal(self, batch):
        torch.manual_seed(1)
        network = build(readout="sum")
        atoms = network(batch)
        sums = torch.zeros_like(atoms.crystals).index_add(0, batch.crystal_index, atoms.atoms)
        torch.testing.assert_close(atoms.crystals, sums)


class TestConfig:
    @pytest.mark.parametrize("option", [{"cutoff": 0}, {"attention": "x"}, {"num_layers": 0}])
    def test_nonsense_is_refused(self, option):
        with pytest.raises(ConfigError, match=next(iter(option))):
            build(**option)

    def test_widths_and_neighbourhood_follow_the_settings(self):
        network = build(cutoff=4.5, max_neighbours=12, projection_widths=(8, 9))
        assert (network.atom_width, network.crystal_width) == (9, 9)
        wanted = Neighbourhood(cutoff=4.5, max_neighbours=12, uses="vectors")
        assert network.neighbours == wanted
        assert build(update_positions=False).neighbours.uses == "lengths"
