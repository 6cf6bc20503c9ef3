"""Predictions written to files as they come in: CSV for tables, extended XYZ for forces."""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from matsciml_core.data.readers.extxyz import write_frame
from matsciml_core.errors import ConfigError
from matsciml_core.interfaces.crystal import Crystal
from matsciml_core.interfaces.elements import formula
from matsciml_core.model.inputs import InputStructure
from matsciml_core.model.prediction import Prediction
from matsciml_core.model.uncertainty import Uncertainty
from matsciml_core.registry.targets import TargetInfo

_FIRST = ("file", "id", "formula", "atoms")
_NOTE = "note"
_UNKNOWN = Uncertainty(spread=False, coverage=None)


class CsvPredictions:
    """One line per structure; a column per label with its unit, and of classes the probability.

    What has several values per structure, such as forces, is written as JSON.

    Args:
        stream: Where to write.
        targets: The labels, by the name that predictions have.
        uncertainties: What of their errors is written, too; None: nothing.
    """

    def __init__(
        self,
        stream: TextIO,
        targets: Mapping[str, TargetInfo],
        uncertainties: Mapping[str, Uncertainty] | None = None,
    ) -> None:
        """Write the header."""
        self._stream = stream
        self._targets = targets
        self._uncertainties = uncertainties or {}
        self._writer = csv.writer(stream, lineterminator="\n")
        self._writer.writerow(header(targets, self._uncertainties))

    def write(self, record: InputStructure, crystal: Crystal, prediction: Prediction) -> None:
        """Write the line of a structure."""
        first = [record.path, record.id, formula(crystal.atomic_numbers), crystal.num_atoms]
        entries: list[Any] = []
        for name, info in self._targets.items():
            entries.append(_entry(prediction.values[name]))
            if info.is_class:
                entries.append(_entry(prediction.probabilities[name].max(axis=-1)))
            uncertainty = self._uncertainties.get(name, _UNKNOWN)
            if uncertainty.spread:
                entries.append(_entry(prediction.spreads[name]))
            if uncertainty.coverage is not None:
                entries += map(_entry, prediction.intervals[name])
        self._writer.writerow([*first, *entries, note(crystal, prediction)])

    def flush(self) -> None:
        """Hand what was written to the operating system."""
        self._stream.flush()


class XyzPredictions:
    """One frame per structure, with energy, forces and stress where ASE looks for them.

    Args:
        stream: Where to write.
        targets: The labels, by the name that predictions have.
        uncertainties: What of their errors is written, too, under keys that end in ``_spread``,
            ``_low`` and ``_high``, in the labels' units; None: nothing.
    """

    def __init__(
        self,
        stream: TextIO,
        targets: Mapping[str, TargetInfo],
        uncertainties: Mapping[str, Uncertainty] | None = None,
    ) -> None:
        """Choose the keys: those of ASE where there is one label of a kind that it knows."""
        self._stream = stream
        # With two energies neither may take ASE's key: readers would mistake one for the other.
        kinds = Counter(info.kind for info in targets.values())
        self._keys = {
            name: info.kind if info.kind in _CALCULATED and kinds[info.kind] == 1 else name
            for name, info in targets.items()
        }
        self._per_atom = {name for name, info in targets.items() if info.per_atom}
        self._uncertainties = uncertainties or {}

    def write(self, record: InputStructure, crystal: Crystal, prediction: Prediction) -> None:
        """Write the frame of a structure; what is not finite is left out."""
        values: dict[str, Any] = {}
        columns: dict[str, Any] = {}
        written = {self._keys[name]: (name, value) for name, value in prediction.values.items()}
        for name, uncertainty in self._uncertainties.items():
            # Never under a key of ASE: it would take a spread for an energy.
            if uncertainty.spread:
                written[f"{name}_spread"] = name, prediction.spreads[name]
            if uncertainty.coverage is not None:
                low, high = prediction.intervals[name]
                written |= {f"{name}_low": (name, low), f"{name}_high": (name, high)}
        for key, (name, value) in written.items():
            if np.isfinite(value).all():
                # The format holds columns: a matrix per atom becomes nine of them.
                part = columns if name in self._per_atom else values
                part[key] = value.reshape(len(value), -1) if part is columns else value
        write_frame(self._stream, replace(crystal, id=record.id), values=values, columns=columns)

    def flush(self) -> None:
        """Hand what was written to the operating system."""
        self._stream.flush()


_CALCULATED = ("energy", "forces", "stress")
FORMATS: dict[str, type[CsvPredictions] | type[XyzPredictions]] = {
    ".csv": CsvPredictions,
    ".extxyz": XyzPredictions,
    ".xyz": XyzPredictions,
}
"""Suffix of the file → what writes it."""


def writer_of(output: str) -> type[CsvPredictions] | type[XyzPredictions]:
    """Return what writes a file of this name; ``-`` is CSV.

    Raises:
        ConfigError: Nothing does.
    """
    suffix = ".csv" if output == "-" else Path(output).suffix.lower()
    if suffix not in FORMATS:
        raise ConfigError(
            f"Predictions cannot be written to '{output}'; give it one of the endings "
            f"{', '.join(FORMATS)}, or write to -."
        )
    return FORMATS[suffix]


def header(
    targets: Mapping[str, TargetInfo], uncertainties: Mapping[str, Uncertainty] | None = None
) -> list[str]:
    """Return the titles of the columns.

    Args:
        targets: The labels, by the name that predictions have.
        uncertainties: What of their errors is written, too.
    """
    titles = list(_FIRST)
    for name, info in targets.items():
        titles.append(f"{name} ({info.unit})")
        if info.is_class:
            titles.append(f"{name} (probability)")
        uncertainty = (uncertainties or {}).get(name, _UNKNOWN)
        if uncertainty.spread:
            unit = "probability" if info.is_class else info.unit
            titles.append(f"{name} (spread, {unit})")
        if uncertainty.coverage is not None:
            share = f"{100 * uncertainty.coverage:g} % interval"
            titles += [f"{name} ({share} {end}, {info.unit})" for end in ("from", "to")]
    return [*titles, _NOTE]


def note(crystal: Crystal, prediction: Prediction) -> str:
    """Return what a reader of a prediction should know; empty: nothing special."""
    remarks = []
    if prediction.unseen_elements:
        names = " ".join(prediction.unseen_elements)
        remarks.append(f"a guess: the model has never seen {names}")
    if not crystal.pbc.all():
        remarks.append("not periodic in all directions")
    broken = [name for name, value in prediction.values.items() if np.isnan(value).any()]
    if broken and crystal.pbc.all():
        remarks.append(f"not finite: {' '.join(broken)}")
    return "; ".join(remarks)


def _entry(value: Any) -> str:
    if isinstance(value, np.ndarray) and value.ndim:
        return "" if np.isnan(value).any() else json.dumps(value.tolist())
    number = value.item() if isinstance(value, np.generic | np.ndarray) else value
    return "" if number != number else repr(number)
