"""``matsciml select``: what to compute next.

The modules that do the work are imported inside the function, so that ``--help`` stays fast.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from matsciml_cli.console import Row, warn, write_line, write_table
from matsciml_cli.failures import NOTHING_WRITTEN, telling_on_stop
from matsciml_cli.options import Device, FileFormat, FormatSettings, ModelFolder, Precision, Seed
from matsciml_cli.outputs import Replace, check_output
from matsciml_cli.state import registry_of
from matsciml_cli.threads import leave_room
from matsciml_core.errors import ConfigError, DataError
from matsciml_tool_select.offers import ENDING

if TYPE_CHECKING:
    from matsciml_core.model.predict_files import Tally
    from matsciml_tool_select.selecting import Selected

_SHOWN = 10
"""Lines of the table, and of problems, on the terminal; the file has all."""


@telling_on_stop(NOTHING_WRITTEN)
def select(
    context: typer.Context,
    number: Annotated[
        int, typer.Argument(metavar="N", min=1, help="How many structures to select.")
    ],
    run: ModelFolder,
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE...", help="Candidates: CIF, extended XYZ, …")
    ],
    by: Annotated[
        Literal["both", "spread", "diversity", "random"],
        typer.Option(help="Spread of the model, distance to what is known, or their product."),
    ] = "both",
    label: Annotated[
        str | None,
        typer.Option(help="Label of the spread; default: forces, else energy, else the first."),
    ] = None,
    known: Annotated[
        list[Path] | None,
        typer.Option(
            help="File with structures that are computed already, beside the training set; repeat."
        ),
    ] = None,
    output: Annotated[
        Path,
        typer.Option("--output", "-o", help="Extended XYZ file; a table .csv is written beside."),
    ] = Path("selected.extxyz"),
    min_distance: Annotated[
        float,
        typer.Option(min=0.0, help="Near-twins: nearer than this; 1 is a typical distance."),
    ] = 0.02,
    seed: Seed = 0,
    form: FileFormat = None,
    format_settings: FormatSettings = None,
    device: Device = "auto",
    precision: Precision = None,
    replace: Replace = False,
) -> None:
    """Select the structures that are worth computing next, for active learning.

    For example: matsciml select 20 five new/*.cif, where five is an ensemble. With --by both it
    draws structures in proportion to spread times distance, in the embedding of the model, to the
    training set and to those selected before; spread and diversity take the largest one first.
    Near-twins of these are left out. Candidates are kept in memory.
    """
    if output.suffix.lower() not in (".extxyz", ".xyz"):
        raise ConfigError(f"Structures are written as extended XYZ; end '{output}' in .extxyz.")
    table = output.with_suffix(".csv")
    for path in (output, table, output.with_suffix(ENDING)):
        check_output(path, replace=replace, inputs=[*files, *(known or [])])
    leave_room(os.environ)
    from matsciml_cli.progress_bars import progress_bars
    from matsciml_core.files import delivering
    from matsciml_core.model.trained import load
    from matsciml_core.training.config_data import parse_overrides
    from matsciml_tool_select.record import write_record
    from matsciml_tool_select.selecting import SelectionRequest, run_selection, write_selected

    registry = registry_of(context)
    request = SelectionRequest(
        count=number,
        by=by,
        label=label,
        known=tuple(known or ()),
        min_distance=min_distance,
        seed=seed,
        format=form,
        options=parse_overrides(format_settings or ()),
    )
    model = load(run, device=device, precision=precision, registry=registry)
    with progress_bars() as report:
        selected = run_selection(model, files, request, registry, report)
    _tell_of_candidates(selected.tally)
    if not selected.rows:
        raise DataError(
            "None of the structures could be selected: each is nearly the same as one that is "
            "known, or cannot be used; name other files."
        )
    # The three appear together, and Ctrl-C waits until they have.
    with (
        telling_on_stop(f"The structures are in '{output}'."),
        delivering(output.parent) as part,
        telling_on_stop(NOTHING_WRITTEN),
    ):
        write_selected(selected, part / output.name, part / table.name)
        write_record(selected, request, part / output.name, str(run))
    _tell_of_selection(selected, number)
    write_line(f"Structures: {output}")
    write_line(f"Table: {table}")


def _tell_of_candidates(tally: Tally) -> None:
    """Say on stderr what was left out."""
    for line in tally.problems[:_SHOWN]:
        warn(line)
    if tally.skipped > _SHOWN:
        warn(f"… and {tally.skipped - _SHOWN} more.")
    if not tally.predicted:
        raise DataError("None of the structures could be used, see above for why.")


def _tell_of_selection(selected: Selected, number: int) -> None:
    """Say what was read, what it was compared with, and what was selected."""
    tally, selection = selected.tally, selected.selection
    write_line(
        f"Read {tally.predicted + tally.skipped:,} structures: {tally.predicted:,} candidates, "
        f"{tally.skipped:,} that cannot be used. {selected.compared}"
    )
    write_line(
        f"Left out {selection.twins_of_training:,} near-twins of known structures and "
        f"{selection.twins_of_taken:,} of selected ones."
    )
    header = list(selected.titles[2:])
    rows = [Row(tuple(row[2:])) for row in selected.rows[:_SHOWN]]
    write_table(rows, header=header)
    if len(selected.rows) > _SHOWN:
        write_line(f"… and {len(selected.rows) - _SHOWN} more.")
    if len(selected.rows) < number:
        left_out = selection.twins_of_training + selection.twins_of_taken
        reason = "there are no more candidates" if not left_out else "the others are near-twins"
        warn(f"Only {len(selected.rows)} of {number} could be selected: {reason}.")
