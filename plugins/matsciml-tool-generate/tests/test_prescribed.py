"""Prescribed compositions: formulas, and latent vectors chosen by what they decode to."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from matsciml_core.errors import ConfigError
from matsciml_tool_generate.prescribed import Prescription, parse_formula


class Head:
    """Samples latent vectors of one number, and says how likely a composition is."""

    max_atoms: int | None = 5
    space_groups = True

    def __init__(self, log_probability: Any) -> None:
        self.log_probability = lambda latents, composition: log_probability(
            latents[:, 0], composition.atoms_per_crystal
        )

    @staticmethod
    def fits_space_group(counts: Sequence[int], space_group: int) -> bool:
        """Only even numbers fit, into any group but 230."""
        return space_group < 230 and not any(count % 2 for count in counts)

    @staticmethod
    def log_symmetry(latents: torch.Tensor, space_group: int) -> torch.Tensor:
        return torch.where(latents[:, 0] > 1, 0.0, -80.0)

    def sample_latents(self, number: int, *, generator: torch.Generator) -> torch.Tensor:
        return torch.randn(number, 1, generator=generator)


def prescribed(
    head: Any,
    formula: str | None = "NaCl",
    elements: Any = ("Na", "Cl"),
    space_group: int | None = None,
) -> Any:
    model: Any = SimpleNamespace(folder="run", elements=elements)
    atoms = None if formula is None else parse_formula(formula)
    return Prescription(model, head, atoms, space_group)


def sample(head: Any, number: int, seed: int = 0) -> Any:
    return prescribed(head).sample(number, torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(
    ("text", "atoms"),
    [
        ("NaCl", {11: 1, 17: 1}),
        ("Fe2O3", {26: 2, 8: 3}),
        ("CaCO3", {20: 1, 6: 1, 8: 3}),
        ("Ca(OH)2", {20: 1, 8: 2, 1: 2}),
        ("(Ca(OH)2)3Fe", {20: 3, 8: 6, 1: 6, 26: 1}),
        ("CH3CH3", {6: 2, 1: 6}),
    ],
)
def test_formulas(text: str, atoms: dict[int, int]) -> None:
    assert parse_formula(text) == atoms


@pytest.mark.parametrize(
    "text",
    [
        *("", "nacl", "NaXx", "Na0.5Cl", "NaCl)", "(NaCl", "Na0Cl", "Na Cl", "()", "2NaCl"),
        *("(2Na)", "Na99999", "Na-1", "Na²"),
    ],
)
def test_what_is_no_formula(text: str) -> None:
    with pytest.raises(ConfigError, match="is not a formula"):
        parse_formula(text)


def test_cells_hold_whole_units() -> None:
    _, composition = sample(Head(lambda z, sizes: torch.zeros(len(z))), 50)
    sizes = composition.atoms_per_crystal.tolist()
    assert set(sizes) == {2, 4}
    for cell in composition.atomic_numbers.split(sizes):
        assert (cell == 11).sum() == (cell == 17).sum() == len(cell) / 2


def test_likely_latents_are_chosen() -> None:
    latents, composition = sample(Head(lambda z, n: torch.where((z > 1) & (n == 4), 0.0, -80.0)), 9)
    assert latents.shape == (9, 1)
    assert bool((latents > 1).all())
    assert composition.atoms_per_crystal.tolist() == [4] * 9
    assert len(set(latents.ravel().tolist())) == 9


def test_choices_follow_the_probabilities() -> None:
    _, composition = sample(Head(lambda z, sizes: torch.where(sizes == 4, 3.0, 1.0).log()), 900)
    share = (composition.atoms_per_crystal == 4).double().mean()
    assert float(share) == pytest.approx(0.75, abs=4 * (0.75 * 0.25 / 900) ** 0.5)


def test_nonsense_stops_nothing() -> None:
    latents, _ = sample(Head(lambda z, sizes: torch.full((len(z),), torch.nan)), 3)
    assert len(latents) == 3


def test_a_seed_repeats() -> None:
    head = Head(lambda z, sizes: -z.square())
    assert torch.equal(sample(head, 4)[0], sample(head, 4)[0])
    assert not torch.equal(sample(head, 4)[0], sample(head, 4, seed=1)[0])


def test_a_head_without_limit_gets_one_unit() -> None:
    head = Head(lambda z, sizes: torch.zeros(len(z)))
    head.max_atoms = None
    assert sample(head, 5)[1].atoms_per_crystal.tolist() == [2] * 5


def test_mistakes() -> None:
    head = Head(lambda z, sizes: torch.zeros(len(z)))
    with pytest.raises(ConfigError, match=r"was trained without Cl .*its elements are Na, K\."):
        prescribed(head, elements=("Na", "K"))
    with pytest.raises(ConfigError, match=r"has 6 atoms, .* at most 5; give a smaller formula"):
        prescribed(head, "Na3Cl3")
    assert len(prescribed(head, elements=None).cells) == 2  # nobody wrote them down


def test_a_space_group_chooses_cells_and_latents() -> None:
    head = Head(lambda z, sizes: torch.zeros(len(z)))
    latents, composition = prescribed(head, space_group=225).sample(
        6, torch.Generator().manual_seed(0)
    )
    assert composition.atoms_per_crystal.tolist() == [4] * 6
    assert bool((latents > 1).all())
    latents, composition = prescribed(head, None, space_group=225).sample(
        6, torch.Generator().manual_seed(0)
    )
    assert composition is None
    assert bool((latents > 1).all())


def test_mistaken_space_groups() -> None:
    head: Any = Head(lambda z, sizes: torch.zeros(len(z)))
    with pytest.raises(ConfigError, match=r"No cell of the formula .* at most 5 .* group 230"):
        prescribed(head, space_group=230)
    with pytest.raises(ConfigError, match="No cell of any number of atoms"):
        prescribed(head, None, space_group=230)
    head.space_groups = False
    with pytest.raises(ConfigError, match="cannot sample within a space group"):
        prescribed(head, space_group=225)
