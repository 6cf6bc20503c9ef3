"""``matsciml folds`` and ``matsciml ensemble``: cross-validation, and several models as one.

The modules that do the work are imported inside the functions, so that ``--help`` stays fast.
"""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from matsciml_cli.console import write_line
from matsciml_cli.failures import INTERRUPTED, NOTHING_WRITTEN, telling_on_stop
from matsciml_cli.option_records import takes_options
from matsciml_cli.outputs import Replace, check_output
from matsciml_cli.run_options import RunOptions
from matsciml_cli.state import registry_of
from matsciml_cli.threads import leave_room


@takes_options
def folds(
    context: typer.Context,
    options: RunOptions,
    number: Annotated[
        int | None,
        typer.Option("--number", "-n", min=2, help="Number of folds; default: 5."),
    ] = None,
    by: Annotated[
        str,
        typer.Option(
            help="random, crystal-system, label, composition, prototype, trajectory, time, or a "
            "file with a list of ids for each fold."
        ),
    ] = "random",
    validation: Annotated[
        float,
        typer.Option(help="Share of the crystals outside a fold that its run is validated on."),
    ] = 0.1,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Folder of the folds; default: one in runs."),
    ] = None,
) -> None:
    """Train a run for each fold of a dataset, and average their test errors.

    Takes the options of matsciml run, where --folds N is the same as this command. Every crystal
    is tested once, by the run that has not seen it. The same command goes on after an
    interruption: finished folds are not trained again. The seed of the folds is split.seed.
    """
    leave_room(os.environ)
    registry = registry_of(context)
    config = options.read(registry)
    # Imported last, because they import torch: whatever is misspelt has been answered by now.
    from matsciml_core import RunInterrupted
    from matsciml_tool_folds.cross_validation import cross_validate
    from matsciml_tool_folds.fold_folder import REPORT
    from matsciml_tool_folds.making import FoldRequest
    from matsciml_tool_folds.results import lines

    seed = int((config.get("split") or {}).get("seed") or 0)
    tell = partial(write_line, flush=True)  # in order with what the runs print
    request = FoldRequest(by=by, number=number, seed=seed, validation=validation)
    try:
        with telling_on_stop("The same command goes on."):
            folder = cross_validate(config, request, registry, folder=output, tell=tell)
    except RunInterrupted as stop:
        write_line("\nInterrupted. The same command goes on; finished folds are kept.")
        raise typer.Exit(INTERRUPTED) from stop
    for line in lines(folder):
        write_line(line)
    write_line(f"Folder: {folder}")
    write_line(f"Report: {folder / REPORT}")


@telling_on_stop(NOTHING_WRITTEN)
def ensemble(
    context: typer.Context,
    runs: Annotated[
        list[Path],
        typer.Argument(metavar="RUN...", help="Runs, exported models, or a folder of folds."),
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder of the ensemble.")] = Path(
        "ensemble"
    ),
    copy: Annotated[
        bool, typer.Option("--copy", help="Copy the models into the folder, to share it.")
    ] = False,
    replace: Replace = False,
) -> None:
    """Write an ensemble: trained models whose mean and spread are predicted.

    The folder holds a file that names the models, relative to itself, with their hashes, and
    intervals calibrated on crystals that no model was trained on. It is used as a run is:
    matsciml predict FOLDER files… --uncertainty.
    """
    leave_room(os.environ)
    check_output(output, replace=replace, inputs=runs)
    registry = registry_of(context)
    from matsciml_core.model.uncertainty import has_interval
    from matsciml_tool_folds.ensemble import make_ensemble

    made = make_ensemble(runs, output, registry, copy=copy)
    write_line(f"Ensemble of {len(made.members)} models: {output}")
    for name, one in made.uncertainties.items():
        calibration = made.calibrations.get(name)
        if calibration is None or one.coverage is None:
            reason = (
                "which needs at least 9 validation crystals of the runs"
                if has_interval(made.targets[name])
                else "which only one number of a crystal can have"
            )
            write_line(f"{name}: spread; no interval, {reason}.")
            continue
        write_line(
            f"{name}: spread, and intervals of {100 * one.coverage:g} % calibrated on "
            f"{calibration.count:,} crystals."
        )
