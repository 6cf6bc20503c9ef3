"""``matsciml evaluate-crystals``: judge generated crystals beside a reference."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from matsciml_cli.console import Row, write_heading, write_json, write_table
from matsciml_cli.options import Json
from matsciml_cli.state import registry_of
from matsciml_cli.threads import leave_room
from matsciml_core.cores import available_cores
from matsciml_core.errors import ConfigError

if TYPE_CHECKING:
    from matsciml_core.registry.manager import Registry
    from matsciml_tool_generate.evaluation import Evaluation, Settings

METRICS, PAGE = "metrics.json", "report.html"
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
        typer.Option(metavar="RUN", help="Run whose energies say which crystals are stable."),
    ] = None,
    hull_cutoff: Annotated[
        float, typer.Option(help="Energy above the hull up to which one is stable, eV/atom.")
    ] = 0.1,
    cutoffs: Annotated[
        str, typer.Option(help="Cut-offs of coverage: mp20, perov or carbon.")
    ] = "mp20",
    published: Annotated[
        list[str] | None,
        typer.Option(help="Whose numbers stand beside: mp25, mp20, perov or carbon; repeat."),
    ] = None,
    oxidation_states: Annotated[
        str, typer.Option(help="List of SMACT: smact14 (as published), icsd16 or icsd24.")
    ] = "smact14",
    max_atoms: Annotated[
        int | None, typer.Option(min=1, help="Leave out larger crystals of the references.")
    ] = None,
    no_coverage: Annotated[
        bool, typer.Option("--no-coverage", help="Leave out coverage, which takes longest.")
    ] = False,
    time_limit: Annotated[
        float, typer.Option(min=0.1, help="Seconds that the fingerprint of a crystal may take.")
    ] = 30.0,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Processes; default: one per core.")
    ] = None,
    device: Annotated[str, typer.Option(help="Of the energy model: auto, cpu, cuda, …")] = "auto",
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Folder for metrics.json and report.html."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Judge generated crystals: validity, coverage, uniqueness, novelty, stability.

    For example: matsciml evaluate-crystals generated.extxyz --reference mp:test
    --reference-train mp:train. Whatever is no crystal is counted and reported. Fingerprints are
    kept, so that the same reference is quick the second time. The JSON has the keys `schema` (1),
    `settings`, `names`, `sizes`, `metrics`, `rejected`, `faults`, `coverage`, `stability` and
    `crystals`.
    """
    leave_room(os.environ)
    from matsciml_tool_generate.evaluation import Settings, check

    settings = Settings(
        cutoffs=cutoffs,
        published=tuple(published or ()),
        table=oxidation_states,  # type: ignore[arg-type] # checked before it is used
        fingerprints=not no_coverage,
        time_limit=time_limit,
        hull_cutoff=hull_cutoff,
        workers=workers,
    )
    check(settings)
    folder = output or generated.with_name(f"{generated.stem}-evaluation")
    found = _evaluate(
        registry_of(context),
        settings,
        generated,
        {"reference": reference, "training": reference_train},
        max_atoms=max_atoms,
        energy_model=energy_model,
        device=device,
    )
    _write(found, folder)
    if as_json:
        write_json(found.as_data())
    else:
        _show(found, folder)


def _evaluate(
    registry: Registry,
    settings: Settings,
    generated: Path,
    references: dict[str, str | None],
    *,
    max_atoms: int | None,
    energy_model: Path | None,
    device: str,
) -> Evaluation:
    from matsciml_cli.progress_bars import progress_bars
    from matsciml_tool_generate.evaluation import Inputs, evaluate_crystals
    from matsciml_tool_generate.fingerprints import FingerprintCache
    from matsciml_tool_generate.reference import read_file, read_reference
    from matsciml_tool_generate.stability import EnergyModel

    workers = settings.workers or available_cores()
    model = None if energy_model is None else EnergyModel(energy_model, registry, device)
    with progress_bars() as report, FingerprintCache() as cache:
        named = {key: text for key, text in references.items() if text}
        parts = {
            key: read_reference(text, registry, max_atoms=max_atoms, workers=workers, report=report)
            for key, text in named.items()
        }
        rejected = _rejected(generated)
        inputs = Inputs(
            generated=read_file(
                generated, workers=workers, report=report, may_be_empty=bool(rejected)
            ),
            reference=parts["reference"],
            training=parts.get("training", ()),
            rejected=rejected,
            names={"generated": generated.name, **named},
        )
        return evaluate_crystals(inputs, settings, energy_model=model, cache=cache, report=report)


def _rejected(generated: Path) -> dict[str, int]:
    from matsciml_tool_generate.sampling import read_rejected

    return read_rejected(generated)


def _write(found: Evaluation, folder: Path) -> None:
    from matsciml_core.files import write_json as write_file
    from matsciml_tool_generate.page import write_page

    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_file(folder / METRICS, found.as_data())
        write_page(found, folder / PAGE)
    except OSError as error:
        raise ConfigError(
            f"The folder '{folder}' cannot be written ({error.strerror}); name another with "
            "--output."
        ) from error


def _show(found: Evaluation, folder: Path) -> None:
    from matsciml_tool_generate.metrics_table import published
    from matsciml_tool_generate.page import shown

    beside = found.settings.beside
    write_heading(
        f"{found.sizes['generated']:,} generated crystals beside {found.sizes['reference']:,} of "
        f"{found.names['reference']}"
    )
    rows = []
    for one in found.metrics:
        here = shown(one, one.value), shown(one, one.reference)
        theirs = (shown(one, one.published.get(name)) for name in beside)
        rows.append(Row((one.title, *here, *theirs, one.note)))
    titles = (published()[name]["title"] for name in beside)
    write_table(rows, header=("metric", "generated", "reference itself", *titles, ""))
    faults = {**found.faults, **{f"given up: {k}": v for k, v in found.rejected.items()}}
    if faults:
        write_heading("not valid")
        write_table([Row((f"{count:,}", why)) for why, count in faults.items()], indent=2)
    print(f"Report: {folder / PAGE}")
