"""Pictures of crystals: what is drawn, and that it stays inside."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import numpy as np
import pytest

from matsciml_core import Crystal
from matsciml_core.testing.crystals import all_crystals
from matsciml_util_pages.crystal_pictures import colour, element_name, picture


@pytest.mark.parametrize("crystal", all_crystals(), ids=lambda one: one.id)
def test_everything_is_inside(crystal: Crystal) -> None:
    root = ElementTree.fromstring(str(picture(crystal)))
    size = float(root.attrib["viewBox"].split()[2])
    balls = [child for child in root if child.tag == "circle"]
    assert len(balls) >= crystal.num_atoms
    for ball in balls:
        x, y, radius = (float(ball.attrib[key]) for key in ("cx", "cy", "r"))
        assert radius > 0
        assert min(x, y) - radius >= -0.2
        assert max(x, y) + radius <= size + 0.2


def test_atom_at_the_corner_is_drawn_eight_times() -> None:
    crystal = Crystal(
        id="Po", atomic_numbers=[84], positions=np.zeros((1, 3)), cell=np.eye(3) * 3.35
    )
    assert str(picture(crystal)).count("<circle") == 8


def test_colours() -> None:
    assert colour(8) == "#ff0d0d"
    assert len({colour(number) for number in range(1, 119)}) > 90
    assert re.fullmatch(r"hsl\(\d+ 55% 60%\)", colour(118))


def test_too_many_atoms() -> None:
    random = np.random.default_rng(0)
    crystal = Crystal(
        id="many",
        atomic_numbers=np.full(300, 6),
        positions=random.random((300, 3)) * 20,
        cell=np.eye(3) * 20,
    )
    assert picture(crystal) is None


def test_elements_have_names() -> None:
    assert [element_name(number) for number in (1, 57, 118)] == [
        "Hydrogen",
        "Lanthanum",
        "Oganesson",
    ]
