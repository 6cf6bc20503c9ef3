"""The evaluation of a set of generated crystals, beside a reference."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from matsciml_core.errors import ConfigError, did_you_mean
from matsciml_core.interfaces.crystal import Crystal
from matsciml_core.progress import Report, silent
from matsciml_tool_generate.baselines import TITLES, baselines
from matsciml_tool_generate.composition_validity import DEFAULT_TABLE, OxidationTable
from matsciml_tool_generate.coverage import CUTOFFS, Coverage, coverage
from matsciml_tool_generate.fingerprints import FingerprintCache
from matsciml_tool_generate.metrics_table import Measurements, Metric, published, tabulate
from matsciml_tool_generate.stability import CUTOFF, EnergyModel, Stability, stability
from matsciml_tool_generate.structures import ParsedStructure
from matsciml_tool_generate.uniqueness import Duplicates, find_duplicates
from matsciml_tool_generate.validity import TIME_LIMIT, Validity, ValidityOptions, validate_all

SCHEMA = 1
"""Grows when a key of the JSON changes its meaning or goes away."""
_PUBLISHED = {"mp20": ("mp25", "mp20"), "perov": ("perov",), "carbon": ("carbon",)}
"""Published numbers that belong to the cut-offs."""
Energies = tuple[Sequence[float | None], Sequence[float | None]]
"""Predicted, of the generated crystals and of the reference, eV/atom."""


@dataclass(frozen=True, kw_only=True)
class EvaluationSettings:
    """Settings of an evaluation."""

    cutoffs: str = "mp20"
    """Which of ``CUTOFFS`` coverage uses."""
    published: tuple[str, ...] = ()
    """Sets whose published numbers stand beside; empty: those that belong to the cut-offs."""
    oxidation_states: OxidationTable = DEFAULT_TABLE
    """The list of oxidation states."""
    fingerprints: bool = True
    """Whether to compute coverage, which takes by far the longest."""
    time_limit: float = TIME_LIMIT
    """Seconds that one fingerprint may take."""
    hull_cutoff: float = CUTOFF
    """eV/atom."""
    baselines: bool = False
    """Whether as many real crystals and averages of the training set are evaluated, too."""
    workers: int | None = None
    """Processes; None: one per core."""

    @property
    def published_sets(self) -> tuple[str, ...]:
        """Sets whose published numbers stand beside."""
        return self.published or _PUBLISHED[self.cutoffs]

    def check(self) -> None:
        """Reject names of sets that do not exist.

        Raises:
            ConfigError: A name is unknown.
        """
        names = [(self.cutoffs, list(CUTOFFS))]
        names += [(name, list(published())) for name in self.published]
        for name, sets in names:
            if name not in sets:
                raise ConfigError(
                    f"There is no set '{name}'.{did_you_mean(name, sets)} Sets: {', '.join(sets)}."
                )


@dataclass(frozen=True, kw_only=True)
class EvaluationInputs:
    """The crystals to evaluate, and those to compare them with."""

    generated: Sequence[ParsedStructure]
    reference: Sequence[ParsedStructure]
    training: Sequence[ParsedStructure] = ()
    rejected: Mapping[str, int] = field(default_factory=dict)
    """Crystals that the sampler rejected, by reason; they count as invalid."""
    names: Mapping[str, str] = field(default_factory=dict)
    """Names of the three: ``generated``, ``reference``, ``training``."""

    @property
    def sizes(self) -> dict[str, int]:
        """Crystals of the three, with the rejected ones among the generated."""
        return {
            "generated": len(self.generated) + sum(self.rejected.values()),
            "reference": len(self.reference),
            "training": len(self.training),
        }


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """Result of an evaluation."""

    settings: EvaluationSettings
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
    """Indices of the valid crystals, which uniqueness and novelty are about."""
    stability: Stability | None
    metrics: tuple[Metric, ...]
    baselines: Mapping[str, tuple[Metric, ...]] = field(default_factory=dict)
    """Metrics of crystals without a model, by the names of ``baselines.TITLES``; none of
    stability."""

    @property
    def faults(self) -> dict[str, int]:
        """Crystals that are not valid, by reason, the most frequent first."""
        reasons = (validity.reason for validity in self.validities)
        return dict(Counter(reason for reason in reasons if reason).most_common())

    @property
    def baseline_titles(self) -> list[str]:
        """Titles of the baselines' columns."""
        return [TITLES[name] for name in self.baselines]

    def values(self, metric: Metric) -> list[float | None]:
        """Return a line of the table; None where a column has no value.

        Generated crystals come first, then the reference itself, each baseline, and each of
        ``settings.published_sets``.
        """
        without = [
            next((line.value for line in lines if line.key == metric.key), None)
            for lines in self.baselines.values()
        ]
        sets = self.settings.published_sets
        beside = [metric.published.get(name) for name in sets]
        return [metric.value, metric.reference, *without, *beside]

    def above_hull(self, index: int) -> float | None:
        """Return how far above the hull a generated crystal lies, eV/atom."""
        return None if self.stability is None else self.stability.above_hull[index]

    def as_data(self) -> dict[str, Any]:
        """Return everything as plain data for JSON; numbers that are not finite become None."""
        positions = {index: position for position, index in enumerate(self.valid)}
        stable = None if self.stability is None else asdict(self.stability)
        for key in ("energies", "above_hull"):
            (stable or {}).pop(key, None)  # they stand with the crystals
        return {
            "schema": SCHEMA,
            "settings": asdict(self.settings),
            "names": dict(self.names),
            "sizes": dict(self.sizes),
            "metrics": {metric.key: _finite(asdict(metric)) for metric in self.metrics},
            "baselines": {
                name: _finite({metric.key: metric.value for metric in metrics})
                for name, metrics in self.baselines.items()
            },
            "rejected": dict(self.rejected),
            "faults": self.faults,
            "coverage": None if self.coverage is None else _finite(asdict(self.coverage)),
            "stability": None if stable is None else _finite(stable),
            "crystals": [
                self._crystal(index, positions.get(index)) for index in range(len(self.validities))
            ],
        }

    def _crystal(self, index: int, position: int | None) -> dict[str, Any]:
        """Return the record of a crystal; ``position``: its own among the valid ones, if it is."""
        validity = self.validities[index]
        duplicate_of = in_training = None  # only valid crystals are compared
        if position is not None:
            leader = self.duplicates.representative[position]
            if leader != position:
                duplicate_of = self.validities[self.valid[leader]].name
            if self.sizes["training"]:
                in_training = self.duplicates.in_training[position]
        return _finite(
            {
                "id": validity.name,
                "formula": validity.formula,
                "atoms": validity.atoms,
                "space_group": validity.space_group,
                "volume_per_atom": validity.volume_per_atom,
                "density": validity.density,
                "shortest_distance": validity.shortest_distance,
                "structure_valid": validity.structure_valid,
                "composition_valid": validity.composition_valid,
                "fault": validity.reason,
                "duplicate_of": duplicate_of,
                "in_training": in_training,
                "energy_above_hull": self.above_hull(index),
            }
        )


def evaluate_crystals(
    inputs: EvaluationInputs,
    settings: EvaluationSettings,
    *,
    energy_model: EnergyModel | None = None,
    cache: FingerprintCache | None = None,
    report: Report = silent,
) -> Evaluation:
    """Evaluate generated crystals.

    Args:
        inputs: The crystals.
        settings: Settings.
        energy_model: The model whose energies decide on stability; None: it is not evaluated.
        cache: Cache of fingerprints; None: there is none.
        report: Receives progress.

    Returns:
        All metrics, and a record of every crystal.

    Raises:
        ConfigError: A setting is unknown, or baselines have no training set to be made of.
        DataError: The reference has no energies where a hull is asked for.
    """
    settings.check()
    if settings.baselines and not inputs.training:
        raise ConfigError(
            "Baselines are made of the training set; name it with --reference-train, or leave out "
            "--baselines."
        )

    def validate(structures: Sequence[ParsedStructure], label: str) -> list[Validity]:
        return validate_all(
            structures,
            ValidityOptions(
                fingerprints=settings.fingerprints,
                table=settings.oxidation_states,
                time_limit=settings.time_limit,
            ),
            cache=cache,
            workers=settings.workers,
            label=f"validity of {label}",
            report=report,
        )

    generated = validate(inputs.generated, "generated crystals")
    # The reference too: its own validity is the bound of what a generator can reach.
    reference = validate(inputs.reference, "the reference")
    stable, energies = None, None
    if energy_model is not None:
        stable, energies = _stability(inputs, generated, settings, energy_model, report)
    measured = replace(
        _measure(inputs, generated, reference, settings, report),
        stability=stable,
        energies=energies,
    )
    beside = {}
    if settings.baselines:
        training = _crystals(inputs.training)
        for name, crystals in baselines(training, inputs.sizes["generated"]).items():
            others = replace(
                inputs, generated=[*map(ParsedStructure.from_crystal, crystals)], rejected={}
            )
            validities = validate(others.generated, TITLES[name])
            lines = tabulate(_measure(others, validities, reference, settings, report), ())
            beside[name] = tuple(lines)
    return Evaluation(
        settings=settings,
        names=inputs.names,
        sizes=inputs.sizes,
        generated=tuple(inputs.generated),
        validities=tuple(generated),
        reference=tuple(reference),
        rejected=inputs.rejected,
        coverage=measured.coverage,
        duplicates=measured.duplicates,
        valid=_valid(generated),
        stability=stable,
        metrics=tuple(tabulate(measured, settings.published_sets)),
        baselines=beside,
    )


def _valid(validities: Sequence[Validity]) -> tuple[int, ...]:
    """Return the indices of the valid crystals."""
    return tuple(index for index, validity in enumerate(validities) if validity.valid)


def _measure(
    inputs: EvaluationInputs,
    generated: Sequence[Validity],
    reference: Sequence[Validity],
    settings: EvaluationSettings,
    report: Report,
) -> Measurements:
    """Return what is measured without an energy model."""
    # Invalid crystals are left out: an overlapping pair of atoms would count as novel.
    duplicates = find_duplicates(
        _crystals([inputs.generated[index] for index in _valid(generated)]),
        _crystals(inputs.training),
        workers=settings.workers,
        report=report,
    )
    return Measurements(
        generated=generated,
        reference=reference,
        sizes=inputs.sizes,
        coverage=_coverage(generated, reference, inputs, settings),
        duplicates=duplicates,
        stability=None,
        energies=None,
    )


def _coverage(
    generated: Sequence[Validity],
    reference: Sequence[Validity],
    inputs: EvaluationInputs,
    settings: EvaluationSettings,
) -> Coverage | None:
    """Return the coverage; None where it was not asked for."""
    if not settings.fingerprints:
        return None
    return coverage(
        [validity.fingerprint for validity in generated if validity.fingerprint is not None],
        [validity.fingerprint for validity in reference if validity.fingerprint is not None],
        CUTOFFS[settings.cutoffs],
        inputs.sizes["generated"],  # crystals without a fingerprint are covered by none
    )


def _stability(
    inputs: EvaluationInputs,
    generated: Sequence[Validity],
    settings: EvaluationSettings,
    model: EnergyModel,
    report: Report,
) -> tuple[Stability, Energies]:
    """Return the stability, and the energies predicted for generated crystals and reference."""
    # A model's energy of atoms on top of each other means nothing, and may take forever.
    crystals = [
        structure.crystal if validity.structure_valid and validity.space_group else None
        for structure, validity in zip(inputs.generated, generated, strict=True)
    ]
    energies = model.energies(crystals, report, "energies of generated crystals")
    names = [inputs.names.get(key, key) for key in ("reference", "training")]
    # Predicted for the reference as well, so that the model's bias drops out of their distance.
    truth = [structure.crystal for structure in inputs.reference]
    predicted = model.energies(truth, report, "energies of the reference")
    reference: Sequence[ParsedStructure] = (*inputs.reference, *inputs.training)
    if model.pretrained:
        training = [structure.crystal for structure in inputs.training]
        more = model.energies(training, report, "energies of the training set")
        reference = model.label_reference(reference, [*predicted, *more])
    stable = stability(
        crystals,
        energies,
        reference,
        model,
        cutoff=settings.hull_cutoff,
        reference_name=" and ".join(names if inputs.training else names[:1]),
        number=inputs.sizes["generated"],
        report=report,
    )
    return stable, (energies, predicted)


def _crystals(structures: Sequence[ParsedStructure]) -> list[Crystal]:
    return [structure.crystal for structure in structures if structure.crystal is not None]


def _finite(data: dict[str, Any]) -> dict[str, Any]:
    """Replace numbers that JSON does not have by None."""
    return {
        key: None if isinstance(value, float) and not math.isfinite(value) else value
        for key, value in data.items()
    }
