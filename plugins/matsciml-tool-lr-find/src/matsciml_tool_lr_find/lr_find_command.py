"""``matsciml lr-find``: find a learning rate.

The modules that do the work are imported inside the function, so that ``--help`` stays fast.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from matsciml_cli.console import Row, warn, write_line, write_table
from matsciml_cli.failures import NOTHING_WRITTEN, telling_on_stop
from matsciml_cli.option_records import takes_options
from matsciml_cli.outputs import Replace, check_output
from matsciml_cli.run_options import RunOptions
from matsciml_cli.state import registry_of
from matsciml_cli.threads import leave_room


@takes_options
def lr_find(
    context: typer.Context,
    options: RunOptions,
    lowest: Annotated[
        float, typer.Option("--from", help="Learning rate of the first step.")
    ] = 1e-6,
    highest: Annotated[float, typer.Option("--to", help="Learning rate of the last step.")] = 1.0,
    steps: Annotated[int, typer.Option(min=20, help="Steps of the optimiser.")] = 200,
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder of results.")] = Path(
        "lr-find"
    ),
    replace: Replace = False,
) -> None:
    """Train some steps at rising learning rates, and suggest where the loss falls fastest.

    The run stops where its loss has grown to four times the lowest. No weights are kept. Results
    are lr-find.json, lr-find.csv and the page lr-find.html.
    """
    check_output(output, replace=replace)
    registry = registry_of(context)
    data = options.read(registry)
    leave_room(os.environ)  # before torch is imported, which reads the number of threads
    from matsciml_cli.progress_bars import progress_bars
    from matsciml_tool_lr_find import results
    from matsciml_tool_lr_find.finder import Ramp, find_rate

    ramp = Ramp(lowest=lowest, highest=highest, steps=steps)
    with telling_on_stop(NOTHING_WRITTEN):
        with progress_bars() as report:
            found = find_rate(data, registry, ramp, report)
        page = results.write(found, output)
    write_table([Row(row) for row in results.summary(found)])
    for notice in results.notices(found):
        warn(f"Warning: {notice}")
    write_line(f"Page: {page}")
    if found.steepest is not None:
        write_line(f"Try it: add --set training.learning_rate={found.steepest:.2g}")
