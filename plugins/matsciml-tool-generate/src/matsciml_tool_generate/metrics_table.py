"""The table of metrics, beside the reference's own values and the published ones."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
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
"""Unit of metrics that are shown in per cent."""


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
class Measurements:
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


@cache
def published() -> Mapping[str, Any]:
    """Return the published numbers: set → ``title`` and ``values`` by key of a metric."""
    text = files("matsciml_tool_generate").joinpath("published.json").read_text("utf-8")
    sets: Mapping[str, Any] = json.loads(text)["sets"]
    return sets


def tabulate(measured: Measurements, names: Sequence[str]) -> list[Metric]:
    """Return the lines of the table.

    Args:
        measured: The measurements.
        names: Sets whose published numbers stand beside; see :func:`published`.
    """
    values = {name: published()[name]["values"] for name in names}
    lines = (*_shares(measured), *_distances(measured), *_among_valid(measured))
    return [
        replace(
            line,
            published={name: of[line.key] for name, of in values.items() if line.key in of},
        )
        for line in lines
    ]


def _shares(measured: Measurements) -> Iterator[Metric]:
    """Yield validity and coverage, of all crystals that were asked for."""
    generated, reference = measured.generated, measured.reference
    number = measured.sizes["generated"]
    for key, title, attribute in (
        ("structure_validity", "structure validity", "structure_valid"),
        ("composition_validity", "composition validity", "composition_valid"),
        ("validity", "both", "valid"),
    ):
        valid, true = (
            sum(getattr(validity, attribute) for validity in validities)
            for validities in (generated, reference)
        )
        yield Metric(
            key=key,
            title=title,
            # Latent vectors of which no crystal came are in the divisor, as invalid.
            value=valid / number if number else float("nan"),
            unit=SHARE,
            # Real crystals fail some rules too: the bound of what a generator can reach.
            reference=true / max(len(reference), 1),
        )
    if measured.coverage is not None:
        for key in ("recall", "precision"):
            yield Metric(
                key=f"coverage_{key}",
                title=f"coverage {key}",
                value=getattr(measured.coverage, key),
                unit=SHARE,
            )


def _distances(measured: Measurements) -> Iterator[Metric]:
    """Yield Wasserstein distances, of valid generated crystals to all of the reference."""
    # One collapsed cell has a density of thousands of g/cm³, and would be the whole distance.
    valid = [validity for validity in measured.generated if validity.valid]
    for key, title, attribute, unit in (
        ("density_distance", "distance of densities", "density", "g/cm³"),
        ("elements_distance", "distance of numbers of elements", "elements", ""),
    ):
        samples = (
            [value for item in sample if (value := getattr(item, attribute)) is not None]
            for sample in (valid, measured.reference)
        )
        yield Metric(
            key=key,
            title=title,
            value=wasserstein_distance(*samples),
            unit=unit,
            note="Wasserstein-1, valid crystals",
        )
    if measured.energies is not None:
        energies, reference = measured.energies
        # Crystals that the model cannot evaluate are left out, as they have no place on the axis.
        pairs = zip(measured.generated, energies, strict=True)
        yield Metric(
            key="energy_distance",
            title="distance of energies",
            value=wasserstein_distance(
                [energy for validity, energy in pairs if validity.valid and energy is not None],
                [energy for energy in reference if energy is not None],
            ),
            unit="eV/atom",
            note="Wasserstein-1, both predicted by the energy model",
        )


def _among_valid(measured: Measurements) -> Iterator[Metric]:
    """Yield uniqueness, novelty and stability."""
    yield Metric(
        key="uniqueness",
        title="uniqueness",
        value=measured.duplicates.uniqueness,
        unit=SHARE,
        note="different ones among the valid",
    )
    if measured.sizes["training"]:  # without a training set everything would be novel
        yield Metric(
            key="novelty",
            title="novelty",
            value=measured.duplicates.novelty,
            unit=SHARE,
            note="not in the training set, of the valid",
        )
    if measured.stability is not None:
        stable = measured.stability
        yield Metric(
            key="stability",
            title="stability",
            value=stable.stable,
            unit=SHARE,
            note=f"at most {stable.cutoff:g} eV/atom above the hull of {stable.reference} by "
            f"{stable.label}",
        )
        if measured.sizes["training"]:
            yield Metric(
                key="stable_unique_novel",
                title="stable, unique and novel",
                value=_stable_unique_novel(measured, stable),
                unit=SHARE,
                note="of all, each of these as above; unrelaxed",
            )


def _stable_unique_novel(measured: Measurements, stable: Stability) -> float:
    """Return the share of all generated crystals that are stable, unique and novel.

    References:
        Zeni et al., Nature 639, 624 (2025), arXiv:2312.03687, who relax crystals first.
    """
    valid = [index for index, validity in enumerate(measured.generated) if validity.valid]
    found = set()
    duplicates = zip(
        valid, measured.duplicates.representative, measured.duplicates.in_training, strict=True
    )
    for index, representative, in_training in duplicates:
        above = stable.above_hull[index]
        if not in_training and above is not None and above <= stable.cutoff:
            found.add(representative)  # of several that are the same, one counts
    number = measured.sizes["generated"]
    return len(found) / number if number else float("nan")
