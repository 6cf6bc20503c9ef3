"""The crystals with the largest errors, each with a picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup

from matsciml_core.data.symmetry.orbits import space_group_symbol
from matsciml_core.interfaces.crystal import Crystal
from matsciml_core.interfaces.crystal_systems import crystal_system
from matsciml_core.interfaces.elements import formula, symbol
from matsciml_core.registry.targets import TargetInfo
from matsciml_tool_report.classes import SPACE_GROUPS
from matsciml_tool_report.crystals import KnownCrystals
from matsciml_tool_report.error_summary import WorstCrystal, worst_of
from matsciml_tool_report.targets import Target
from matsciml_util_pages.crystal_pictures import picture
from matsciml_util_pages.numbers import number, quantity
from matsciml_util_pages.run_files import Predictions
from matsciml_util_pages.views import Fact, facts


@dataclass(frozen=True, kw_only=True)
class CrystalCard:
    """A crystal as the page shows it."""

    id: str
    picture: Markup | None
    missing: str
    """Why there is no picture."""
    formula: str
    symmetry: str
    facts: Sequence[Fact]


@dataclass(frozen=True, kw_only=True)
class Gallery:
    """The crystals with the largest errors."""

    title: str
    cards: Sequence[CrystalCard]
    note: str


def gallery(target: Target, values: Predictions, known: KnownCrystals) -> Gallery | None:
    """Return the worst crystals of a target; None where there is none, or none is known.

    Args:
        target: The target.
        values: At least one label and prediction.
        known: What is known about the crystals.
    """
    found = worst_of(target.info, values)
    if not any((target.dataset, one.id) in known.worst for one in found):
        return None
    classes = target.is_class
    what = "predicted wrong with the highest probability" if classes else "with the largest errors"
    noun = "The crystal" if len(found) == 1 else f"The {len(found)} crystals"
    note = "The cell is drawn with the atoms in it; those on its faces are drawn on both sides."
    if not classes:
        note += " Error is prediction minus label"
        note += "." if values.one_per_crystal else "; of each crystal, the worst of its values."
    return Gallery(
        title=f"{noun} of the test set {what}",
        cards=[_card(target, one, known) for one in found],
        note=note,
    )


def _card(target: Target, one: WorstCrystal, known: KnownCrystals) -> CrystalCard:
    found = known.worst.get((target.dataset, one.id))
    if found is None:
        return CrystalCard(
            id=one.id,
            picture=None,
            missing="not in the data",
            formula="",
            symmetry="",
            facts=_facts(target, one, None),
        )
    crystal = found.crystal
    drawn, missing = _picture(crystal)
    return CrystalCard(
        id=one.id,
        picture=drawn,
        missing=missing,
        formula=formula(crystal.atomic_numbers, reduced=True),
        symmetry=_symmetry(found.space_group),
        facts=_facts(target, one, crystal),
    )


def _picture(crystal: Crystal) -> tuple[Markup | None, str]:
    """Return the drawing of a crystal, or why there is none."""
    if np.linalg.matrix_rank(crystal.cell) < 3:
        return None, "no cell to draw"
    drawn = picture(crystal)
    return drawn, "" if drawn else f"{crystal.num_atoms} atoms: too many to draw"


def _symmetry(space_group: int | None) -> str:
    if space_group is None:
        return "space group not known"
    return f"{space_group_symbol(space_group)} ({space_group}), {crystal_system(space_group)}"


def _facts(target: Target, one: WorstCrystal, crystal: Crystal | None) -> list[Fact]:
    if target.is_class:
        return facts(
            ("Class", class_name(one.label, target.info.num_classes)),
            ("Predicted", class_name(one.prediction, target.info.num_classes)),
            ("Probability", None if one.probability is None else number(one.probability)),
        )
    return facts(
        ("Value", value_name(target.info, one.place, crystal)),
        ("Label", quantity(one.label, target.unit)),
        ("Prediction", quantity(one.prediction, target.unit)),
        ("Error", quantity(one.error, target.unit, signed=True)),
    )


def class_name(value: float, num_classes: int | None) -> str:
    """Return the name of a class; that of a space group is its symbol.

    >>> class_name(224.0, 230), class_name(1.0, 2)
    ('Fm-3m', '1')
    """
    if num_classes == SPACE_GROUPS and 0 <= value < SPACE_GROUPS:
        return space_group_symbol(int(value) + 1)
    return f"{value:.0f}"


def value_name(info: TargetInfo, place: int, crystal: Crystal | None) -> str:
    """Say which of a crystal's values it is, for example ``x of atom 3 (Li)``.

    Args:
        info: The label.
        place: Number of the value within its crystal: width · atom + component.
        crystal: The crystal, where it is known.
    """
    atom, component = divmod(place, info.width)
    name = info.components[component] if info.shape else ""
    if not info.per_atom:
        return name
    if crystal is None or atom >= crystal.num_atoms:
        return ""
    text = f"atom {atom + 1} ({symbol(int(crystal.atomic_numbers[atom]))})"
    return f"{name} of {text}" if name else text
