"""Everything that is measured about a set of generated crystals, beside a reference."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any

from matsciml_core.errors import ConfigError, did_you_mean
from matsciml_core.interfaces.crystal import Crystal
from matsciml_core.progress import Report, silent
from matsciml_tool_generate.composition_validity import DEFAULT_TABLE, OxidationTable
from matsciml_tool_generate.coverage import CUTOFFS, Coverage, coverage
from matsciml_tool_generate.fingerprints import FingerprintCache
from matsciml_tool_generate.metrics_table import Measured, Metric, published, tabulate
from matsciml_tool_generate.stability import CUTOFF, EnergyModel, Stability, stability
from matsciml_tool_generate.structures import ParsedStructure
from matsciml_tool_generate.uniqueness import Duplicates, find_duplicates
from matsciml_tool_generate.validity import TIME_LIMIT, Validity, validate_all

SCHEMA = 1
"""Grows when a key of the JSON changes its meaning or goes away."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How to judge."""

    cutoffs: str = "mp20"
    """Which of ``CUTOFFS`` coverage uses."""
    published: tuple[str, ...] = ()
    """Whose published numbers stand beside; empty: those that belong to the cut-offs."""
    table: OxidationTable = DEFAULT_TABLE
    """The list of oxidation states."""
    fingerprints: bool = True
    """Whether to compute coverage, which takes by far the longest."""
    time_limit: float = TIME_LIMIT
    """Seconds that one fingerprint may take."""
    hull_cutoff: float = CUTOFF
    """eV/atom."""
    workers: int | None = None
    """Processes; None: one per core."""

    @property
    def beside(self) -> tuple[str, ...]:
        """Whose published numbers stand beside."""
        return self.published or _PUBLISHED[self.cutoffs]


_PUBLISHED = {"mp20": ("mp25", "mp20"), "perov": ("perov",), "carbon": ("carbon",)}
"""Published numbers that belong to the cut-offs."""


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """What is judged, and against what."""

    generated: Sequence[ParsedStructure]
    reference: Sequence[ParsedStructure]
    training: Sequence[ParsedStructure] = ()
    rejected: Mapping[str, int] = field(default_factory=dict)
    """Crystals that the generator gave up, by reason; they count as invalid."""
    names: Mapping[str, str] = field(default_factory=dict)
    """What the three are called: ``generated``, ``reference``, ``training``."""


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """What came out."""

    settings: Settings
    names: Mapping[str, str]
    sizes: Mapping[str, int]
    """Crystals: ``generated`` with the rejected ones, ``reference``, ``training``."""
    generated: tuple[ParsedStructure, ...]
    validities: tuple[Validity, ...]
    """Of the generated crystals."""
    reference: tuple[Validity, ...]
    rejected: Mapping[str, int]
    coverage: Coverage | None
    duplicates: Duplicates
    valid: tuple[int, ...]
    """Places of the valid crystals, which uniqueness and novelty are about."""
    stability: Stability | None
    metrics: tuple[Metric, ...]

    @property
    def faults(self) -> dict[str, int]:
        """How many crystals have which fault, the most frequent first."""
        return dict(
            Counter(fault_of(one) for one in self.validities if fault_of(one)).most_common()
        )

    def as_data(self) -> dict[str, Any]:
        """Return everything as plain data for JSON; numbers that are not finite become None."""
        return {
            "schema": SCHEMA,
            "settings": asdict(self.settings),
            "names": dict(self.names),
            "sizes": dict(self.sizes),
            "metrics": {one.key: _metric_as_data(one) for one in self.metrics},
            "rejected": dict(self.rejected),
            "faults": self.faults,
            "coverage": None if self.coverage is None else _finite(asdict(self.coverage)),
            "stability": None if self.stability is None else _stability_as_data(self.stability),
            "crystals": [self._crystal(place) for place in range(len(self.validities))],
        }

    def _crystal(self, place: int) -> dict[str, Any]:
        one, k = self.validities[place], self._among_valid.get(place)
        has_training = self.sizes["training"] > 0
        return _finite(
            {
                "id": one.name,
                "formula": one.formula,
                "atoms": one.atoms,
                "space_group": one.space_group,
                "volume_per_atom": one.volume_per_atom,
                "density": one.density,
                "shortest_distance": one.shortest_distance,
                "structure_valid": one.structure_valid,
                "composition_valid": one.composition_valid,
                "fault": fault_of(one),
                "same_as": None if k is None else self._leader(k),
                "known": self.duplicates.is_known[k] if k is not None and has_training else None,
                "energy_above_hull": self.above_hull(place),
            }
        )

    @cached_property
    def _among_valid(self) -> dict[int, int]:
        return {place: k for k, place in enumerate(self.valid)}

    def above_hull(self, place: int) -> float | None:
        """Return how far above the hull a generated crystal lies, eV/atom."""
        return None if self.stability is None else self.stability.above_hull[place]

    def _leader(self, k: int) -> str | None:
        leader = self.duplicates.group[k]
        return None if leader == k else self.validities[self.valid[leader]].name


def fault_of(one: Validity) -> str:
    """Return in words why a crystal is not valid; empty where it is."""
    if one.fault:
        return one.fault
    if not one.structure_valid:
        return "atoms are too close"
    if not one.composition_valid:
        return "the charges cannot balance"
    return f"no fingerprint: {one.fingerprint_fault}" if one.fingerprint_fault else ""


def evaluate_crystals(
    inputs: Inputs,
    settings: Settings,
    *,
    energy_model: EnergyModel | None = None,
    cache: FingerprintCache | None = None,
    report: Report = silent,
) -> Evaluation:
    """Judge generated crystals.

    Args:
        inputs: The crystals.
        settings: How to judge.
        energy_model: By whose energies stability is judged; None: it is not.
        cache: Where fingerprints are looked up and kept; None: nowhere.
        report: Receives progress.

    Returns:
        All metrics, and what is known about every crystal.

    Raises:
        ConfigError: A setting is unknown.
        DataError: The reference has no energies where a hull is asked for.
    """
    check(settings)
    judged = _judge(inputs, settings, cache, report)
    valid = tuple(place for place, one in enumerate(judged["generated"]) if one.valid)
    same = find_duplicates(
        _crystals([inputs.generated[place] for place in valid]),
        _crystals(inputs.training),
        workers=settings.workers,
        report=report,
    )
    stable = energies = None
    if energy_model is not None:
        stable, energies = _stability(inputs, judged, settings, energy_model, report)
    parts = {"generated": inputs.generated, "reference": inputs.reference}
    sizes = {name: len(part) for name, part in parts.items()} | {"training": len(inputs.training)}
    sizes["generated"] += sum(inputs.rejected.values())
    found = Measured(
        generated=judged["generated"],
        reference=judged["reference"],
        sizes=sizes,
        coverage=_coverage(judged, sizes["generated"], settings),
        duplicates=same,
        stability=stable,
        energies=energies,
    )
    return Evaluation(
        settings=settings,
        names=inputs.names,
        sizes=sizes,
        generated=tuple(inputs.generated),
        validities=tuple(judged["generated"]),
        reference=tuple(judged["reference"]),
        rejected=inputs.rejected,
        coverage=found.coverage,
        duplicates=same,
        valid=valid,
        stability=stable,
        metrics=tuple(tabulate(found, settings.beside)),
    )


def check(settings: Settings) -> None:
    """Reject names of sets that do not exist.

    Raises:
        ConfigError: A name is unknown.
    """
    wanted: list[tuple[str, list[str]]] = [(settings.cutoffs, list(CUTOFFS))]
    wanted += [(name, list(published())) for name in settings.published]
    for name, known in wanted:
        if name not in known:
            raise ConfigError(
                f"There is no set '{name}'.{did_you_mean(name, known)} Sets: {', '.join(known)}."
            )


def _judge(
    inputs: Inputs, settings: Settings, cache: FingerprintCache | None, report: Report
) -> dict[str, list[Validity]]:
    jobs = (
        ("generated", "generated crystals", inputs.generated),
        ("reference", "the reference", inputs.reference),
    )
    return {
        name: validate_all(
            candidates,
            fingerprints=settings.fingerprints,
            table=settings.table,
            limit=settings.time_limit,
            cache=cache,
            workers=settings.workers,
            label=f"judging {label}",
            report=report,
        )
        for name, label, candidates in jobs
    }


def _coverage(
    judged: Mapping[str, Sequence[Validity]], number: int, settings: Settings
) -> Coverage | None:
    if not settings.fingerprints:
        return None
    generated, reference = (
        [one.fingerprint for one in judged[name] if one.fingerprint is not None]
        for name in ("generated", "reference")
    )
    return coverage(generated, reference, CUTOFFS[settings.cutoffs], number)


def _stability(
    inputs: Inputs,
    judged: Mapping[str, Sequence[Validity]],
    settings: Settings,
    model: EnergyModel,
    report: Report,
) -> tuple[Stability, tuple[Sequence[float | None], Sequence[float | None]]]:
    """Return the stability, and the energies predicted for generated crystals and reference."""
    # A model asked about atoms on top of each other says nothing, and may take forever.
    crystals = [
        one.crystal if found.structure_valid and found.space_group else None
        for one, found in zip(inputs.generated, judged["generated"], strict=True)
    ]
    energies = model.energies(crystals, report, "energies of generated crystals")
    pool = (*inputs.reference, *inputs.training)
    names = [inputs.names.get(key, key) for key in ("reference", "training")]
    stable = stability(
        crystals,
        energies,
        pool,
        model,
        cutoff=settings.hull_cutoff,
        reference_name=" and ".join(names if inputs.training else names[:1]),
        number=len(crystals) + sum(inputs.rejected.values()),
        report=report,
    )
    truth = [one.crystal for one in inputs.reference]
    return stable, (energies, model.energies(truth, report, "energies of the reference"))


def _crystals(candidates: Sequence[ParsedStructure]) -> list[Crystal]:
    return [one.crystal for one in candidates if one.crystal is not None]


def _metric_as_data(one: Metric) -> dict[str, Any]:
    return _finite(asdict(one))


def _stability_as_data(one: Stability) -> dict[str, Any]:
    data = asdict(one)
    for key in ("energies", "above_hull"):
        del data[key]  # they stand with the crystals
    return _finite(data)


def _finite(data: dict[str, Any]) -> dict[str, Any]:
    return {
        key: None if isinstance(value, float) and not math.isfinite(value) else value
        for key, value in data.items()
    }
