"""``matsciml reconstruct``: how well a model gets crystals back from its latent space."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any

import typer

from matsciml_cli.console import Row, write_heading, write_json, write_table
from matsciml_cli.failures import NOTHING_WRITTEN, telling_on_stop
from matsciml_cli.options import Device, Json, Seed
from matsciml_cli.outputs import Replace, check_output
from matsciml_cli.state import registry_of
from matsciml_cli.threads import leave_room
from matsciml_core.errors import ConfigError
from matsciml_tool_generate.sampling_options import (
    GeneratorFolder,
    LangevinStepSize,
    Levels,
    Sampler,
    Steps,
    sampling_config,
)

SCHEMA = 1


def reconstruct(
    context: typer.Context,
    run: GeneratorFolder,
    dataset: Annotated[
        str, typer.Option("--dataset", "-d", help="DATASET:test, another subset of it, or a file.")
    ],
    limit: Annotated[
        int | None, typer.Option(min=1, help="The first crystals only, for a trial.")
    ] = None,
    condition: Annotated[
        str,
        typer.Option(help="Ground truth that the decoder is given: nothing, atoms, species."),
    ] = "nothing",
    batch_size: Annotated[int, typer.Option(min=1, help="Crystals decoded together.")] = 64,
    seed: Seed = 0,
    sampler: Sampler = "langevin",
    levels: Levels = None,
    steps: Steps = None,
    step_size: LangevinStepSize = 1e-4,
    published: Annotated[
        str, typer.Option(help="Published numbers beside: mp20, perov or carbon.")
    ] = "mp20",
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Extended XYZ file of the reconstructions."),
    ] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Processes that compare; default: one per core.")
    ] = None,
    device: Device = "auto",
    as_json: Json = False,
    replace: Replace = False,
) -> None:
    """Encode crystals, decode them again, and report how many come back.

    `--condition atoms` gives the decoder the number of atoms, `species` all species. Where the
    run was trained on the dataset, its settings and its split hold. The JSON has the keys `schema`
    (1), `crystals`, `reconstructed`, `match_rate`, `rms` and `distances` by id.
    """
    if output is not None:
        if output.suffix.lower() not in (".extxyz", ".xyz"):
            raise ConfigError(f"Crystals are written as extended XYZ; end '{output}' in .extxyz.")
        check_output(output, replace=replace, inputs=[Path(dataset)])
    leave_room(os.environ)  # before torch is imported
    from matsciml_cli.progress_bars import progress_bars
    from matsciml_core.data.readers.extxyz import write_frames
    from matsciml_core.model.trained import load
    from matsciml_tool_generate import reconstruction
    from matsciml_tool_generate.evaluation import EvaluationSettings
    from matsciml_tool_generate.reference import read_run_data
    from matsciml_tool_generate.sampling import generative_head

    EvaluationSettings(published=(published,)).check()
    settings = reconstruction.ReconstructionSettings(
        batch_size=batch_size,
        seed=seed,
        sampling=sampling_config(sampler, levels, steps, step_size),
        condition=condition,
        workers=workers,
    )
    registry = registry_of(context)
    model = load(run, device=device, registry=registry)
    generative_head(model)  # an error before anything is read
    structures = read_run_data(dataset, model.folder, registry)[:limit]
    truth = [structure.crystal for structure in structures if structure.crystal is not None]
    with telling_on_stop(NOTHING_WRITTEN), progress_bars() as report:
        decoded, score = reconstruction.reconstruct(model, truth, settings, report)
    reconstructed = [crystal for crystal in decoded if crystal is not None]
    if output is not None:
        write_frames(output, reconstructed)
    # JSON has no NaN, which both are where nothing matched.
    rate, rms = (None if value != value else value for value in (score.match_rate, score.rms))
    result = {
        "schema": SCHEMA,
        "crystals": len(truth),
        "reconstructed": len(reconstructed),
        "match_rate": rate,
        "rms": rms,
        "distances": dict(zip((crystal.id for crystal in truth), score.distances, strict=True)),
    }
    if as_json:
        write_json(result)
    else:
        _write_table(result, published, dataset)


def _write_table(result: dict[str, Any], name: str, dataset: str) -> None:
    from matsciml_tool_generate.metrics_table import published

    beside = published()[name]
    write_heading(
        f"{result['crystals']:,} crystals of {dataset}, {result['reconstructed']:,} decoded"
    )
    rows = []
    for title, key, factor, unit in (
        ("match rate", "match_rate", 100.0, " %"),
        ("RMSE of the matched", "rms", 1.0, ""),
    ):
        values = result[key], beside["values"].get(key)
        texts = ("" if value is None else f"{factor * value:.4g}{unit}" for value in values)
        rows.append(Row((title, *texts)))
    write_table(rows, header=("metric", "here", f"{beside['title']}, published"))
