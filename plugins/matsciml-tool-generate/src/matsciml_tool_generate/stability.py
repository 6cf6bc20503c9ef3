"""Stability: the crystals that a model puts near the convex hull of a reference."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from matsciml_core.errors import ConfigError, DataError, MatSciMLError
from matsciml_core.files import read_object
from matsciml_core.interfaces.crystal import Crystal
from matsciml_core.interfaces.elements import symbol
from matsciml_core.progress import Meter, Report, silent
from matsciml_tool_generate.structures import ParsedStructure

if TYPE_CHECKING:
    from matsciml_core.model.trained import TrainedModel
    from matsciml_core.registry.manager import Registry

MOST_ERROR = 1.0
"""Largest error of a model in units of the cut-off: where they are equal, a crystal at the cut-off
is called stable in half of all cases, whatever it is."""
CUTOFF = 0.1
"""eV/atom above the hull up to which a crystal counts as stable, unless the user says otherwise."""
FORMATION = "formation_energy_per_atom"
_CHUNK = 64
_SUMMARY = "run.json"
"""What a run, and what was exported of it, says of itself."""
_ROUNDING = 1e-8
"""eV/atom; a crystal of the reference lies on its own hull up to rounding."""


@dataclass(frozen=True, kw_only=True)
class Stability:
    """The crystals that are stable by a model."""

    stable: float
    """Share of all generated crystals that lie at most the cut-off above the hull; one whose
    distance is not known counts as not stable. NaN where there is none."""
    on_hull: float
    """Share that lies on or below the hull of the reference."""
    evaluated: int
    """Crystals whose distance could be computed."""
    total: int
    """All generated crystals."""
    cutoff: float
    """eV/atom."""
    label: str
    """The label that the model predicts and the hull is made of."""
    model: str
    """Folder of the model."""
    reference: str
    """Name of the crystals that the hull is made of."""
    reference_size: int
    """Crystals of the reference with that label."""
    energies: tuple[float | None, ...]
    """Predicted for each crystal, eV/atom; None: there is no crystal, or no finite energy."""
    above_hull: tuple[float | None, ...]
    """Distance of each to the hull, eV/atom, negative below it; None: not known."""
    predicted_hull: bool = False
    """Whether the reference's energies are the model's own, as those of a pretrained one are."""
    model_error: float | None = None
    """Mean absolute error of the model on its own test set, eV/atom; None: not recorded."""

    @property
    def reservation(self) -> str:
        """The cut-off beside the model's error, in a sentence."""
        if self.predicted_hull:
            return (
                f"Stable: at most {self.cutoff:g} eV/atom above the hull of the model's own "
                f"energies of the reference; {self.evaluated} of {self.total} crystals have their "
                "elements in it."
            )
        if self.model_error is None:
            return (
                f"Stable: at most {self.cutoff:g} eV/atom above the hull, by a model whose error "
                "is not recorded."
            )
        return (
            f"Stable: at most {self.cutoff:g} eV/atom above the hull, by a model whose mean "
            f"absolute error is {self.model_error:.3g} eV/atom."
        )


class EnergyModel:
    """A trained model that predicts an energy.

    Args:
        path: Folder of the run.
        registry: Registry of encoder and heads.
        device: As for ``matsciml predict``.

    Raises:
        ConfigError: The model predicts no energy.
    """

    def __init__(self, path: Path, registry: Registry, device: str = "auto") -> None:
        """Load the model, and choose a label of which a hull can be made."""
        from matsciml_core.model.restriction import restrict  # noqa: PLC0415 - imports torch
        from matsciml_core.model.trained import load  # noqa: PLC0415 - imports torch

        self.path = path
        self.model: TrainedModel = load(path, device=device, registry=registry)
        energies = (
            (name, info.unit)
            for name, info in self.model.targets.items()
            if (info.kind == "energy" or info.name == FORMATION or info.unit == "eV/atom")
            # A distance to the hull has the unit of an energy, and no hull of its own.
            and "above_hull" not in info.name
        )
        chosen = next(energies, None)
        if chosen is None:
            raise ConfigError(
                f"'{path}' predicts {', '.join(self.model.targets) or 'no label'}; a hull needs an "
                "energy, so name a run that learnt a formation energy per atom or a total energy."
            )
        self.label, unit = chosen
        self.per_atom = unit == "eV/atom"
        """Whether the label is an energy per atom, rather than of the cell."""
        self.pretrained = "pretrained" in self.model.description
        """Whether others trained it: its energies are then compared with its own of the reference,
        and never with those of another code or level of theory, which lie eV per atom apart."""
        self.model = restrict(self.model, [self.label])  # without derivatives, which none needs
        self.error = _error_of(self.model.folder, self.label, per_atom=self.per_atom)
        """Mean absolute error on the model's own test set, eV/atom; None: not recorded."""

    def check_error(self, cutoff: float) -> None:
        """Refuse a model that cannot tell what is stable from what is not.

        Args:
            cutoff: Largest distance of a stable crystal from the hull, eV/atom.

        Raises:
            ConfigError: Its error is more than ``MOST_ERROR`` times the cut-off.
        """
        if self.error is not None and self.error > MOST_ERROR * cutoff:
            raise ConfigError(
                f"The mean absolute error of '{self.path}' is {self.error:.3g} eV/atom, above the "
                f"--hull-cutoff of {cutoff:g} eV/atom, so that its word on stability means "
                f"nothing; name a better --energy-model, or a --hull-cutoff of at least "
                f"{self.error / MOST_ERROR:.3g}."
            )

    def energies(
        self, crystals: Sequence[Crystal | None], report: Report = silent, label: str = "energies"
    ) -> list[float | None]:
        """Return the predicted energies, eV/atom; None where there is no crystal or no energy."""
        meter = Meter(label, report, unit="crystals", total=len(crystals))
        energies: list[float | None] = [None] * len(crystals)
        indices = [index for index, crystal in enumerate(crystals) if crystal is not None]
        for start in range(0, len(indices), _CHUNK):
            block = indices[start : start + _CHUNK]
            values = self._predict([crystal for k in block if (crystal := crystals[k]) is not None])
            for index, value in zip(block, values, strict=True):
                energies[index] = value
            meter.add(len(block))
        meter.finish()
        return energies

    def label_reference(
        self, reference: Sequence[ParsedStructure], energies: Sequence[float | None]
    ) -> list[ParsedStructure]:
        """Return the reference with predicted energies as labels, for a hull of one level.

        Args:
            reference: Its crystals.
            energies: Predicted for each, eV/atom; None: it gets no label.
        """
        labelled = []
        for structure, energy in zip(reference, energies, strict=True):
            others = {key: value for key, value in structure.labels.items() if key != self.label}
            if energy is not None and structure.crystal is not None:
                scale = 1 if self.per_atom else structure.crystal.num_atoms
                others[self.label] = energy * scale
            labelled.append(replace(structure, labels=others))
        return labelled

    def _predict(self, crystals: Sequence[Crystal]) -> list[float | None]:
        """Predict together; where that fails, one by one, so that a bad crystal spoils no other."""
        try:
            predictions = self.model.predict_crystals(crystals)
        except (MatSciMLError, RuntimeError):
            if len(crystals) == 1:
                return [None]
            return [energy for crystal in crystals for energy in self._predict([crystal])]
        energies: list[float | None] = []
        for crystal, prediction in zip(crystals, predictions, strict=True):
            atoms = 1 if self.per_atom else crystal.num_atoms
            energy = float(prediction.values[self.label]) / atoms
            energies.append(energy if np.isfinite(energy) else None)
        return energies


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
    """Return the crystals that are stable by a model.

    The energy above the hull is how much a crystal's predicted energy per atom lies above that of
    the most favourable mixture of reference crystals of the same overall composition. The
    reference has the energies of its own source, not predicted ones, unless they are those of
    :meth:`EnergyModel.label_reference`, and generated crystals do not take part in the hull; they
    are taken as they are, unrelaxed. Both make the share a lower bound of what relaxation would
    give, and the model's error enters in full.

    For formation energies the elements themselves lie at zero. For total energies each element
    of a crystal must be in the reference by itself, or the crystal's distance is not known.

    Args:
        crystals: The generated crystals; None: there is none.
        energies: Predicted energy of each, eV/atom.
        reference: Crystals with the label that the model predicts.
        model: The model that predicted the energies.
        cutoff: Largest distance of a stable crystal, eV/atom.
        reference_name: Name of the reference, for messages.
        number: Divisor of the shares; None: the number of crystals.
        report: Receives progress.

    Raises:
        DataError: No crystal of the reference has the label.

    References:
        Ong, Wang, Kang, Ceder, Chem. Mater. 20, 1798 (2008), doi:10.1021/cm702327g. The cut-off
        0.1 eV/atom is that of Zeni et al., Nature 639, 624 (2025),
        doi:10.1038/s41586-025-08628-5.
    """
    # Of labels, not of predictions, so that the model's error shows and does not cancel.
    hull = _Hull(reference, model)
    if not hull.size:
        raise DataError(
            f"No crystal of {reference_name or 'the reference'} has the label '{model.label}' that "
            f"'{model.path}' predicts, so that there is no hull; choose another --energy-model or "
            "--reference-train."
        )
    meter = Meter("energies above the hull", report, unit="crystals", total=len(crystals))
    above: list[float | None] = []
    for crystal, energy in zip(crystals, energies, strict=True):
        computable = crystal is not None and energy is not None
        above.append(hull.distance(crystal, energy) if computable else None)
        meter.add()
    meter.finish()
    distances = [distance for distance in above if distance is not None]
    total = len(crystals) if number is None else number
    stable, on_hull = (
        sum(value <= limit + _ROUNDING for value in distances) / total if total else float("nan")
        for limit in (cutoff, 0.0)
    )
    return Stability(
        stable=stable,
        on_hull=on_hull,
        evaluated=len(distances),
        total=total,
        cutoff=cutoff,
        label=model.label,
        model=str(model.path),
        reference=reference_name,
        reference_size=hull.size,
        energies=tuple(energies),
        above_hull=tuple(above),
        predicted_hull=model.pretrained,
        model_error=model.error,
    )


class _Hull:
    """Phase diagrams of the reference, made for one set of elements at a time."""

    def __init__(self, reference: Sequence[ParsedStructure], model: EnergyModel) -> None:
        from pymatgen.analysis.phase_diagram import PDEntry  # noqa: PLC0415 - heavy

        self._entries = []
        for structure in reference:
            energy, crystal = structure.labels.get(model.label), structure.crystal
            if crystal is None or energy is None:
                continue
            # pymatgen's entries have the energy of the whole cell.
            total = energy * crystal.num_atoms if model.per_atom else energy
            composition = _composition(crystal)
            self._entries.append(PDEntry(composition, total, attribute=structure.name))
        self._elements_at_zero = model.label == FORMATION
        self._diagram = cache(self._diagram_of)

    @property
    def size(self) -> int:
        """Number of entries."""
        return len(self._entries)

    def distance(self, crystal: Any, energy: Any) -> float | None:
        """Return how far above the hull a crystal lies, eV/atom; None where there is no hull."""
        from pymatgen.analysis.phase_diagram import PDEntry  # noqa: PLC0415 - heavy

        composition = _composition(crystal)
        diagram = self._diagram(frozenset(composition.elements))
        if diagram is None:
            return None
        _, above = diagram.get_decomp_and_e_above_hull(
            PDEntry(composition, energy * crystal.num_atoms),
            allow_negative=True,  # a crystal below the hull is what one looks for
            check_stable=False,
            on_error="ignore",
        )
        return None if above is None else float(above)

    def _diagram_of(self, elements: frozenset[Any]) -> Any | None:
        """Return the phase diagram of some elements; None where an element itself is missing."""
        from pymatgen.analysis.phase_diagram import PDEntry, PhaseDiagram  # noqa: PLC0415 - heavy
        from pymatgen.core.composition import Composition  # noqa: PLC0415 - heavy

        # A hull of all elements of the reference would have dozens of dimensions.
        inside = [e for e in self._entries if set(e.composition.elements) <= elements]
        if self._elements_at_zero:
            inside += [PDEntry(Composition({element: 1}), 0.0) for element in elements]
        pure = {e.composition.elements[0] for e in inside if len(e.composition.elements) == 1}
        if pure != elements:
            return None
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return PhaseDiagram(inside)


def _error_of(folder: Path, label: str, *, per_atom: bool) -> float | None:
    """Return the error that a model's own run has measured on its test set, eV/atom."""
    from matsciml_core.model.evaluate import PER_ATOM  # noqa: PLC0415 - imports torch

    summary = read_object(folder / _SUMMARY) or {}
    tested = summary.get("metrics", {}).get("test", {})
    errors = [
        values.get("mae" if per_atom else PER_ATOM)
        for key, values in tested.items()
        if key.rpartition("/")[2] == label
    ]
    known = [float(error) for error in errors if isinstance(error, int | float)]
    return max(known, default=None)


def _composition(crystal: Crystal) -> Any:
    """Return pymatgen's composition, whatever else is known of the crystal."""
    from pymatgen.core.composition import Composition  # noqa: PLC0415 - heavy

    numbers, counts = np.unique(crystal.atomic_numbers, return_counts=True)
    pairs = zip(numbers.tolist(), counts.tolist(), strict=True)
    return Composition({symbol(number): count for number, count in pairs})
