"""The options of ``matsciml run`` that say what is trained, for every command that trains.

Nothing here imports torch, so that a misspelt name or setting is answered at once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from matsciml_cli._completion import complete_names
from matsciml_core.errors import ConfigError, SettingError
from matsciml_core.registry.manager import Registry

_INSPECTED = 10
"""Steps between two looks at the gradients with ``--inspect-gradients``."""
_TRAINING = {
    "epochs": "epochs",
    "minutes": "minutes",
    "early_stop": "patience",
    "batch_size": "batch_size",
    "seed": "seed",
    "device": "device",
    "devices": "devices",
    "nodes": "nodes",
}
"""Options with a value of their own → the settings of ``training`` that they give."""


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """What the options of a run were given; None where one was not."""

    dataset: Annotated[
        list[str] | None,
        typer.Option(
            "--dataset",
            "-d",
            help="Dataset to train on; repeat for several.",
            autocompletion=complete_names("dataset"),
        ),
    ] = None
    encoder: Annotated[
        str | None,
        typer.Option(
            "--encoder", "-e", help="Encoder to train.", autocompletion=complete_names("encoder")
        ),
    ] = None
    target: Annotated[
        list[str] | None,
        typer.Option("--target", "-t", help="Label to learn; default: the dataset's first."),
    ] = None
    head: Annotated[
        str | None,
        typer.Option(
            "--head",
            help="Task head; default: the usual one of each label.",
            autocompletion=complete_names("task-head"),
        ),
    ] = None
    strategy: Annotated[
        str | None,
        typer.Option(
            "--strategy",
            help="How tasks are trained together; default: the plain gradient of one.",
            autocompletion=complete_names("strategy"),
        ),
    ] = None
    config: Annotated[
        Path | None, typer.Option("--config", "-c", help="YAML file with settings.")
    ] = None
    overrides: Annotated[
        list[str] | None,
        typer.Option("--set", "-s", help="A setting as KEY=VALUE, for example encoder.cutoff=5."),
    ] = None
    epochs: Annotated[int | None, typer.Option(help="Passes over the training split.")] = None
    minutes: Annotated[
        float | None,
        typer.Option(help="Minutes that the run may take, in place of a number of epochs."),
    ] = None
    early_stop: Annotated[
        int | None,
        typer.Option(
            "--early-stop",
            metavar="EPOCHS",
            help="Stop after so many epochs without a better validation loss.",
        ),
    ] = None
    batch_size: Annotated[int | None, typer.Option(help="Most crystals in a batch.")] = None
    seed: Annotated[int | None, typer.Option(help="Seed of weights, order and dropout.")] = None
    device: Annotated[str | None, typer.Option(help="auto, cpu, cuda, cuda:1, …")] = None
    devices: Annotated[int | None, typer.Option(help="GPUs that share each batch.")] = None
    nodes: Annotated[
        int | None,
        typer.Option(help="Machines with --devices each; srun or torchrun starts the processes."),
    ] = None
    inspect_gradients: Annotated[
        bool,
        typer.Option(
            "--inspect-gradients", help="Record every tenth step how tasks pull against each other."
        ),
    ] = False
    no_baselines: Annotated[
        bool,
        typer.Option("--no-baselines", help="Fit no baseline without a network beside the run."),
    ] = False
    logger: Annotated[
        list[str] | None,
        typer.Option(
            "--logger",
            help="Send metrics there, too; repeat for several.",
            autocompletion=complete_names("logger"),
        ),
    ] = None
    init_from: Annotated[
        Path | None,
        typer.Option(help="Start from the model of a run, an exported or a pretrained one."),
    ] = None

    def flags(self, output: Path | None = None) -> dict[str, Any]:
        """Return what the flags say, by section of a configuration; empty where nothing.

        Args:
            output: Parent of the run folder; None: not given.

        Raises:
            ConfigError: The length of the run is given twice.
        """
        if self.epochs is not None and self.minutes is not None:
            raise ConfigError("Give --epochs or --minutes; each of them is the length of the run.")
        training = {setting: getattr(self, name) for name, setting in _TRAINING.items()}
        training |= {
            "inspect_gradients": _INSPECTED if self.inspect_gradients else None,
            "baseline_crystals": 0 if self.no_baselines else None,
            "loggers": self.logger or None,
        }
        return {
            "datasets": self.dataset,
            "encoder": self.encoder,
            "targets": self.target,
            "head": {} if self.head is None else {"name": self.head},
            "strategy": self.strategy,
            "init": {} if self.init_from is None else {"model": str(self.init_from)},
            "output": None if output is None else str(output),
            "training": {key: value for key, value in training.items() if value is not None},
        }

    def read(self, registry: Registry, output: Path | None = None) -> dict[str, Any]:
        """Join file, ``--set`` and flags into a configuration as plain data, and check names in it.

        Args:
            registry: Where the components are looked up.
            output: As for :meth:`flags`.

        Raises:
            ConfigError: A setting is missing, unknown or wrong, or a file cannot be read.
            RegistryError: A component does not exist or cannot be used.
        """
        from matsciml_cli import _request

        data = _request.read(self.flags(output), self.config, self.overrides or [], registry)
        with self.naming_flags():
            _request.look_up(data, registry)
        return data

    @contextmanager
    def naming_flags(self) -> Iterator[None]:
        """Let an error about a setting that was given by an option name the option.

        Raises:
            SettingError: The error, under the name that was typed.
        """
        try:
            yield
        except SettingError as error:
            for name, setting in _TRAINING.items():
                if error.key == f"training.{setting}" and getattr(self, name) is not None:
                    raise error.named(f"--{name.replace('_', '-')}") from error
            raise


def look_up(data: Mapping[str, Any], registry: Registry) -> None:
    """Check names and settings of a configuration, which need not be that of the options.

    Args:
        data: A configuration as plain data.
        registry: Where the components are looked up.

    Raises:
        ConfigError: A setting is missing, unknown or wrong.
        RegistryError: A component does not exist or cannot be used.
    """
    from matsciml_cli import _request

    _request.look_up(data, registry)
