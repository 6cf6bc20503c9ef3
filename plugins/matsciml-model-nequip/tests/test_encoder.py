"""The encoder as a whole: size, equivariance, forces, and how it treats the machine."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from e3nn import o3
from e3nn.util.test import assert_equivariant
from torch.utils._python_dispatch import TorchDispatchMode

from matsciml_core import Crystal, CrystalBatch
from matsciml_core.data.neighbours.neighbour_list import attach_neighbours
from matsciml_core.testing import transforms
from matsciml_core.testing.crystals import bcc_iron, hcp_magnesium, triclinic
from matsciml_model_nequip.config import NequIPConfig
from matsciml_model_nequip.encoder import NequIP

OPTIONS = pytest.mark.parametrize(
    "options",
    [
        {},
        {"preset": "small"},
        {"parity": "both", "num_features": 8},
        {"tensor_output": True},
        {"parity": "both", "num_features": 8, "tensor_output": True},
    ],
    ids=["default", "small", "both", "tensors", "both-tensors"],
)


def build(**options) -> NequIP:
    torch.manual_seed(0)
    encoder = NequIP(NequIPConfig.from_options(options, where="encoder"))
    return encoder.float().double().eval()  # constants that were rounded on the way would show


def prepare(encoder: NequIP, *crystals: Crystal) -> CrystalBatch:
    return attach_neighbours(CrystalBatch.from_crystals(crystals), encoder.neighbours)


class TestSize:
    @pytest.mark.parametrize(
        ("options", "parameters"),
        [
            ({"elements": "learnt"}, 171_168),
            ({}, 171_168 + (32 + 8) * (48 + 1)),
            ({"preset": "small"}, 26_928 + (16 + 8) * (48 + 1)),
            ({"tensor_output": True}, 234_656 + (32 + 8) * (48 + 1)),
        ],
    )
    def test_parameters(self, options, parameters):
        """The counts that the README states."""
        assert sum(p.numel() for p in build(**options).parameters()) == parameters

    @pytest.mark.parametrize(
        ("options", "irreps"),
        [
            ({}, "64x0e+32x1o+32x2e"),
            ({"preset": "small"}, "32x0e+16x1o"),
            ({"parity": "both"}, "64x0e+32x0o+32x1o+32x1e+32x2e+32x2o"),
            ({"lmax": 0}, "64x0e"),
            ({"num_layers": 1}, "64x0e"),
            ({"num_layers": 1, "tensor_output": True}, "64x0e+32x1o+32x2e"),
        ],
    )
    def test_irreps(self, options, irreps):
        encoder = build(**options, **({"tensor_output": True} if "parity" in options else {}))
        assert encoder.irreps == o3.Irreps(irreps)
        assert encoder.irreps_features(prepare(encoder, bcc_iron())).irreps == encoder.irreps


class TestEquivariance:
    @pytest.fixture(autouse=True)
    def _rotations_in_double_precision(self):
        """e3nn takes the generators of rotations in torch's default type."""
        torch.set_default_dtype(torch.float64)
        yield
        torch.set_default_dtype(torch.float32)

    @OPTIONS
    def test_irreps_under_rotation_inversion_and_translation(self, options):
        """e3nn turns positions and lattice and compares with turned features.

        Its own tolerance, 1e-9, relative to the largest feature: it finds the representation of a
        rotation from angles, which can cost it five digits.
        """
        encoder = build(**options)
        batch = prepare(encoder, triclinic(), hcp_magnesium())
        scale = encoder.irreps_features(batch).atoms.detach().abs().max()

        def features(positions, lattice):
            moved = replace(batch, positions=positions, cell=lattice.reshape(-1, 3, 3))
            found = encoder.irreps_features(moved)
            return found.atoms / scale, found.crystals / scale

        assert_equivariant(
            features,
            args_in=[batch.positions, batch.cell.flatten(1)],
            irreps_in=["cartesian_points", "3x1o"],
            irreps_out=[encoder.irreps, encoder.irreps],
            ntrials=2,
        )

    @OPTIONS
    def test_neighbours_found_again(self, options):
        """As above, with the crystal turned before its neighbours are searched."""
        encoder = build(**options)
        matrix = -transforms.random_rotation(np.random.default_rng(0))
        turned = prepare(encoder, transforms.transform(triclinic(), matrix))
        representation = encoder.irreps.D_from_matrix(torch.from_numpy(matrix))
        before = encoder.irreps_features(prepare(encoder, triclinic())).atoms
        after = encoder.irreps_features(turned).atoms
        torch.testing.assert_close(after, before @ representation.T, rtol=1e-9, atol=1e-9)
        assert (after - before).abs().max() > 1e-2

    def test_e3nn_notices_a_mistake(self):
        encoder = build()
        batch = prepare(encoder, triclinic())
        wrong = o3.Irreps("64x0e+32x1e+32x2e")  # vectors declared as pseudovectors
        with pytest.raises(AssertionError, match="equivariance error was too large"):
            assert_equivariant(
                lambda x, cell: (
                    encoder.irreps_features(
                        replace(batch, positions=x, cell=cell.reshape(-1, 3, 3))
                    ).atoms
                ),
                args_in=[batch.positions, batch.cell.flatten(1)],
                irreps_in=["cartesian_points", "3x1o"],
                irreps_out=[wrong],
            )

    def test_tensors_of_an_inversion_centre(self):
        """An atom at a centre of inversion has no vector, and a cubic one no tensor either."""
        encoder = build(tensor_output=True)
        _, vectors, tensors = split(encoder, encoder.irreps_features(prepare(encoder, bcc_iron())))
        assert vectors.abs().max() < 1e-12
        assert tensors.abs().max() < 1e-12

    def test_no_symmetry_has_every_tensor(self):
        encoder = build(tensor_output=True)
        found = encoder.irreps_features(prepare(encoder, triclinic()))
        assert all(part.abs().min() > 1e-9 for part in split(encoder, found))

    def test_supercell(self):
        encoder = build()
        large, origin = transforms.supercell(triclinic(), [[1, 1, 0], [-1, 1, 0], [0, 0, 2]])
        one = encoder.irreps_features(prepare(encoder, triclinic()))
        many = encoder.irreps_features(prepare(encoder, large))
        torch.testing.assert_close(many.crystals, one.crystals, rtol=1e-9, atol=1e-9)
        torch.testing.assert_close(many.atoms, one.atoms[origin], rtol=1e-9, atol=1e-9)

    @OPTIONS
    def test_the_scalars_are_the_embedding(self, options):
        encoder = build(**options)
        batch = prepare(encoder, triclinic(), bcc_iron())
        embedding, features = encoder(batch), encoder.irreps_features(batch)
        width = encoder.atom_width
        assert torch.equal(features.atoms[:, :width], embedding.atoms)
        assert torch.equal(features.crystals[:, :width], embedding.crystals)


def split(encoder: NequIP, features) -> list[torch.Tensor]:
    return features.atoms.split([kind.dim for kind in encoder.irreps], dim=1)


class TestForces:
    def test_against_central_differences(self):
        encoder = build()
        batch = prepare(encoder, triclinic(), hcp_magnesium())
        readout = torch.randn(encoder.atom_width, dtype=torch.float64)

        def energy(positions):
            return (encoder(replace(batch, positions=positions)).atoms @ readout).sum()

        positions = batch.positions.clone().requires_grad_()
        forces = -torch.autograd.grad(energy(positions), positions)[0]
        assert forces.abs().max() > 1e-2
        step = 1e-5
        for atom, axis in np.ndindex(*batch.positions.shape):
            shift = torch.zeros_like(batch.positions)
            shift[atom, axis] = step
            with torch.no_grad():
                ahead, behind = energy(batch.positions + shift), energy(batch.positions - shift)
            found = -(ahead - behind) / (2 * step)
            assert found.item() == pytest.approx(forces[atom, axis].item(), rel=1e-6, abs=1e-7)

    def test_gradient_of_a_force_loss_with_respect_to_the_weights(self):
        """The derivative of |F|² with respect to a weight, against central differences."""
        encoder = build(num_features=4, embedding_width=4)
        batch = prepare(encoder, triclinic())

        def loss():
            positions = batch.positions.clone().requires_grad_()
            energy = encoder(replace(batch, positions=positions)).atoms.sum()
            return torch.autograd.grad(energy, positions, create_graph=True)[0].square().sum()

        weights = dict(encoder.named_parameters())
        exact = torch.autograd.grad(loss(), list(weights.values()))
        for (name, weight), gradient in zip(weights.items(), exact, strict=True):
            place = gradient.abs().argmax()
            values, step = weight.detach().view(-1), 1e-5
            value = values[place].item()
            values[place] = value + step
            ahead = loss().item()
            values[place] = value - step
            behind = loss().item()
            values[place] = value
            expected = gradient.view(-1)[place].item()
            assert expected != 0.0, name
            assert (ahead - behind) / (2 * step) == pytest.approx(expected, rel=1e-4), name


class _NoSynchronisation(TorchDispatchMode):
    """Fails where an operation would make the host wait for a GPU."""

    waiting = (
        "_local_scalar_dense",
        "nonzero",
        "masked_select",
        "repeat_interleave",
        "unique",
        "bincount",
        "equal",
    )

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        name = func.overloadpacket.__name__
        if name.startswith(self.waiting):
            raise AssertionError(f"{name} makes the host wait for the device")
        return func(*args, **(kwargs or {}))


class TestBehaviour:
    @pytest.mark.parametrize("options", [{}, {"preset": "small"}], ids=["default", "small"])
    def test_the_host_never_waits(self, batch, options):
        encoder = build(cutoff=4.0, **options).train()
        with _NoSynchronisation():
            encoder(batch).crystals.sum().backward()
        assert encoder.element_embedding.weight.grad.isfinite().all()

    def test_positions_of_another_precision(self, batch):
        encoder = build(cutoff=4.0).float()
        found = encoder(batch).crystals
        assert found.dtype == torch.float32
        expected = encoder.double()(batch).crystals.float()
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)
        assert batch.positions.dtype == torch.float64

    def test_autocast_changes_nothing(self, batch):
        encoder, batch = build(cutoff=4.0).float().train(), batch.to(dtype=torch.float32)
        exact = encoder(batch), encoder.irreps_features(batch).atoms
        with torch.autocast("cpu", dtype=torch.bfloat16):
            found = encoder(batch), encoder.irreps_features(batch).atoms
        for name in ("crystals", "vectors", "matrices"):
            assert torch.equal(getattr(found[0], name), getattr(exact[0], name)), name
        assert torch.equal(found[1], exact[1])
        found[0].crystals.square().sum().backward()
        assert encoder.layers[0].radial_weight.grad.isfinite().all()

    def test_embeddings_are_of_order_one(self):
        """The estimate of neighbours keeps an untrained network in range at every cutoff."""
        for cutoff in (4.0, 6.0):
            encoder = build(cutoff=cutoff)
            size = encoder(prepare(encoder, triclinic())).crystals.square().mean().sqrt()
            assert 0.1 < size < 10.0
