"""Stability: which crystals a model puts near the convex hull of a reference."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from matsciml_core.convert import to_pymatgen
from matsciml_core.errors import ConfigError, DataError, MatSciMLError
from matsciml_core.interfaces.crystal import Crystal
from matsciml_core.progress import Meter, Report, silent
from matsciml_tool_generate.structures import ParsedStructure

if TYPE_CHECKING:
    from matsciml_core.model.trained import TrainedModel
    from matsciml_core.registry.manager import Registry
    from matsciml_core.registry.targets import TargetInfo

CUTOFF = 0.1
"""eV/atom above the hull up to which a crystal counts as stable, unless the user says otherwise."""
FORMATION = "formation_energy_per_atom"
_CHUNK = 64


@dataclass(frozen=True, kw_only=True)
class Stability:
    """Which crystals are stable by a model."""

    stable: float
    """Share of all generated crystals that lie at most the cut-off above the hull; one whose
    distance is not known counts as not stable. NaN where there is none."""
    on_hull: float
    """Share that lies on or below the hull of the reference."""
    known: int
    """Crystals whose distance could be computed."""
    asked: int
    """All generated crystals."""
    cutoff: float
    """eV/atom."""
    label: str
    """The label that the model predicts and the hull is made of."""
    model: str
    """Folder of the model."""
    reference: str
    """What the hull is made of."""
    reference_size: int
    """Crystals of the reference with that label."""
    energies: tuple[float | None, ...]
    """Predicted for each crystal, eV/atom; None: there is no crystal, or no finite energy."""
    above_hull: tuple[float | None, ...]
    """Distance of each to the hull, eV/atom, negative below it; None: not known."""


class EnergyModel:
    """A trained model that predicts an energy.

    Args:
        path: Folder of the run.
        registry: Where encoder and heads are looked up.
        device: As for ``matsciml predict``.

    Raises:
        ConfigError: The model predicts no energy.
    """

    def __init__(self, path: Path, registry: Registry, device: str = "auto") -> None:
        """Load the model."""
        from matsciml_core.model.trained import load  # noqa: PLC0415 - imports torch

        self.path = path
        self.model: TrainedModel = load(path, device=device, registry=registry)
        self.label, self.info = _energy_label(self.model, path)

    @property
    def per_atom(self) -> bool:
        """Whether the label is an energy per atom, rather than of the cell."""
        return self.info.unit == "eV/atom"

    def energies(
        self, crystals: Sequence[Crystal | None], report: Report = silent, label: str = "energies"
    ) -> list[float | None]:
        """Return the predicted energies, eV/atom; None where there is no crystal or no energy."""
        meter = Meter(label, report, unit="crystals", total=len(crystals))
        found: dict[int, float] = {}
        places = [place for place, crystal in enumerate(crystals) if crystal is not None]
        for first in range(0, len(places), _CHUNK):
            block = places[first : first + _CHUNK]
            found |= self._some([(place, crystals[place]) for place in block])
            meter.add(len(block))
        meter.finish()
        return [found.get(place) for place in range(len(crystals))]

    def _some(self, block: Sequence[tuple[int, Crystal | None]]) -> dict[int, float]:
        """Predict a block; where that fails one by one, so that a bad crystal spoils no others."""
        crystals = [crystal for _, crystal in block if crystal is not None]
        try:
            predicted = self.model.predict_crystals(crystals)
        except (MatSciMLError, RuntimeError):
            if len(block) == 1:
                return {}
            return {k: v for pair in block for k, v in self._some([pair]).items()}
        found = {}
        for (place, _), crystal, one in zip(block, crystals, predicted, strict=True):
            value = float(one.values[self.label]) / (1 if self.per_atom else crystal.num_atoms)
            if np.isfinite(value):
                found[place] = value
        return found


def stability(
    crystals: Sequence[Crystal | None],
    energies: Sequence[float | None],
    reference: Sequence[ParsedStructure],
    model: EnergyModel,
    *,
    cutoff: float = CUTOFF,
    reference_name: str = "",
    number: int | None = None,
    report: Report = silent,
) -> Stability:
    """Return which crystals are stable by a model.

    The energy above the hull is how much a crystal's predicted energy per atom lies above that of
    the most favourable mixture of reference crystals of the same overall composition. The
    reference has the energies of its own source, not predicted ones, and generated crystals do
    not take part in the hull; they are taken as they are, unrelaxed. Both make the share a lower
    bound of what relaxation would give, and the model's error enters in full.

    For formation energies the elements themselves lie at zero. For total energies each element
    of a crystal must be in the reference by itself, or the crystal's distance is not known.

    Args:
        crystals: The generated crystals; None: there is none.
        energies: What the model predicts for each, eV/atom.
        reference: Crystals with the label that the model predicts.
        model: Where the energies are from.
        cutoff: Up to where a crystal counts as stable, eV/atom.
        reference_name: What the reference is, for people.
        number: What the share is of; None: as many as there are crystals.
        report: Receives progress.

    Raises:
        DataError: No crystal of the reference has the label.

    References:
        Ong, Wang, Kang, Ceder, Chem. Mater. 20, 1798 (2008), doi:10.1021/cm702327g. The cut-off
        0.1 eV/atom is that of Zeni et al., Nature 639, 624 (2025),
        doi:10.1038/s41586-025-08628-5.
    """
    entries = _entries(reference, model)
    if not entries:
        raise DataError(
            f"No crystal of {reference_name or 'the reference'} has the label '{model.label}' that "
            f"'{model.path}' predicts, so that there is no hull; choose another --energy-model or "
            "--reference-train."
        )
    hull = _Hull(entries, elements_at_zero=model.label == FORMATION)
    meter = Meter("energies above the hull", report, unit="crystals", total=len(crystals))
    above: list[float | None] = []
    for crystal, energy in zip(crystals, energies, strict=True):
        known = crystal is not None and energy is not None
        above.append(hull.distance(crystal, energy) if known else None)
        meter.add()
    meter.finish()
    distances = [one for one in above if one is not None]
    asked = len(crystals) if number is None else number
    return Stability(
        stable=_share(distances, cutoff, asked),
        on_hull=_share(distances, 0.0, asked),
        known=len(distances),
        asked=asked,
        cutoff=cutoff,
        label=model.label,
        model=str(model.path),
        reference=reference_name,
        reference_size=len(entries),
        energies=tuple(energies),
        above_hull=tuple(above),
    )


def _share(values: Sequence[float], most: float, number: int) -> float:
    return sum(one <= most + 1e-8 for one in values) / number if number else float("nan")


class _Hull:
    """Phase diagrams of the reference, made for one set of elements at a time."""

    def __init__(self, entries: Sequence[Any], *, elements_at_zero: bool) -> None:
        self._entries = entries
        self._zero = elements_at_zero
        self._diagram = cache(self._make)

    def distance(self, crystal: Any, energy: Any) -> float | None:
        """Return how far above the hull a crystal lies, eV/atom; None where there is no hull."""
        from pymatgen.analysis.phase_diagram import PDEntry  # noqa: PLC0415 - heavy

        composition = to_pymatgen(crystal).composition
        diagram = self._diagram(frozenset(composition.elements))
        if diagram is None:
            return None
        entry = PDEntry(composition, energy * crystal.num_atoms)
        found = diagram.get_decomp_and_e_above_hull(
            entry, allow_negative=True, check_stable=False, on_error="ignore"
        )
        return None if found[1] is None else float(found[1])

    def _make(self, elements: frozenset[Any]) -> Any | None:
        from pymatgen.analysis.phase_diagram import PDEntry, PhaseDiagram  # noqa: PLC0415 - heavy
        from pymatgen.core.composition import Composition  # noqa: PLC0415 - heavy

        inside = [e for e in self._entries if set(e.composition.elements) <= elements]
        if self._zero:
            inside += [PDEntry(Composition({element: 1}), 0.0) for element in elements]
        alone = {e.composition.elements[0] for e in inside if len(e.composition.elements) == 1}
        if alone != elements:
            return None
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return PhaseDiagram(inside)


def _entries(reference: Sequence[ParsedStructure], model: EnergyModel) -> list[Any]:
    from pymatgen.analysis.phase_diagram import PDEntry  # noqa: PLC0415 - heavy

    found = []
    for one in reference:
        value = one.labels.get(model.label)
        if one.crystal is None or value is None:
            continue
        total = value * one.crystal.num_atoms if model.per_atom else value
        found.append(PDEntry(to_pymatgen(one.crystal).composition, total, attribute=one.name))
    return found


def _energy_label(model: TrainedModel, path: Path) -> tuple[str, TargetInfo]:
    """Return the label of which a hull can be made: a formation energy, or a total energy."""
    for name, info in model.targets.items():
        if info.kind == "energy" or info.name == FORMATION or info.unit == "eV/atom":
            if "above_hull" in info.name:
                continue
            return name, info
    raise ConfigError(
        f"'{path}' predicts {', '.join(model.targets) or 'no label'}; a hull needs an energy, so "
        "name a run that learnt a formation energy per atom or a total energy."
    )
