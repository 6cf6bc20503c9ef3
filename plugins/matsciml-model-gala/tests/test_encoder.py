"""The encoder as a whole: its equations, its gradients, its memory, and how it groups atoms."""

import importlib.util
import math
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from matsciml_core import CrystalBatch, Neighbourhood
from matsciml_core.data.neighbours.neighbour_list import attach_neighbours
from matsciml_core.data.symmetry.orbits import attach_asymmetric_unit
from matsciml_core.errors import ConfigError
from matsciml_core.testing import transforms
from matsciml_core.testing.crystals import all_crystals, simple_cubic, triclinic
from matsciml_model_gala.config import GALAConfig
from matsciml_model_gala.encoder import ELEMENT_ROWS, GALA
from matsciml_model_gala.neighbourhoods import plan

REPOSITORY = Path(__file__).resolve().parents[3]
SMALL = {"hidden": 8, "depth": 1, "cutoff": 5.0, "max_neighbours": 6}


def build(**options) -> GALA:
    return GALA(GALAConfig.from_options(options, where="encoder")).double().eval()


def plain(encoder: GALA) -> torch.nn.Module:
    """Return the straightforward implementation with the same parameters."""
    file = REPOSITORY / "benchmarks" / "_plain_gala.py"
    if not file.is_file():
        pytest.skip(f"The plain implementation is not here: {file} does not exist.")
    spec = importlib.util.spec_from_file_location("_plain_gala", file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.PlainGALA(encoder).train(encoder.training)


class TestParameterCount:
    """The paper's program has 100 element types; our tables have one row per atomic number."""

    def size(self, **options) -> int:
        return sum(parameter.numel() for parameter in build(**options).parameters())

    def test_table8(self):
        assert self.size(preset="table8") - 2 * 128 * (ELEMENT_ROWS - 100) == 1_315_846

    def test_compact(self):
        assert self.size(elements="learnt") == 190_467
        assert self.size() == 190_467 + 2 * 64 * (48 + 1)


class TestConfig:
    def test_fading_needs_the_centre(self):
        with pytest.raises(ConfigError, match="include_centre=true"):
            build(envelope=True)

    @pytest.mark.parametrize("option", [{"rank": 4}, {"cutoff": 0}, {"merge": "sum"}])
    def test_nonsense_is_refused(self, option):
        with pytest.raises(ConfigError, match=next(iter(option))):
            build(**option)


class TestEquations:
    @pytest.mark.parametrize("training", [False, True])
    def test_embedding_equals_the_plain_equations(self, batch, training):
        first, second = (build(**SMALL).train(training) for _ in range(2))
        second.load_state_dict(first.state_dict())
        found, wanted = first(batch), plain(second)(batch)
        torch.testing.assert_close(found.atoms, wanted.atoms, rtol=1e-11, atol=1e-12)
        torch.testing.assert_close(found.crystals, wanted.crystals, rtol=1e-11, atol=1e-12)
        for name, value in first.state_dict().items():
            other = second.state_dict()[name]
            torch.testing.assert_close(value, other, rtol=1e-11, atol=1e-12, msg=name)

    def test_gradients_equal_those_of_the_plain_equations(self, batch):
        encoder = build(**SMALL)
        parameters = {
            name: parameter
            for name, parameter in encoder.named_parameters()
            if not name.endswith("score.last.bias")  # a softmax does not see it: zero, and noise
        }
        weights = torch.randn(batch.num_crystals, 8).double()
        found, wanted = (
            torch.autograd.grad((model(batch).crystals * weights).sum(), parameters.values())
            for model in (encoder, plain(encoder))
        )
        for name, ours, theirs in zip(parameters, found, wanted, strict=True):
            torch.testing.assert_close(ours, theirs, rtol=1e-8, atol=1e-11, msg=name)

    @pytest.mark.parametrize("limit", [1, 40, 10**6])
    def test_blocks_do_not_matter(self, batch, limit):
        whole, parts = build(**SMALL), build(**SMALL, tuples_per_block=limit)
        parts.load_state_dict(whole.state_dict())
        torch.testing.assert_close(parts(batch).atoms, whole(batch).atoms)

    @pytest.mark.parametrize("training", [False, True])
    def test_the_asymmetric_unit_gives_the_same(self, training):
        crystals = CrystalBatch.from_crystals(all_crystals())
        first, second = (build(**SMALL).train(training) for _ in range(2))
        second.load_state_dict(first.state_dict())
        whole = attach_neighbours(crystals, first.neighbours)
        reduced = attach_asymmetric_unit(whole)
        assert reduced.num_edges < whole.num_edges
        torch.testing.assert_close(first(whole).crystals, second(reduced).crystals)
        for name, value in first.state_dict().items():
            torch.testing.assert_close(value, second.state_dict()[name], msg=name)

    def test_the_asymmetric_unit_is_refused_where_mirror_images_differ(self):
        encoder = build(**SMALL, rank=3, chirality="seen")
        crystals = CrystalBatch.from_crystals(all_crystals())
        batch = attach_asymmetric_unit(attach_neighbours(crystals, encoder.neighbours))
        assert encoder.needs_whole_crystals
        assert not build(**SMALL, rank=3).needs_whole_crystals
        with pytest.raises(ConfigError, match="chirality=ignored"):
            encoder(batch)

    @pytest.mark.parametrize("chirality", ["seen", "ignored"])
    def test_rank_three_and_mirror_images(self, chirality):
        encoder, crystal = build(**SMALL, rank=3, chirality=chirality), triclinic()
        mirror = np.diag([1.0, 1.0, -1.0])
        pair = [
            encoder(attach_neighbours(CrystalBatch.from_crystals([c]), encoder.neighbours)).crystals
            for c in (crystal, transforms.transform(crystal, mirror))
        ]
        same = torch.allclose(*pair, rtol=1e-9, atol=1e-12)
        assert same == (chirality == "ignored")


OPTIONS = {
    "default": {},
    "rank 3": {"rank": 3},
    "rank 1": {"rank": 1},
    "fading": {"include_centre": True, "envelope": True},
    "with centre": {"include_centre": True},
    "equivariant": {"equivariant_attention": True},
    "equivariant as in the paper": {
        "equivariant_attention": True,
        "multivector_update": "paper",
        "chirality": "seen",
    },
    "means": {"merge": "mean", "join": "mean", "invariant_mode": "partial"},
    "recomputed": {"kept_memory": 0.0, "tuples_per_block": 100},
}


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
class TestForces:
    """Forces are the gradient of the energy, in both precisions."""

    def gradient(self, encoder: GALA, batch: CrystalBatch, **more: bool) -> torch.Tensor:
        positions = batch.positions.clone().requires_grad_()
        energy = self.energy(encoder, replace(batch, positions=positions))
        return torch.autograd.grad(energy, positions, **more)[0]

    def energy(self, encoder: GALA, batch: CrystalBatch) -> torch.Tensor:
        return (encoder(batch).crystals * torch.linspace(-1, 1, 8).to(batch.positions)).sum()

    def batch(self, encoder: GALA) -> CrystalBatch:
        return attach_neighbours(CrystalBatch.from_crystals([triclinic()]), encoder.neighbours)

    def test_they_equal_finite_differences(self, options):
        encoder = build(**{**SMALL, **options})
        batch = self.batch(encoder)
        gradient = self.gradient(encoder, batch)
        steps = 1e-5 * torch.eye(15).double().view(15, 5, 3)
        with torch.no_grad():
            moved = [[batch.positions + sign * step for sign in (1, -1)] for step in steps]
            pairs = [
                [self.energy(encoder, replace(batch, positions=x)) for x in pair] for pair in moved
            ]
        numeric = torch.stack([(up - down) / 2e-5 for up, down in pairs]).view(5, 3)
        torch.testing.assert_close(gradient, numeric, rtol=1e-5, atol=1e-5 * gradient.abs().max())

    def test_single_precision_is_enough(self, options):
        encoder = build(**{**SMALL, **options})
        batch = self.batch(encoder)
        exact = self.gradient(encoder, batch)
        single = self.gradient(encoder.float(), batch.to(dtype=torch.float32))
        assert (single - exact).norm() < 1e-5 * exact.norm()

    def test_second_derivatives(self, options):
        """The derivative of squared forces by a parameter equals finite differences."""
        encoder = build(**{**SMALL, **options})
        batch = self.batch(encoder)
        weight = encoder.layers[0].attention.score.first.weight
        loss = self.gradient(encoder, batch, create_graph=True).square().sum()
        (found,) = torch.autograd.grad(loss, weight)
        direction = torch.randn_like(weight)
        with torch.no_grad():
            values = []
            for step in (1e-5, -2e-5):
                weight += step * direction
                with torch.enable_grad():
                    values.append(self.gradient(encoder, batch).square().sum())
        numeric = (values[0] - values[1]) / 2e-5
        torch.testing.assert_close((found * direction).sum(), numeric, rtol=1e-4, atol=1e-12)


def test_the_detached_norm_gives_wrong_forces():
    """Why it is not the default: the same energy, but not its gradient."""
    test, options = TestForces(), {"network_norm": "layer_detached", "block_norm": "layer_detached"}
    encoder, wrong = build(**SMALL), build(**SMALL, **options)
    wrong.load_state_dict(encoder.state_dict())
    batch = test.batch(encoder)
    torch.testing.assert_close(wrong(batch).crystals, encoder(batch).crystals)
    exact, found = test.gradient(encoder, batch), test.gradient(wrong, batch)
    assert (found - exact).norm() > 0.1 * exact.norm()


class TestRecomputing:
    def test_gradients_do_not_change(self, batch):
        kept, again = build(**SMALL).train(), build(**SMALL, kept_memory=0.0).train()
        again.load_state_dict(kept.state_dict())
        for encoder in (kept, again):
            encoder(batch).crystals.square().sum().backward()
        for (name, one), other in zip(kept.named_parameters(), again.parameters(), strict=True):
            torch.testing.assert_close(one.grad, other.grad, rtol=1e-9, atol=1e-14, msg=name)
        for name, value in kept.state_dict().items():
            torch.testing.assert_close(again.state_dict()[name], value, msg=name)


def test_fading_is_continuous():
    """A shell crosses the cutoff without a jump where all members within it are taken."""
    options = {**SMALL, "max_neighbours": None, "include_centre": True, "cutoff": 4.0}
    jumps = []
    for envelope in (True, False):
        torch.manual_seed(0)
        encoder = build(**options, envelope=envelope)
        inside, outside = (
            encoder(
                attach_neighbours(
                    CrystalBatch.from_crystals([simple_cubic(4.0 / math.sqrt(2) + step)]),
                    encoder.neighbours,
                )
            ).crystals
            for step in (-1e-7, 1e-7)
        )
        jumps.append(((inside - outside).norm() / inside.norm()).item())
    assert jumps[0] < 1e-6 < 1e-3 < jumps[1]


class TestPlan:
    def test_every_centre_once_and_little_padding(self):
        members = np.random.default_rng(0).choice([8, 12, 13, 14, 18, 24], size=500)
        blocks = plan(members, 2, 4096)
        assert sorted(np.concatenate([b.centres for b in blocks])) == list(range(500))
        assert all(members[b.centres].max() == b.members for b in blocks)
        assert all(len(b.centres) * b.members**2 <= 4096 for b in blocks)
        padded = sum(len(b.centres) * b.members**2 for b in blocks)
        assert padded < 1.1 * (members**2).sum()

    def test_one_neighbourhood_beyond_the_limit(self):
        assert [block.members for block in plan(np.array([30, 2]), 2, 100)] == [2, 30]


class _Waiting(TorchDispatchMode):
    """Count the operations whose result, or its shape, the host has to wait for."""

    names = ("_local_scalar_dense", "nonzero", "masked_select", "unique", "bincount", "equal")

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        name = func.overloadpacket.__name__
        if name.startswith(self.names):
            self.found.append(name)
        return func(*args, **(kwargs or {}))


class TestBehaviour:
    def test_the_host_never_waits_but_for_the_counts(self, batch):
        """Those are copied to the host, which no operation on a CPU shows."""
        encoder = build(**SMALL).train()
        with _Waiting() as waiting:
            encoder(batch).crystals.sum().backward()
        assert waiting.found == []

    def test_sum_read_out_grows_with_the_cell(self):
        encoder, crystal = build(**SMALL, readout="sum"), triclinic()
        repeated, _ = transforms.supercell(crystal, [[2, 0, 0], [0, 1, 0], [0, 0, 1]])
        one, two = (
            encoder(attach_neighbours(CrystalBatch.from_crystals([c]), encoder.neighbours)).crystals
            for c in (crystal, repeated)
        )
        torch.testing.assert_close(two, 2 * one)

    def test_mixed_precision(self, batch):
        """bfloat16 in the matrix products; the geometry stays exact."""
        encoder, single = build(**SMALL).float(), batch.to(dtype=torch.float32)
        exact = encoder(single).crystals
        with torch.autocast("cpu", dtype=torch.bfloat16):
            found = encoder(single).crystals
        assert (found - exact).norm() < 0.02 * exact.norm()

    def test_neighbourhood_follows_the_settings(self):
        expected = Neighbourhood(cutoff=4.5, max_neighbours=8)
        assert build(cutoff=4.5, max_neighbours=8).neighbours == expected


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads the peak memory as Linux counts it")
def test_two_hundred_atoms_train_within_four_gibibytes():
    folder = REPOSITORY / "benchmarks"
    if not (folder / "gala_memory.py").is_file():
        pytest.skip(f"The benchmark is not here: {folder}/gala_memory.py does not exist.")
    command = [sys.executable, str(folder / "gala_memory.py"), "--one", "200", "12", "table8"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert float(done.stdout.split()[-1]) < 4.0
