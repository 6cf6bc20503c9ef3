"""The crystals with the largest errors, each with a picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from markupsafe import Markup

from matsciml_core.data.symmetry.orbits import space_group_symbol
from matsciml_core.interfaces.crystal import Crystal
from matsciml_core.interfaces.crystal_systems import SPACE_GROUPS, crystal_system
from matsciml_core.interfaces.elements import formula, symbol
from matsciml_core.registry.targets import TargetInfo
from matsciml_tool_report.crystal_files import CrystalFiles, PicturedCrystal
from matsciml_tool_report.error_summary import TestedValue, worst_values
from matsciml_tool_report.run_targets import Target
from matsciml_util_pages.crystal_pictures import picture
from matsciml_util_pages.numbers import number, quantity
from matsciml_util_pages.run_files import Predictions
from matsciml_util_pages.views import Fact, View, facts


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
class Gallery(View):
    """The crystals with the largest errors."""

    template: ClassVar[str] = "matsciml_tool_report/assets/gallery.html.j2"

    title: str
    cards: Sequence[CrystalCard]
    note: str


def gallery(target: Target, values: Predictions, crystals: CrystalFiles) -> Gallery | None:
    """Return the worst crystals of a target; None where there is none, or none is known.

    Args:
        target: The target.
        values: At least one label and prediction.
        crystals: What is known about the crystals.
    """
    worst = worst_values(target.info, values)
    # A crystal may have left the data since, and the others are shown nevertheless.
    pictured = [crystals.worst.get((target.dataset, value.id)) for value in worst]
    if not any(pictured):
        return None
    what, note = "predicted wrong with the highest probability", ""
    if not target.is_class:
        what, note = "with the largest errors", " Error is prediction minus label"
        note += "." if values.one_per_crystal else "; of each crystal, the worst of its values."
    many = "The crystal" if len(worst) == 1 else f"The {len(worst)} crystals"
    return Gallery(
        title=f"{many} of the test set {what}",
        cards=[_card(target, *pair) for pair in zip(worst, pictured, strict=True)],
        note="The cell is drawn with the atoms in it; those on its faces are drawn on both sides."
        + note,
    )


def _card(target: Target, value: TestedValue, pictured: PicturedCrystal | None) -> CrystalCard:
    if pictured is None:
        return CrystalCard(
            id=value.id,
            picture=None,
            missing="not in the data",
            formula="",
            symmetry="",
            facts=_facts(target, value, None),
        )
    crystal, group = pictured.crystal, pictured.space_group
    if np.linalg.matrix_rank(crystal.cell) < 3:  # a molecule, or a slab without a third vector
        svg, missing = None, "no cell to draw"
    else:
        svg, missing = picture(crystal), f"{crystal.num_atoms} atoms: too many to draw"
    return CrystalCard(
        id=value.id,
        picture=svg,
        missing="" if svg else missing,
        formula=formula(crystal.atomic_numbers, reduced=True),
        symmetry="space group not known"
        if group is None
        else f"{space_group_symbol(group)} ({group}), {crystal_system(group)}",
        facts=_facts(target, value, crystal),
    )


def _facts(target: Target, value: TestedValue, crystal: Crystal | None) -> list[Fact]:
    if target.is_class:
        return facts(
            ("Class", class_name(value.label, target.info.num_classes)),
            ("Predicted", class_name(value.prediction, target.info.num_classes)),
            ("Probability", None if value.probability is None else number(value.probability)),
        )
    return facts(
        ("Value", value_name(target.info, value.index, crystal)),
        ("Label", quantity(value.label, target.unit)),
        ("Prediction", quantity(value.prediction, target.unit)),
        ("Error", quantity(value.error, target.unit, signed=True)),
    )


def class_name(value: float, num_classes: int | None) -> str:
    """Return the name of a class; that of a space group is its symbol.

    >>> class_name(224.0, 230), class_name(1.0, 2)
    ('Fm-3m', '1')
    """
    # Other classes have no names in a run folder.
    if num_classes == SPACE_GROUPS and 0 <= value < SPACE_GROUPS:
        return space_group_symbol(int(value) + 1)
    return f"{value:.0f}"


def value_name(info: TargetInfo, index: int, crystal: Crystal | None) -> str:
    """Say which of a crystal's values it is, for example ``x of atom 3 (Li)``.

    Args:
        info: The label.
        index: Of the value within its crystal: width · atom + component.
        crystal: The crystal, where it is known.
    """
    atom, component = divmod(index, info.width)
    name = info.components[component] if info.shape else ""
    if not info.per_atom:
        return name
    # The data may have changed since the run; a wrong element would be worse than none.
    if crystal is None or atom >= crystal.num_atoms:
        return ""
    text = f"atom {atom + 1} ({symbol(int(crystal.atomic_numbers[atom]))})"
    return f"{name} of {text}" if name else text
