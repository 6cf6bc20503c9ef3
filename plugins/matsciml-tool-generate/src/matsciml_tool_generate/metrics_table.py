"""The table of metrics, beside the reference's own values and the published ones."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from importlib.resources import files
from typing import Any

from matsciml_tool_generate.coverage import Coverage
from matsciml_tool_generate.distributions import wasserstein_distance
from matsciml_tool_generate.stability import Stability
from matsciml_tool_generate.uniqueness import Duplicates
from matsciml_tool_generate.validity import Validity

SHARE = "share"
"""Unit of what is shown in per cent."""


@dataclass(frozen=True, kw_only=True)
class Metric:
    """One line of the table."""

    key: str
    """Name in the JSON."""
    title: str
    value: float
    """NaN where it could not be computed."""
    unit: str = ""
    """``share``, or a unit; empty: dimensionless."""
    reference: float | None = None
    """The same of the reference itself, where that makes sense."""
    published: Mapping[str, float] = field(default_factory=dict)
    """Published values by set, see :func:`published`."""
    note: str = ""
    """What a reader must know, in a few words."""


@dataclass(frozen=True, kw_only=True)
class Measured:
    """Everything that the table is made of."""

    generated: Sequence[Validity]
    reference: Sequence[Validity]
    sizes: Mapping[str, int]
    """Crystals: ``generated`` with the rejected ones, ``reference``, ``training``."""
    coverage: Coverage | None
    duplicates: Duplicates
    stability: Stability | None
    energies: tuple[Sequence[float | None], Sequence[float | None]] | None
    """Predicted, of the generated crystals and of the reference, eV/atom."""


def published() -> dict[str, dict[str, Any]]:
    """Return the published numbers: set → ``title`` and ``values`` by key of a metric."""
    return dict(_read()["sets"])


def tabulate(found: Measured, names: Sequence[str]) -> list[Metric]:
    """Return the lines of the table.

    Args:
        found: What was measured.
        names: Whose published numbers stand beside; see :func:`published`.
    """
    known = {name: published()[name]["values"] for name in names}
    lines = (*_validities(found), *_coverages(found), *_distances(found), *_others(found))
    return [
        replace(
            line,
            published={name: of[line.key] for name, of in known.items() if line.key in of},
        )
        for line in lines
    ]


def _validities(found: Measured) -> Iterator[Metric]:
    number = found.sizes["generated"]
    for key, title, holds in _VALIDITIES:
        yield Metric(
            key=key,
            title=title,
            value=sum(map(holds, found.generated)) / number if number else float("nan"),
            unit=SHARE,
            reference=sum(map(holds, found.reference)) / max(len(found.reference), 1),
        )


_VALIDITIES: tuple[tuple[str, str, Callable[[Validity], bool]], ...] = (
    ("structure_validity", "structure validity", lambda one: one.structure_valid),
    ("composition_validity", "composition validity", lambda one: one.composition_valid),
    ("validity", "both", lambda one: one.valid),
)


def _coverages(found: Measured) -> Iterator[Metric]:
    one = found.coverage
    if one is None:
        return
    yield Metric(key="coverage_recall", title="coverage recall", value=one.recall, unit=SHARE)
    yield Metric(
        key="coverage_precision", title="coverage precision", value=one.precision, unit=SHARE
    )


def _distances(found: Measured) -> Iterator[Metric]:
    valid = [one for one in found.generated if one.valid]
    yield Metric(
        key="density_distance",
        title="distance of densities",
        value=wasserstein_distance(_densities(valid), _densities(found.reference)),
        unit="g/cm³",
        note="Wasserstein-1, valid crystals",
    )
    yield Metric(
        key="elements_distance",
        title="distance of numbers of elements",
        value=wasserstein_distance(
            [one.elements for one in valid], [one.elements for one in found.reference]
        ),
        note="Wasserstein-1, valid crystals",
    )
    if found.energies is not None:
        energies, reference = found.energies
        pairs = zip(found.generated, energies, strict=True)
        yield Metric(
            key="energy_distance",
            title="distance of energies",
            value=wasserstein_distance(
                [energy for one, energy in pairs if one.valid and energy is not None],
                [energy for energy in reference if energy is not None],
            ),
            unit="eV/atom",
            note="Wasserstein-1, both predicted by the energy model",
        )


def _others(found: Measured) -> Iterator[Metric]:
    yield Metric(
        key="uniqueness",
        title="uniqueness",
        value=found.duplicates.uniqueness,
        unit=SHARE,
        note="different ones among the valid",
    )
    if found.sizes["training"]:
        yield Metric(
            key="novelty",
            title="novelty",
            value=found.duplicates.novelty,
            unit=SHARE,
            note="not in the training set, of the valid",
        )
    if found.stability is not None:
        one = found.stability
        yield Metric(
            key="stability",
            title="stability",
            value=one.stable,
            unit=SHARE,
            note=f"at most {one.cutoff:g} eV/atom above the hull of {one.reference} by {one.label}",
        )


def _densities(judged: Sequence[Validity]) -> list[float]:
    return [one.density for one in judged if one.density is not None]


@cache
def _read() -> dict[str, Any]:
    text = files("matsciml_tool_generate").joinpath("published.json").read_text("utf-8")
    data: dict[str, Any] = json.loads(text)
    return data
