"""``matsciml run``: train, test and report."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any

import typer

from matsciml_cli._completion import complete_names
from matsciml_cli.console import write_line
from matsciml_cli.failures import INTERRUPTED, telling_on_stop
from matsciml_cli.state import registry_of
from matsciml_cli.threads import leave_room
from matsciml_core.errors import ConfigError

_INSPECTED = 10
"""Steps between two looks at the gradients with ``--inspect-gradients``."""


def run(
    context: typer.Context,
    dataset: Annotated[
        list[str] | None,
        typer.Option(
            "--dataset",
            "-d",
            help="Dataset to train on; repeat for several.",
            autocompletion=complete_names("dataset"),
        ),
    ] = None,
    encoder: Annotated[
        str | None,
        typer.Option(
            "--encoder", "-e", help="Encoder to train.", autocompletion=complete_names("encoder")
        ),
    ] = None,
    target: Annotated[
        list[str] | None,
        typer.Option("--target", "-t", help="Label to learn; default: the dataset's first."),
    ] = None,
    head: Annotated[
        str | None,
        typer.Option(
            "--head",
            help="Task head; default: the usual one of each label.",
            autocompletion=complete_names("task-head"),
        ),
    ] = None,
    strategy: Annotated[
        str | None,
        typer.Option(
            "--strategy",
            help="How tasks are trained together; default: the plain gradient of one.",
            autocompletion=complete_names("strategy"),
        ),
    ] = None,
    config: Annotated[
        Path | None, typer.Option("--config", "-c", help="YAML file with settings.")
    ] = None,
    overrides: Annotated[
        list[str] | None,
        typer.Option("--set", "-s", help="A setting as KEY=VALUE, for example encoder.cutoff=5."),
    ] = None,
    epochs: Annotated[int | None, typer.Option(help="Passes over the training split.")] = None,
    minutes: Annotated[
        float | None,
        typer.Option(help="Minutes that the run may take, in place of a number of epochs."),
    ] = None,
    batch_size: Annotated[int | None, typer.Option(help="Most crystals in a batch.")] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of weights, order and dropout.")] = None,
    device: Annotated[str | None, typer.Option(help="auto, cpu, cuda, cuda:1, …")] = None,
    devices: Annotated[int | None, typer.Option(help="GPUs that share each batch.")] = None,
    inspect_gradients: Annotated[
        bool,
        typer.Option(
            "--inspect-gradients", help="Record every tenth step how tasks pull against each other."
        ),
    ] = False,
    no_baselines: Annotated[
        bool,
        typer.Option("--no-baselines", help="Fit no baseline without a network beside the run."),
    ] = False,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Parent of the run folder.")
    ] = None,
    init_from: Annotated[
        Path | None,
        typer.Option(help="Start from the model of a run, an exported or a pretrained one."),
    ] = None,
    resume: Annotated[
        Path | None, typer.Option(help="Continue an interrupted run, for example runs/latest.")
    ] = None,
) -> None:
    """Train an encoder on a dataset, test it, and write a report."""
    training = {
        "epochs": epochs,
        "minutes": minutes,
        "batch_size": batch_size,
        "seed": seed,
        "device": device,
        "devices": devices,
        "inspect_gradients": _INSPECTED if inspect_gradients else None,
        "baseline_crystals": 0 if no_baselines else None,
    }
    if epochs is not None and minutes is not None:
        raise ConfigError("Give --epochs or --minutes; each of them is the length of the run.")
    flags = {
        "datasets": dataset,
        "encoder": encoder,
        "targets": target,
        "head": {} if head is None else {"name": head},
        "strategy": strategy,
        "init": {} if init_from is None else {"model": str(init_from)},
        "output": None if output is None else str(output),
        "training": {key: value for key, value in training.items() if value is not None},
    }
    leave_room(os.environ)
    registry = registry_of(context)
    from matsciml_cli import _request

    if resume is None:
        data = _request.read(flags, config, overrides or [], registry)
        _request.look_up(data, registry)
        request: dict[str, Any] = {"config": data}
    else:
        request = {"resume": resume, **_request.read_changes(flags, config, overrides or [])}
    # Imported last, because they import torch: whatever is misspelt has been answered by now.
    from matsciml_cli._run import explain_interruption, show
    from matsciml_core import RunInterrupted, train

    try:
        with telling_on_stop("Nothing was trained yet; the same command starts again."):
            result = train(**request, registry=registry)
    except RunInterrupted as stop:
        write_line(f"\n{explain_interruption(stop)}")
        raise typer.Exit(INTERRUPTED) from stop
    show(result)
