"""The encoder as a whole: its size, its equations, and how it treats the machine."""

from dataclasses import replace

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from matsciml_core import CrystalBatch, Neighbourhood
from matsciml_core.data.neighbours.neighbour_list import attach_neighbours
from matsciml_core.errors import ConfigError
from matsciml_core.nn.dense import DenseStack
from matsciml_core.testing import transforms
from matsciml_core.testing.crystals import all_crystals, triclinic
from matsciml_model_megnet.config import MEGNetConfig
from matsciml_model_megnet.encoder import ELEMENT_ROWS, MEGNet
from matsciml_model_megnet.layers import shifted_softplus

LITERAL = {
    "preset": "table7",
    "edge_features": "r_mu",
    "node_extra": "positions",
    "state_deviation": "sample",
}


def build(**options) -> MEGNet:
    return MEGNet(MEGNetConfig.from_options(options, where="encoder")).double().eval()


def size(*modules: torch.nn.Module) -> int:
    return sum(p.numel() for module in modules for p in module.parameters())


class TestParameterCount:
    """Counts published with 89 (or 100) element rows; our table has one row per atomic number."""

    def test_mp2018(self):
        encoder, output = build(preset="mp2018"), DenseStack(160, (32, 16, 1), shifted_softplus)
        extra_rows = (ELEMENT_ROWS - 89) * 16
        assert size(encoder, output) - extra_rows == 189_521

    def test_default(self):
        # More than the published network: a layer of 48 descriptors, and features of elements
        # 48 wider, in the table and in the first layer on atoms, which is 64 wide.
        described = 64 * (48 + 1)
        wider = (64 - 16) * (ELEMENT_ROWS + 64)
        assert size(build()) == size(build(preset="mp2018")) + described + wider

    def test_multi_fidelity(self):
        encoder = build(preset="mp2018", state="embedding", set2set_iterations=3)
        output = DenseStack(160, (32, 16, 1), shifted_softplus)
        assert size(encoder, output) - (ELEMENT_ROWS - 89) * 16 == 190_481

    def test_table7_literally(self):
        encoder, output = build(**LITERAL), DenseStack(320, (64, 16, 1), shifted_softplus)
        extra_rows = (ELEMENT_ROWS - 100) * 5
        assert size(encoder) - extra_rows == 1_169_268
        assert size(encoder, output) - extra_rows == 1_190_869


class TestConfig:
    def test_widths_must_fit_the_skip(self):
        with pytest.raises(ConfigError, match=r"convolution_widths \(48\) must equal"):
            build(convolution_widths=[64, 48])

    def test_the_state_row_must_exist(self):
        with pytest.raises(ConfigError, match="state_index 4 must be below state_rows, 4"):
            build(state="embedding", state_index=4)

    @pytest.mark.parametrize("option", [{"cutoff": 0}, {"dropout": 1.0}, {"edge_features": "x"}])
    def test_nonsense_is_refused(self, option):
        with pytest.raises(ConfigError, match=next(iter(option))):
            build(**option)

    def test_widths_and_neighbourhood_follow_the_settings(self):
        encoder = build(cutoff=4.5, max_neighbours=12, hidden_widths=[8], convolution_widths=[8])
        assert (encoder.atom_width, encoder.crystal_width) == (8, 40)
        assert encoder.neighbours == Neighbourhood(cutoff=4.5, max_neighbours=12, uses="lengths")


def plain_embedding(encoder: MEGNet, batch: CrystalBatch) -> tuple[torch.Tensor, torch.Tensor]:
    """Evaluate the equations as they are written: everything joined, one edge at a time."""
    sender, receiver = batch.edge_index
    of_atom = batch.crystal_index
    of_edge = of_atom[receiver]
    distance = batch.edge_vectors().norm(dim=1, keepdim=True)
    e = encoder.encode_edges(torch.exp(-0.5 * (distance - encoder.expansion.centres) ** 2))
    v = encoder.encode_atoms(encoder.element_embedding(batch.atomic_numbers))
    u = encoder.encode_state(torch.zeros(batch.num_crystals, 2, dtype=e.dtype))
    for block in encoder.blocks:
        e0, v0, u0 = e, v, u
        if block.dense is not None:
            e, v, u = block.dense.edges(e), block.dense.atoms(v), block.dense.state(u)
        e = block.update.edges(torch.cat((v[sender], v[receiver], e, u[of_edge]), 1))
        ebar = plain_mean(e, receiver, batch.num_atoms)
        v = block.update.atoms(torch.cat((v, ebar, u[of_atom]), 1))
        means = (plain_mean(x, index, len(u)) for x, index in ((e, of_edge), (v, of_atom)))
        u = block.update.state(torch.cat((u, *means), 1))
        e, v, u = e + e0, v + v0, u + u0
    atoms, edges = (
        torch.stack([plain_set2set(reader, x[index == k]) for k in range(len(u))])
        for reader, x, index in ((encoder.read_atoms, v, of_atom), (encoder.read_edges, e, of_edge))
    )
    return v, torch.cat((atoms, edges, u), 1)


def plain_mean(x: torch.Tensor, index: torch.Tensor, groups: int) -> torch.Tensor:
    rows = (x[index == k] for k in range(groups))
    return torch.stack([group.sum(0) / max(len(group), 1) for group in rows])


def plain_set2set(reader: torch.nn.Module, rows: torch.Tensor) -> torch.Tensor:
    cell = torch.nn.LSTMCell(2 * reader.width, reader.width).double()
    ours = reader.cells[0]
    cell.weight_ih, cell.bias_ih = ours.input.weight, ours.input.bias
    cell.weight_hh, cell.bias_hh = ours.recurrent.weight, ours.recurrent.bias
    result, state = rows.new_zeros(1, 2 * reader.width), None
    for _ in range(reader.iterations):
        state = cell(result, state)
        weights = torch.softmax(rows @ state[0][0], dim=0)
        result = torch.cat((state[0], (weights @ rows).unsqueeze(0)), dim=1)
    return result[0]


class TestEquations:
    def test_embedding_equals_the_plain_equations(self, batch):
        encoder = build(cutoff=4.0)
        found = encoder(batch)
        atoms, crystals = plain_embedding(encoder, batch)
        torch.testing.assert_close(found.atoms, atoms, rtol=1e-12, atol=1e-13)
        torch.testing.assert_close(found.crystals, crystals, rtol=1e-12, atol=1e-13)

    def test_gradients_equal_those_of_the_plain_equations(self, batch):
        encoder = build(cutoff=4.0)
        weights = torch.randn(batch.num_crystals, encoder.crystal_width).double()
        # The weights that act on the two zeros of the state get a zero gradient either way.
        parameters = dict(encoder.named_parameters())
        found = torch.autograd.grad((encoder(batch).crystals * weights).sum(), parameters.values())
        plain = (plain_embedding(encoder, batch)[1] * weights).sum()
        wanted = torch.autograd.grad(plain, parameters.values())
        for name, ours, theirs in zip(parameters, found, wanted, strict=True):
            torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-12, msg=name)

    def test_second_derivatives_equal_those_of_the_plain_equations(self, batch):
        encoder = build(cutoff=4.0)
        found, wanted = (
            self.force_gradient(encoder, batch, embed)
            for embed in (lambda e, b: e(b).crystals, lambda e, b: plain_embedding(e, b)[1])
        )
        assert found.abs().max() > 1e-3
        torch.testing.assert_close(found, wanted, rtol=1e-8, atol=1e-10)

    @staticmethod
    def force_gradient(encoder: MEGNet, batch: CrystalBatch, embed) -> torch.Tensor:
        """Differentiate the squared forces of a made-up energy by a weight."""
        positions = batch.positions.clone().requires_grad_()
        energy = 1e3 * embed(encoder, replace(batch, positions=positions)).square().sum()
        (forces,) = torch.autograd.grad(energy, positions, create_graph=True)
        weight = encoder.blocks[1].update.edges.layers[0].weight
        (gradient,) = torch.autograd.grad(forces.square().sum(), weight)
        return gradient

    def test_forces_equal_finite_differences(self):
        encoder = build(cutoff=4.0)
        batch = attach_neighbours(CrystalBatch.from_crystals([triclinic()]), encoder.neighbours)
        positions = batch.positions.clone().requires_grad_()

        def energy(x: torch.Tensor) -> torch.Tensor:
            return encoder(replace(batch, positions=x)).crystals.square().sum()

        (gradient,) = torch.autograd.grad(energy(positions), positions)
        with torch.no_grad():
            step = 1e-5 * torch.eye(15).double().view(15, 5, 3)
            pairs = [(energy(positions + d), energy(positions - d)) for d in step]
        numeric = torch.stack([(up - down) / 2e-5 for up, down in pairs]).view(5, 3)
        torch.testing.assert_close(gradient, numeric, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("options", [{}, {"preset": "table7"}], ids=["default", "table7"])
class TestInvariance:
    """The contract tests these too; here they hold for sizes and shapes chosen to be awkward."""

    def embed(self, encoder: MEGNet, *crystals) -> torch.Tensor:
        batch = CrystalBatch.from_crystals(crystals)
        return encoder(attach_neighbours(batch, encoder.neighbours)).crystals

    def test_any_orthogonal_matrix(self, options):
        encoder, crystal = build(**options), triclinic()
        matrix, _ = torch.linalg.qr(torch.randn(3, 3).double())
        for orthogonal in (matrix, -matrix):
            other = transforms.transform(crystal, orthogonal.numpy())
            torch.testing.assert_close(self.embed(encoder, other), self.embed(encoder, crystal))

    def test_skewed_supercell(self, options):
        encoder, crystal = build(**options), triclinic()
        repeated, origin = transforms.supercell(crystal, [[2, 1, 0], [0, 1, 0], [1, 0, 3]])
        assert len(origin) == 6 * crystal.num_atoms
        torch.testing.assert_close(self.embed(encoder, repeated), self.embed(encoder, crystal))

    def test_batch_mates_do_not_matter(self, options):
        encoder, crystals = build(**options), all_crystals()
        singles = torch.cat([self.embed(encoder, crystal) for crystal in crystals])
        torch.testing.assert_close(self.embed(encoder, *crystals), singles)


class _NoSynchronisation(TorchDispatchMode):
    """Refuse the operations whose result, or its shape, the host has to wait for."""

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
    @pytest.mark.parametrize(
        "options",
        [{}, {"preset": "table7"}, LITERAL, {"state": "embedding"}],
        ids=["default", "table7", "literal", "embedding"],
    )
    def test_the_host_never_waits(self, batch, options):
        encoder = build(**options).train()
        with _NoSynchronisation():
            encoder(batch).crystals.sum().backward()
        assert encoder.element_embedding.weight.grad.isfinite().all()

    def test_the_guard_above_notices_waiting(self, batch):
        with _NoSynchronisation(), pytest.raises(AssertionError, match="makes the host wait"):
            batch.positions.sum().item()

    def test_a_batch_with_no_edge_at_all(self, batch):
        empty = replace(
            batch,
            edge_index=batch.edge_index[:, :0],
            cell_shift=batch.cell_shift[:0],
            edges_per_atom=torch.zeros_like(batch.edges_per_atom),
        )
        for options in ({}, {"preset": "table7"}):
            encoder = build(**options)
            found = encoder(empty).crystals
            found.sum().backward()
            assert found.shape == (batch.num_crystals, encoder.crystal_width)
            assert found.isfinite().all()

    def test_dropout_acts_in_training_only(self, batch):
        encoder = build(dropout=0.5)
        still = encoder(batch).crystals
        torch.testing.assert_close(encoder(batch).crystals, still)
        assert not torch.allclose(encoder.train()(batch).crystals, still)

    def test_positions_of_another_precision(self, batch):
        encoder = build().float()
        found = encoder(batch).crystals
        assert found.dtype == torch.float32
        torch.testing.assert_close(found, encoder.double()(batch).crystals.float())
        assert batch.positions.dtype == torch.float64

    def test_fidelities_differ(self, batch):
        torch.manual_seed(0)
        first = build(state="embedding", state_index=0)
        second = build(state="embedding", state_index=3)
        second.load_state_dict(first.state_dict())
        assert not torch.allclose(first(batch).crystals, second(batch).crystals)
