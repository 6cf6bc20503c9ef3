"""From files to predictions, a batch at a time, whatever is wrong with some of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from matsciml_core.errors import ConfigError, DataError, MatSciMLError
from matsciml_core.interfaces.crystal import Crystal
from matsciml_core.model.inputs import InputStructure, in_batches, read_structures
from matsciml_core.model.prediction import Prediction
from matsciml_core.model.trained import BATCH_SIZE, MAX_ATOMS, TrainedModel
from matsciml_core.progress import Meter, Report, silent
from matsciml_core.registry.manager import Registry

_KEPT = 100
"""Problems whose words are kept."""


class Writer(Protocol):
    """Takes predictions as they come in."""

    def write(self, record: InputStructure, crystal: Crystal, prediction: Prediction) -> None:
        """Write what a model says of a structure."""

    def flush(self) -> None:
        """Hand what was written to the operating system."""


@dataclass
class Tally:
    """What became of the structures."""

    predicted: int = 0
    skipped: int = 0
    guesses: int = 0
    """Structures with elements that the model has never seen."""
    unseen: set[str] = field(default_factory=set)
    """Those elements."""
    problems: list[str] = field(default_factory=list)
    """What was wrong with the first structures that were skipped."""

    def skip(self, record: InputStructure, problem: str) -> None:
        """Count a structure that was left out."""
        self.skipped += 1
        if len(self.problems) < _KEPT:
            name = f", '{record.id}'" if record.id else ""
            self.problems.append(f"Left out {record.path}{name}: {problem}")

    def count(self, prediction: Prediction) -> None:
        """Count a structure that was predicted."""
        self.predicted += 1
        self.guesses += bool(prediction.unseen_elements)
        self.unseen.update(prediction.unseen_elements)


def predict_files(
    model: TrainedModel,
    paths: Iterable[Path],
    writer: Writer,
    *,
    format: str | None = None,
    options: Mapping[str, Any] | None = None,
    registry: Registry | None = None,
    batch_size: int = BATCH_SIZE,
    max_atoms: int = MAX_ATOMS,
    strict: bool = False,
    uncertainty: bool = False,
    report: Report = silent,
) -> Tally:
    """Predict every structure of files; no more than a batch of them is in memory.

    Args:
        model: The model.
        paths: Files, or folders of files.
        writer: Gets the predictions, in order.
        format: Name of the reader; None: by the files' names and content.
        options: Settings of the format, as plain data.
        registry: Where readers are looked up; None: all that are installed.
        batch_size: Most structures at a time.
        max_atoms: Most atoms at a time.
        strict: Whether to stop at the first structure that cannot be used.
        uncertainty: Whether to hand spreads and intervals to the writer, too.
        report: Receives progress.

    Returns:
        What became of the structures.

    Raises:
        ConfigError: The model predicts no label, or nothing is known of its errors.
        DataError: A structure cannot be used, or has an element that the model does not know,
            and ``strict`` holds.
    """
    if uncertainty:
        model.require_uncertainty()
    require_labels(model)  # before files are opened, and once instead of for every structure
    tally = Tally()
    meter = Meter("structures", report, unit="structures")

    def usable() -> Iterator[Usable]:
        for structure in read_structures(paths, format, registry, options=options):
            if structure.crystal is None:
                _skip(tally, structure, structure.problem, strict=strict)
            else:
                yield structure, structure.crystal

    for group in in_batches(usable(), lambda pair: pair[1].num_atoms, batch_size, max_atoms):
        for record, crystal, prediction in _predict(
            model, group, tally, strict=strict, uncertainty=uncertainty
        ):
            writer.write(record, crystal, prediction)
            tally.count(prediction)
        writer.flush()  # what was predicted so far survives a kill
        meter.add(len(group))
    meter.finish()
    return tally


def require_labels(model: TrainedModel) -> None:
    """Reject a model that only makes crystals.

    Raises:
        ConfigError: It predicts no label.
    """
    if not model.targets:
        raise ConfigError(
            f"The model in '{model.folder}' generates crystals and predicts no label; sample some "
            f"with 'matsciml generate {model.folder}', or name another run."
        )


Usable = tuple[InputStructure, Crystal]


def _predict(
    model: TrainedModel, group: list[Usable], tally: Tally, *, strict: bool, uncertainty: bool
) -> list[tuple[InputStructure, Crystal, Prediction]]:
    """Predict a group; where that fails one by one, so that a bad one spoils no others."""
    try:
        predictions = model.predict_crystals(
            [crystal for _, crystal in group], uncertainty=uncertainty
        )
    except MatSciMLError as error:
        if len(group) == 1:
            _skip(tally, group[0][0], str(error), strict=strict)
            return []
        return [
            predicted
            for usable in group
            for predicted in _predict(
                model, [usable], tally, strict=strict, uncertainty=uncertainty
            )
        ]
    for (structure, _), prediction in zip(group, predictions, strict=True):
        if strict and prediction.unseen_elements:
            unseen = ", ".join(prediction.unseen_elements)
            raise DataError(
                f"{structure.path}, '{structure.id}', has {unseen}, which the model has never "
                "seen; leave it out, or leave --strict away."
            )
    pairs = zip(group, predictions, strict=True)
    return [(structure, crystal, prediction) for (structure, crystal), prediction in pairs]


def _skip(tally: Tally, structure: InputStructure, problem: str, *, strict: bool) -> None:
    if strict:
        name = f", '{structure.id}'" if structure.id else ""
        raise DataError(f"{structure.path}{name}, cannot be used: {problem}")
    tally.skip(structure, problem)
