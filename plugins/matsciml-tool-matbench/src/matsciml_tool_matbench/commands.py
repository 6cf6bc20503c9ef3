"""``matsciml matbench``: the tasks of MatBench, and its records.

The modules that do the work are imported inside the functions, so that ``--help`` stays fast.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from matsciml_cli.console import Row, write_heading, write_line, write_table
from matsciml_cli.failures import NOTHING_WRITTEN, telling_on_stop
from matsciml_cli.outputs import Replace, check_output
from matsciml_cli.state import registry_of
from matsciml_core.errors import ConfigError
from matsciml_tool_matbench.offers import ENDING

matbench = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    no_args_is_help=True,
    help="Run the tasks of MatBench v0.1 with their published folds, and write its records.",
)


@matbench.command("list")
def list_tasks() -> None:
    """List the 13 tasks, and the best published error of each."""
    from matsciml_tool_matbench.tasks import tasks

    rows = []
    for task in tasks():
        best = min(task.published, key=lambda one: one.mae, default=None)
        unit = "" if task.is_class else task.published_unit or task.unit
        error = "" if best is None else f"{best.mae:g} ({best.model})"
        usable = error if task.input == "structure" else "compositions only: cannot be run here"
        rows.append(Row((task.name, task.kind, f"{task.size:,}", task.label, unit, usable)))
    header = ("task", "kind", "records", "label", "unit", "best published MAE")
    write_table(rows, header=header)


@matbench.command("prepare")
@telling_on_stop("What was read so far is kept; the same command goes on from there.")
def prepare_task(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="TASK", help="Task, such as phonons.")],
    file: Annotated[
        Path | None, typer.Option(help="The task's file (json.gz); default: it is fetched.")
    ] = None,
    folds: Annotated[
        Path | None, typer.Option(help="File of the folds; default: DATASET-folds.json.")
    ] = None,
    replace: Replace = False,
) -> None:
    """Make a dataset of a task, and write its published folds.

    The file is checked against the published checksum. The line that is written last runs the
    folds: matsciml folds takes the encoder and every other option of matsciml run.
    """
    from matsciml_tool_matbench.tasks import find_task

    task = find_task(name)
    output = folds or Path(f"{task.dataset}-folds.json")
    check_output(output, replace=replace, inputs=[file] if file else [], option="--folds")
    if file is not None and not file.is_file():
        raise ConfigError(f"The file '{file}' does not exist; name the file of the task.")
    from matsciml_cli.progress_bars import progress_bars
    from matsciml_tool_matbench.preparing import prepare

    with progress_bars() as report:
        made = prepare(
            task,
            output,
            registry_of(context),
            file=file,
            replace_existing=replace,
            report=report,
        )
    write_line(f"{made.manifest.accepted:,} of {made.manifest.records:,} crystals.")
    for reason, entry in made.manifest.rejected.items():
        write_line(f"Left out {entry['count']:,}: {reason}")
    write_line(f"Dataset: {task.dataset}")
    write_line(f"Folds: {output}")
    write_line(f"  matsciml folds --dataset {task.dataset} --by {output} --encoder …")


@matbench.command("record")
def record_tasks(
    folders: Annotated[
        list[Path],
        typer.Argument(metavar="FOLDER...", help="Folders of matsciml folds, one per task."),
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="JSON file of the record.")] = Path(
        "results.json"
    ),
    algorithm: Annotated[str, typer.Option(help="What the model is called.")] = "MatSciML",
    replace: Replace = False,
) -> None:
    """Write what the matbench package takes, and compare with published errors.

    The package reads the file by MatbenchBenchmark.from_file. Errors are means over the folds, in
    the published unit, with the standard deviation over the folds; of classes ROC-AUC is shown.
    """
    summary = output.with_suffix(ENDING)
    for path in (output, summary):
        check_output(path, replace=replace)
    from matsciml_core.files import write_json
    from matsciml_tool_matbench.record import comparison, make_record, summary_of
    from matsciml_tool_matbench.tasks import find_task

    with telling_on_stop(NOTHING_WRITTEN):
        record = make_record(folders, {"algorithm": algorithm})
        scores = summary_of(record)
    left = f"'{output}' may lack '{summary}' beside it; --replace writes both."
    with telling_on_stop(left):
        write_json(output, record)
        write_json(summary, scores)
    for name, entry in record["tasks"].items():
        task = find_task(name)
        metric = "ROC-AUC" if task.is_class else f"MAE ({task.published_unit or task.unit})"
        write_heading(name)
        rows = [
            Row((error, std, model)) for model, error, std in comparison(task, entry["results"])
        ]
        write_table(rows, header=(metric, "± over folds", "model"))
    write_line(f"Record: {output}")
