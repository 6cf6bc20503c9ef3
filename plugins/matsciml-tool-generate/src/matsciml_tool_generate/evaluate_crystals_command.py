"""``matsciml evaluate-crystals``: evaluate generated crystals beside a reference."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from matsciml_cli.console import Row, write_heading, write_json, write_line, write_table
from matsciml_cli.failures import NOTHING_WRITTEN, telling_on_stop
from matsciml_cli.options import FileFormat, FormatSettings, Json
from matsciml_cli.outputs import Replace, check_output
from matsciml_cli.state import registry_of
from matsciml_cli.threads import leave_room
from matsciml_core.cores import available_cores
from matsciml_core.device_names import check_device_name

if TYPE_CHECKING:
    from matsciml_tool_generate.evaluation import Evaluation

_REFERENCE = "DATASET:test, DATASET:train, a run's own data as RUN:test, or a file"


def evaluate_crystals(
    context: typer.Context,
    generated: Annotated[
        Path,
        typer.Argument(metavar="GENERATED", help="Extended XYZ, CSV with CIF, folder of CIF, …"),
    ],
    reference: Annotated[str, typer.Option(help=f"The test set: {_REFERENCE}.")],
    reference_train: Annotated[
        str | None, typer.Option(help="The training set, for novelty; named likewise.")
    ] = None,
    energy_model: Annotated[
        Path | None,
        typer.Option(metavar="RUN", help="Run whose energies decide which crystals are stable."),
    ] = None,
    hull_cutoff: Annotated[
        float, typer.Option(help="Energy above the hull up to which one is stable, eV/atom.")
    ] = 0.1,
    cutoffs: Annotated[
        str, typer.Option(help="Cut-offs of coverage: mp20, perov or carbon.")
    ] = "mp20",
    published: Annotated[
        list[str] | None,
        typer.Option(help="Published numbers beside: mp25, mp20, perov or carbon; repeat."),
    ] = None,
    oxidation_states: Annotated[
        str, typer.Option(help="List of SMACT: smact14 (as published), icsd16 or icsd24.")
    ] = "smact14",
    form: FileFormat = None,
    format_settings: FormatSettings = None,
    max_atoms: Annotated[
        int | None, typer.Option(min=1, help="Leave out larger crystals of the references.")
    ] = None,
    no_coverage: Annotated[
        bool, typer.Option("--no-coverage", help="Leave out coverage, which takes longest.")
    ] = False,
    baselines: Annotated[
        bool,
        typer.Option(
            "--baselines", help="Evaluate as many real crystals and averages of the training set."
        ),
    ] = False,
    time_limit: Annotated[
        float, typer.Option(min=0.1, help="Seconds that the fingerprint of a crystal may take.")
    ] = 30.0,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Processes; default: one per core.")
    ] = None,
    device: Annotated[
        str,
        typer.Option(help="Of the energy model: auto, cpu, cuda, …", callback=check_device_name),
    ] = "auto",
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Folder for metrics.json and report.html."),
    ] = None,
    replace: Replace = False,
    as_json: Json = False,
) -> None:
    """Evaluate generated crystals: validity, coverage, uniqueness, novelty, stability.

    For example: matsciml evaluate-crystals generated.extxyz --reference mp:test
    --reference-train mp:train. Structures that are not crystals are counted and reported.
    Fingerprints are cached, so that the same reference is quick the second time. The JSON has the
    keys `schema` (1), `settings`, `names`, `sizes`, `metrics`, `baselines`, `rejected`, `faults`,
    `coverage`, `stability` and `crystals`.
    """
    leave_room(os.environ)  # before torch is imported
    from matsciml_cli.progress_bars import progress_bars
    from matsciml_core.training.config_data import parse_overrides
    from matsciml_tool_generate import evaluation
    from matsciml_tool_generate import reference as readers
    from matsciml_tool_generate.fingerprints import FingerprintCache
    from matsciml_tool_generate.page import write_results
    from matsciml_tool_generate.sampling import read_rejected
    from matsciml_tool_generate.stability import EnergyModel

    settings = evaluation.EvaluationSettings(
        cutoffs=cutoffs,
        published=tuple(published or ()),
        oxidation_states=oxidation_states,  # type: ignore[arg-type] # checked before it is used
        fingerprints=not no_coverage,
        time_limit=time_limit,
        hull_cutoff=hull_cutoff,
        baselines=baselines,
        workers=workers,
    )
    settings.check()
    folder = output or generated.with_name(f"{generated.stem}-evaluation")
    check_output(folder, replace=replace, inputs=[generated])
    registry = registry_of(context)
    model = None
    if energy_model is not None:
        model = EnergyModel(energy_model, registry, device)
        model.check_error(hull_cutoff)
    processes = workers or available_cores()
    names = {"reference": reference} | ({"training": reference_train} if reference_train else {})
    rejected = read_rejected(generated)
    stopped = telling_on_stop(NOTHING_WRITTEN)
    with stopped, progress_bars() as report, FingerprintCache() as cache:
        # The references first: an error in their names should not wait for a long file.
        references = {
            key: readers.read_reference(
                text, registry, max_atoms=max_atoms, workers=processes, report=report
            )
            for key, text in names.items()
        }
        inputs = evaluation.EvaluationInputs(
            # A file without a crystal is an error, unless the sampler rejected all of them.
            generated=readers.read_file(
                generated,
                registry,
                format=form,
                options=parse_overrides(format_settings or ()),
                workers=processes,
                report=report,
                may_be_empty=bool(rejected),
            ),
            **references,
            rejected=rejected,
            names={"generated": generated.name, **names},
        )
        result = evaluation.evaluate_crystals(
            inputs, settings, energy_model=model, cache=cache, report=report
        )
    write_results(result, folder)
    if as_json:
        write_json(result.as_data())
    else:
        _write_tables(result, folder)


def _write_tables(result: Evaluation, folder: Path) -> None:
    from matsciml_tool_generate.metrics_table import published
    from matsciml_tool_generate.page import PAGE, metric_text

    sets = result.settings.published_sets
    write_heading(
        f"{result.sizes['generated']:,} generated crystals beside {result.sizes['reference']:,} of "
        f"{result.names['reference']}"
    )
    rows = []
    for metric in result.metrics:
        texts = (metric_text(metric, value) for value in result.values(metric))
        rows.append(Row((metric.title, *texts, metric.note)))
    titles = (*result.baseline_titles, *(published()[name]["title"] for name in sets))
    write_table(rows, header=("metric", "generated", "reference itself", *titles, ""))
    faults = {**result.faults, **{f"rejected: {k}": v for k, v in result.rejected.items()}}
    if faults:
        write_heading("not valid")
        write_table([Row((f"{count:,}", why)) for why, count in faults.items()], indent=2)
    if result.stability is not None:
        write_line(result.stability.reservation)
    write_line(f"Report: {folder / PAGE}")
