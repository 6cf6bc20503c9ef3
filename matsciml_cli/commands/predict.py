"""``matsciml predict``: what a trained model says of structures in files."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TextIO

import typer

from matsciml_cli.console import warn
from matsciml_cli.failures import NOTHING_WRITTEN, telling_on_stop
from matsciml_cli.options import Device, FileFormat, FormatSettings, ModelFolder, Precision
from matsciml_cli.outputs import Replace, check_output
from matsciml_cli.state import registry_of
from matsciml_cli.threads import leave_room
from matsciml_core.errors import ConfigError, DataError
from matsciml_core.files import open_whole_text

if TYPE_CHECKING:
    from matsciml_core.model.predict_files import Tally

_SHOWN = 10
"""Problems that are listed one by one; the rest are counted."""


def predict(
    context: typer.Context,
    run: ModelFolder,
    files: Annotated[
        list[Path],
        typer.Argument(metavar="FILE...", help="CIF, POSCAR, extended XYZ, pymatgen JSON, …"),
    ],
    output: Annotated[
        str,
        typer.Option("--output", "-o", help="CSV or extended XYZ file; - for CSV on stdout."),
    ] = "predictions.csv",
    format: FileFormat = None,
    settings: FormatSettings = None,
    batch_size: Annotated[int, typer.Option(min=1, help="Most structures at a time.")] = 32,
    max_atoms: Annotated[int, typer.Option(min=1, help="Most atoms at a time.")] = 1024,
    device: Device = "auto",
    precision: Precision = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="Stop at the first structure that cannot be used.")
    ] = False,
    uncertainty: Annotated[
        bool,
        typer.Option(
            "--uncertainty",
            help="Add the spread of each prediction, and an interval that holds 90 % of labels.",
        ),
    ] = False,
    label: Annotated[
        list[str] | None,
        typer.Option(
            help="Predict this label only; repeat. An energy alone is faster than with forces."
        ),
    ] = None,
    replace: Replace = False,
) -> None:
    """Predict the labels of structures in files, as many as there are.

    For example: matsciml predict runs/latest new/*.cif --output predictions.csv. What cannot be
    used is reported and left out. Every label is a column with its unit, of classes the
    probability too; the last column says where a prediction is a guess.
    """
    leave_room(os.environ)
    from matsciml_cli.progress_bars import progress_bars
    from matsciml_core.data.readers import get_reader
    from matsciml_core.model.predict_files import predict_files, require_labels
    from matsciml_core.model.restriction import restrict
    from matsciml_core.model.trained import load
    from matsciml_core.model.writers import writer_of
    from matsciml_core.training.config_data import parse_overrides

    registry = registry_of(context)
    # What can be wrong with the command is said before the model is loaded, which takes seconds.
    if format is not None:
        get_reader(format, registry)
    kind = writer_of(output)
    if output != "-":
        check_output(Path(output), replace=replace, inputs=files)
    printed = "What was printed is whole lines; the same command starts anew."
    with (
        telling_on_stop(printed if output == "-" else NOTHING_WRITTEN),
        progress_bars() as report,
        _opened(output) as stream,
    ):
        model = load(run, device=device, precision=precision, registry=registry)
        require_labels(model)
        if label:
            model = restrict(model, label)
        if uncertainty:
            model.require_uncertainty()
        tally = predict_files(
            model,
            files,
            kind(stream, model.targets, model.uncertainties if uncertainty else None),
            format=format,
            options=parse_overrides(settings or ()),
            registry=registry,
            batch_size=batch_size,
            max_atoms=max_atoms,
            strict=strict,
            uncertainty=uncertainty,
            report=report,
        )
        # Within, so that a file of no predictions does not stand in the way of the next try.
        _require_predictions(tally)
    _summarise(tally, output)


@contextmanager
def _opened(output: str) -> Iterator[TextIO]:
    """Open a file that gets its name when it is whole; ``-`` is stdout."""
    if output == "-":
        yield sys.stdout
        return
    path = Path(output)
    with ExitStack() as stack:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            stream = stack.enter_context(open_whole_text(path, newline=""))
        except OSError as error:
            raise ConfigError(
                f"'{output}' cannot be written ({error.strerror}); name another --output."
            ) from error
        yield stream


def _require_predictions(tally: Tally) -> None:
    """Say what was left out; stop where that is all."""
    for line in tally.problems[:_SHOWN]:
        warn(line)
    if tally.skipped > _SHOWN:
        warn(f"… and {tally.skipped - _SHOWN} more.")
    if not tally.predicted:
        raise DataError(
            "None of the structures could be used, see above for why; no prediction was made."
        )


def _summarise(tally: Tally, output: str) -> None:
    """Say on stderr what became of the structures; stdout may hold the table."""
    where = "" if output == "-" else f" Predictions: {output}"
    left = f", {tally.skipped} left out" if tally.skipped else ""
    noun = "structure" if tally.predicted == 1 else "structures"
    warn(f"{tally.predicted} {noun} predicted{left}.{where}")
    if tally.unseen:
        warn(
            f"In {tally.guesses} of them are elements that the model has never seen "
            f"({', '.join(sorted(tally.unseen))}): these predictions are guesses."
        )
