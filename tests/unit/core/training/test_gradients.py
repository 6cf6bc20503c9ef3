"""Gradients of each task by itself, and the file of the angles between them."""

import math

import pytest
import torch
from torch import nn

from matsciml_core import Embedding, Encoder
from matsciml_core.errors import DataError
from matsciml_core.interfaces.strategy import Parameters, gram_matrix
from matsciml_core.training.gradient_angles import (
    GRADIENTS,
    AngleRecorder,
    AnglesFile,
    read_gradient_angles,
)
from matsciml_core.training.gradients import TaskGradients


class Layers(Encoder):
    """Two layers in a list, one beside it, and a parameter of its own."""

    neighbours = None
    atom_width = crystal_width = 2

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))
        self.blocks = nn.ModuleList([nn.Linear(2, 2), nn.Linear(2, 2)])
        self.readout = nn.Linear(2, 2)

    def forward(self, batch):
        for block in self.blocks:
            batch = torch.tanh(block(batch))
        out = self.readout(batch) * self.scale
        return Embedding(atoms=out, crystals=out)


KEYS = ["a", "b", "c"]


@pytest.fixture
def encoder():
    return Layers().double()


@pytest.fixture
def heads():
    return {key: nn.Linear(2, 1).double() for key in KEYS}


def losses_of(encoder, heads, rows=5):
    inputs = torch.linspace(-1, 1, 2 * rows, dtype=torch.float64).reshape(rows, 2)
    crystals = encoder(inputs).crystals
    return {key: head(crystals).square().mean() for key, head in heads.items()}


def gradient_of(loss, parameters):
    return torch.autograd.grad(loss, parameters, retain_graph=True)


def parameters_of(encoder, heads):
    groups = {key: tuple(head.parameters()) for key, head in heads.items()}
    return Parameters(tuple(encoder.parameters()), groups)


class TestTaskGradients:
    def test_rows_are_the_gradients_of_the_tasks(self, encoder, heads):
        gradients = TaskGradients(parameters_of(encoder, heads), KEYS)
        gradients.add(losses_of(encoder, heads))
        for row, loss in zip(gradients.matrix(), losses_of(encoder, heads).values(), strict=True):
            expected = gradient_of(loss, list(encoder.parameters()))
            torch.testing.assert_close(row, torch.cat([one.flatten() for one in expected]))

    def test_heads_receive_their_own_gradient_at_once(self, encoder, heads):
        TaskGradients(parameters_of(encoder, heads), KEYS).add(losses_of(encoder, heads))
        for key, loss in losses_of(encoder, heads).items():
            expected = torch.autograd.grad(loss, heads[key].weight)[0]
            torch.testing.assert_close(heads[key].weight.grad, expected)
        assert all(one.grad is None for one in encoder.parameters())

    def test_the_sum_of_the_rows_is_the_gradient_of_the_sum(self, encoder, heads):
        gradients = TaskGradients(parameters_of(encoder, heads), KEYS)
        gradients.add(losses_of(encoder, heads))
        gradients.assign(gradients.matrix().sum(0))
        found = [one.grad for one in encoder.parameters()]
        expected = torch.autograd.grad(
            sum(losses_of(encoder, heads).values()), list(encoder.parameters())
        )
        for one, other in zip(found, expected, strict=True):
            torch.testing.assert_close(one, other)

    def test_batches_add_up(self, encoder, heads):
        gradients = TaskGradients(parameters_of(encoder, heads), KEYS)
        for rows in (3, 7):
            gradients.add(losses_of(encoder, heads, rows))
        total = sum(losses_of(encoder, heads, rows)["b"] for rows in (3, 7))
        expected = torch.autograd.grad(total, encoder.blocks[0].weight)[0]
        torch.testing.assert_close(gradients.matrix()[1][1:5].reshape(2, 2), expected)
        assert gradients.losses["b"].item() == pytest.approx(total.item())

    def test_absent_tasks_have_no_row(self, encoder, heads):
        gradients = TaskGradients(parameters_of(encoder, heads), KEYS)
        losses = losses_of(encoder, heads)
        gradients.add({"c": losses["c"], "a": losses["a"]})
        assert list(gradients.losses) == ["a", "c"]
        assert gradients.matrix().shape[0] == 2
        assert not gradients.every_row[1].any()
        assert heads["b"].weight.grad is None

    def test_frozen_parameters_have_no_column(self, encoder, heads):
        for parameter in encoder.blocks.parameters():
            parameter.requires_grad_(False)
        gradients = TaskGradients(parameters_of(encoder, heads), KEYS)
        gradients.add(losses_of(encoder, heads))
        assert gradients.matrix().shape == (3, 1 + 6)

    def test_a_parameter_that_no_task_reaches_gets_no_gradient(self, encoder, heads):
        gradients = TaskGradients(parameters_of(encoder, heads), KEYS)
        loss = heads["a"](encoder.scale * torch.ones(1, 2, dtype=torch.float64)).sum()
        gradients.add({"a": loss})
        gradients.assign(gradients.matrix()[0])
        assert encoder.scale.grad is not None
        assert encoder.readout.weight.grad is None

    def test_gradients_are_added_to_those_that_are_there(self, encoder, heads):
        for parameter in encoder.parameters():
            parameter.grad = torch.ones_like(parameter)
        gradients = TaskGradients(parameters_of(encoder, heads), KEYS)
        gradients.add(losses_of(encoder, heads))
        gradients.assign(torch.full((19,), 2.0, dtype=torch.float64, requires_grad=True))
        assert all((one.grad == 3).all() for one in encoder.parameters())
        assert not any(one.grad.requires_grad for one in encoder.parameters())

    def test_the_graph_is_kept_only_where_asked(self, encoder, heads):
        losses = losses_of(encoder, heads)
        gradients = TaskGradients(parameters_of(encoder, heads), KEYS)
        gradients.add(losses, keep_graph=True)
        gradients.add(losses)
        with pytest.raises(RuntimeError, match="backward through the graph a second time"):
            gradients.add(losses)


class TestGramMatrix:
    def test_it_is_the_matrix_of_dot_products(self):
        rows = torch.randn(3, (1 << 20) + 7)
        expected = rows.double() @ rows.double().T
        torch.testing.assert_close(gram_matrix(rows), expected, rtol=1e-13, atol=1e-6)

    def test_it_is_symmetric_and_double(self):
        found = gram_matrix(torch.randn(4, 1000))
        assert found.dtype == torch.float64
        assert torch.equal(found, found.T)


class TestAngles:
    def record(self, encoder, heads, steps=(0, 10)):
        recorder = AngleRecorder(encoder, KEYS)
        for step in steps:
            gradients = TaskGradients(Parameters(tuple(encoder.parameters()), {}), KEYS)
            gradients.add(losses_of(encoder, heads))
            recorder.record(step, gradients)
        return recorder

    def test_layers_are_child_modules_and_members_of_lists(self, encoder):
        assert list(AngleRecorder(encoder, KEYS).layers) == [
            *("encoder", "blocks.0", "blocks.1", "readout"),
        ]

    def test_what_is_written_is_read_again(self, encoder, heads, tmp_path):
        AnglesFile(tmp_path, 0).append(self.record(encoder, heads).take())
        pairs = read_gradient_angles(tmp_path)
        assert [(one.task, one.other) for one in pairs] == [("a", "b"), ("a", "c"), ("b", "c")]
        assert pairs[0].steps.tolist() == [0, 10]
        assert pairs[0].layers == ("encoder", "blocks.0", "blocks.1", "readout", "all")
        losses = losses_of(encoder, heads)
        weights = list(encoder.readout.parameters())
        one, other = (
            torch.cat([part.flatten() for part in gradient_of(losses[key], weights)])
            for key in ("a", "b")
        )
        cosine = torch.nn.functional.cosine_similarity(one, other, dim=0).item()
        assert pairs[0].cosine[3].tolist() == pytest.approx([cosine, cosine], rel=1e-4)

    def test_a_task_without_a_gradient_has_no_angle(self, encoder, heads, tmp_path):
        recorder = AngleRecorder(encoder, KEYS)
        gradients = TaskGradients(Parameters(tuple(encoder.parameters()), {}), KEYS)
        losses = losses_of(encoder, heads)
        gradients.add({"a": losses["a"], "b": losses["b"]})
        recorder.record(0, gradients)
        AnglesFile(tmp_path, 0).append(recorder.take())
        with_a, without = read_gradient_angles(tmp_path)[:2]
        assert all(math.isfinite(value) for value in with_a.cosine.flat)
        assert all(math.isnan(value) for value in without.cosine.flat)

    def test_what_was_taken_is_not_given_twice(self, encoder, heads):
        recorder = self.record(encoder, heads)
        assert len(recorder.take()) == 2 * 5 * 3
        assert recorder.take() == []

    def test_a_resumed_run_goes_on_at_its_step(self, encoder, heads, tmp_path):
        AnglesFile(tmp_path, 0).append(self.record(encoder, heads, (0, 10, 20)).take())
        AnglesFile(tmp_path, 15).append(self.record(encoder, heads, (20, 30)).take())
        assert read_gradient_angles(tmp_path)[0].steps.tolist() == [0, 10, 20, 30]

    def test_without_a_file_there_is_nothing(self, tmp_path):
        assert read_gradient_angles(tmp_path) == []

    def test_a_damaged_file_is_an_error(self, tmp_path):
        (tmp_path / GRADIENTS).write_text("step,layer\n1,all\n")
        with pytest.raises(DataError, match="is damaged"):
            read_gradient_angles(tmp_path)
