"""``matsciml reconstruct``: how well a model gets crystals back from its latent space."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from matsciml_cli.console import Row, write_heading, write_json, write_table
from matsciml_cli.options import (
    Device,
    GeneratorFolder,
    Json,
    LangevinSteps,
    LangevinStepSize,
    Levels,
    Seed,
)
from matsciml_cli.state import registry_of
from matsciml_cli.threads import leave_room
from matsciml_tool_generate.generate_command import sampling_of

if TYPE_CHECKING:
    from matsciml_core.interfaces.crystal import Crystal
    from matsciml_core.registry.manager import Registry

SCHEMA = 1


def reconstruct(
    context: typer.Context,
    run: GeneratorFolder,
    dataset: Annotated[
        str, typer.Option("--dataset", "-d", help="DATASET:test, another part of it, or a file.")
    ],
    limit: Annotated[
        int | None, typer.Option(min=1, help="The first crystals only, for a trial.")
    ] = None,
    known: Annotated[
        str, typer.Option(help="What the decoder is told: nothing, atoms (their number), species.")
    ] = "nothing",
    batch_size: Annotated[int, typer.Option(min=1, help="Crystals decoded together.")] = 64,
    seed: Seed = 0,
    levels: Levels = None,
    steps: LangevinSteps = 100,
    step_size: LangevinStepSize = 1e-4,
    published: Annotated[
        str, typer.Option(help="Published numbers beside: mp20, perov or carbon.")
    ] = "mp20",
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Extended XYZ file of what came back.")
    ] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Processes that compare; default: one per core.")
    ] = None,
    device: Device = "auto",
    as_json: Json = False,
) -> None:
    """Encode crystals, decode them again, and say how many come back.

    Where the run was trained on the dataset, its settings and its split hold. The JSON has the
    keys `schema` (1), `crystals`, `reconstructed`, `match_rate`, `rms` and `distances` by id.
    """
    leave_room(os.environ)
    from matsciml_tool_generate.evaluation import Settings, check
    from matsciml_tool_generate.reconstruction import ReconstructionSettings

    check(Settings(published=(published,), fingerprints=False))
    settings = ReconstructionSettings(
        batch_size=batch_size,
        seed=seed,
        sampling=sampling_of(levels, steps, step_size),
        known=known,
        workers=workers,
    )
    found = _reconstruct(registry_of(context), run, dataset, settings, limit, output, device)
    if as_json:
        write_json(found)
    else:
        _show(found, published, dataset)


def _reconstruct(
    registry: Registry,
    run: Path,
    dataset: str,
    settings: Any,
    limit: int | None,
    output: Path | None,
    device: str,
) -> dict[str, Any]:
    from matsciml_cli.progress_bars import progress_bars
    from matsciml_core.model.trained import load
    from matsciml_tool_generate.extxyz import write_extxyz
    from matsciml_tool_generate.reconstruction import reconstruct as work
    from matsciml_tool_generate.reference import read_run_data
    from matsciml_tool_generate.sampling import generative_head

    model = load(run, device=device, registry=registry)
    generative_head(model)  # before anything is read
    truth: list[Crystal] = [
        one.crystal
        for one in read_run_data(dataset, model.folder, registry)[:limit]
        if one.crystal is not None
    ]
    with progress_bars() as report:
        made, score = work(model, truth, settings, report)
    if output is not None:
        write_extxyz(output, [one for one in made if one is not None])
    finite = {"match_rate": score.match_rate, "rms": score.rms}
    return {
        "schema": SCHEMA,
        "crystals": len(truth),
        "reconstructed": sum(one is not None for one in made),
        **{key: None if value != value else value for key, value in finite.items()},
        "distances": {one.id: value for one, value in zip(truth, score.distances, strict=True)},
    }


def _show(found: dict[str, Any], name: str, dataset: str) -> None:
    from matsciml_tool_generate.metrics_table import published

    known = published()[name]
    rate, rms = known["values"].get("match_rate"), known["values"].get("rms")
    write_heading(
        f"{found['crystals']:,} crystals of {dataset}, {found['reconstructed']:,} decoded"
    )
    rows = [
        Row(("match rate", _text(found["match_rate"], 100, " %"), _text(rate, 100, " %"))),
        Row(("RMSE of the matched", _text(found["rms"]), _text(rms))),
    ]
    write_table(rows, header=("metric", "here", f"{known['title']}, published"))


def _text(value: float | None, factor: float = 1.0, unit: str = "") -> str:
    return "" if value is None else f"{factor * value:.4g}{unit}"
