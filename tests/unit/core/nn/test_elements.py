"""Embeddings of elements: learnt, described, or both."""

from __future__ import annotations

import pytest
import safetensors.torch
import torch
from torch import nn

from matsciml_core.errors import DataError
from matsciml_core.nn.element_descriptors import element_descriptors
from matsciml_core.nn.elements import ElementEmbedding, ElementMode, reject_elements

NUMBERS = torch.tensor([1, 8, 26, 8, 118, 0])
MODES: tuple[ElementMode, ...] = ("learnt", "described", "both")


def test_a_learnt_one_is_an_embedding() -> None:
    torch.manual_seed(1)
    elements = ElementEmbedding(6, "learnt")
    torch.manual_seed(1)
    embedding = nn.Embedding(119, 6)
    assert set(elements.state_dict()) == {"weight"}
    assert torch.equal(elements(NUMBERS), embedding(NUMBERS))


def test_both_is_the_sum() -> None:
    elements = ElementEmbedding(6, "both").double()
    described = torch.tensor(element_descriptors().standardised)[NUMBERS]
    expected = elements.weight[NUMBERS] + elements.project(described)
    torch.testing.assert_close(elements(NUMBERS), expected, rtol=1e-5, atol=1e-5)
    assert set(elements.state_dict()) == {
        "weight",
        "standardised",
        "project.weight",
        "project.bias",
    }


def test_described_elements_share_what_is_learnt() -> None:
    elements = ElementEmbedding(6, "described")
    elements(torch.tensor([3])).sum().backward()
    assert elements.weight is None
    assert elements.project.weight.grad is not None
    # Rare earths are alike before anything is learnt, iron and fluorine are not.
    pairs = elements(torch.tensor([66, 67, 26, 9])).reshape(2, 2, 6)
    distances = (pairs[:, 0] - pairs[:, 1]).norm(dim=1)
    assert distances[0] < 0.2 * distances[1]


@pytest.mark.parametrize("mode", MODES)
def test_gradients_are_those_of_finite_differences(mode: ElementMode) -> None:
    elements = ElementEmbedding(3, mode).double()

    def forward(*parameters: torch.Tensor) -> torch.Tensor:
        names = [name for name, _ in elements.named_parameters()]
        named = dict(zip(names, parameters, strict=True))
        return torch.func.functional_call(elements, named, (NUMBERS[:3],))

    assert torch.autograd.gradcheck(forward, tuple(elements.parameters()))


@pytest.mark.parametrize("mode", MODES)
def test_padding_learns_nothing_for_row_0(mode: ElementMode) -> None:
    elements = ElementEmbedding(3, mode, rows=100, padding=True)
    elements(NUMBERS[[0, 5]]).sum().backward()
    if elements.weight is not None:
        assert not elements.weight[0].any()
        assert not elements.weight.grad[0].any()
        assert elements.weight.grad[1].any()


@pytest.mark.parametrize("mode", MODES)
def test_elements_beyond_the_table_are_an_error(mode: ElementMode) -> None:
    with pytest.raises(IndexError):
        ElementEmbedding(3, mode, rows=90)(torch.tensor([92]))


@pytest.mark.parametrize("mode", MODES)
def test_a_saved_one_is_the_same_when_loaded(mode: ElementMode) -> None:
    first, second = ElementEmbedding(4, mode), ElementEmbedding(4, mode)
    state = safetensors.torch.load(safetensors.torch.save(first.state_dict()))
    second.load_state_dict(state)
    assert torch.equal(first(NUMBERS), second(NUMBERS))


def test_a_saved_one_keeps_the_table_that_it_was_trained_with() -> None:
    elements = ElementEmbedding(4, "both")
    older = {name: tensor.clone() for name, tensor in elements.state_dict().items()}
    older["standardised"] = torch.randn(119, 7)
    older["project.weight"] = torch.randn(4, 7)
    parameters = list(elements.parameters())
    elements.load_state_dict(older)
    expected = older["weight"] + nn.functional.linear(
        older["standardised"], older["project.weight"], older["project.bias"]
    )
    torch.testing.assert_close(elements(NUMBERS), expected[NUMBERS])
    # An optimiser that was made before still holds what is trained.
    assert all(a is b for a, b in zip(parameters, elements.parameters(), strict=True))
    elements(NUMBERS).sum().backward()
    assert elements.project.weight.grad.shape == (4, 7)


def test_a_state_of_another_mode_is_an_error() -> None:
    state = ElementEmbedding(4, "learnt").state_dict()
    with pytest.raises(RuntimeError, match="Missing key"):
        ElementEmbedding(4, "both").load_state_dict(state)


def test_elements_without_features_are_named_once_and_in_order() -> None:
    numbers = torch.tensor([95, 8, 94, 95])
    reject_elements(numbers, numbers > 95, "A network")
    with pytest.raises(DataError, match="A network has no features of Pu, Am; leave such crystals"):
        reject_elements(numbers, numbers > 93, "A network")
