"""The shared form of a trained model: ``model.safetensors`` and ``model.json``, no pickle.

Tensors are named ``encoder.…`` and ``heads.<number>.…``; the JSON names the components and their
settings, so that loading needs nothing but the two files and the plugins.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from matsciml_core.errors import DataError
from matsciml_core.interfaces.config import Config
from matsciml_core.interfaces.encoder import Encoder
from matsciml_core.interfaces.strategy import Task
from matsciml_core.registry.specs import TargetInfo
from matsciml_core.training.assemble import build_component, component_config

if TYPE_CHECKING:
    from matsciml_core.registry.manager import Registry

FORMAT = "matsciml-model"
VERSION = 1
TENSORS = "model.safetensors"
DESCRIPTION = "model.json"


@dataclass(frozen=True, kw_only=True)
class LoadedModel:
    """A trained model as loaded from its two files."""

    encoder: Encoder
    tasks: tuple[Task, ...]
    description: Mapping[str, Any]
    """What ``model.json`` says."""


def save_model(
    folder: str | os.PathLike[str],
    encoder_name: str,
    encoder: Encoder,
    tasks: Sequence[Task],
    extra: Mapping[str, Any] | None = None,
) -> None:
    """Write a trained model to a folder.

    Args:
        folder: An existing folder.
        encoder_name: The encoder's registry name.
        encoder: The trained encoder.
        tasks: The tasks with their trained heads.
        extra: More to say in the JSON, for example licence and citations.
    """
    tensors = _prefixed("encoder", encoder)
    for number, task in enumerate(tasks):
        tensors |= _prefixed(f"heads.{number}", task.head)
    description = {
        "format": FORMAT,
        "version": VERSION,
        "encoder": {"name": encoder_name, "config": _settings(encoder.config)},
        "heads": [_describe(task) for task in tasks],
        **(extra or {}),
    }
    save_file(tensors, Path(folder) / TENSORS)
    text = json.dumps(description, indent=1, ensure_ascii=False)
    (Path(folder) / DESCRIPTION).write_text(text + "\n", encoding="utf-8")


def load_model(folder: str | os.PathLike[str], registry: Registry) -> LoadedModel:
    """Rebuild a trained model; nothing in the files can execute code.

    Raises:
        DataError: A file is missing, damaged, or does not fit the components.
        RegistryError: A component's plugin is not installed.
    """
    path = Path(folder)
    description = _read_description(path / DESCRIPTION)
    entry = description["encoder"]
    encoder: Encoder = build_component(
        registry.get("encoder", entry["name"]), entry["config"], "encoder"
    )
    tasks = tuple(_build_task(item, encoder, registry) for item in description["heads"])
    try:
        tensors = load_file(path / TENSORS)
        _restore("encoder", encoder, tensors)
        for number, task in enumerate(tasks):
            _restore(f"heads.{number}", task.head, tensors)
    except (OSError, SafetensorError, RuntimeError) as error:
        raise DataError(
            f"'{path / TENSORS}' does not hold the model that '{DESCRIPTION}' describes: {error}"
        ) from error
    return LoadedModel(encoder=encoder, tasks=tasks, description=description)


def _build_task(item: Mapping[str, Any], encoder: Encoder, registry: Registry) -> Task:
    spec = registry.get("task-head", item["name"])
    head = spec.load()(
        tuple(TargetInfo(**target) for target in item["targets"]),
        encoder.atom_width,
        encoder.crystal_width,
        component_config(spec, item["config"], "head"),
    )
    return Task(dataset=item["dataset"], head_name=item["name"], head=head)


def _describe(task: Task) -> dict[str, Any]:
    return {
        "name": task.head_name,
        "dataset": task.dataset,
        "targets": [asdict(info) for info in task.head.targets],
        "config": _settings(task.head.config),
    }


def _settings(config: Config | None) -> dict[str, Any]:
    return {} if config is None else config.model_dump(mode="json")


def _prefixed(prefix: str, module: nn.Module) -> dict[str, Tensor]:
    state = module.state_dict()
    return {
        f"{prefix}.{name}": tensor.detach().cpu().contiguous() for name, tensor in state.items()
    }


def _restore(prefix: str, module: nn.Module, tensors: Mapping[str, Tensor]) -> None:
    start = f"{prefix}."
    state = {name[len(start) :]: value for name, value in tensors.items() if name.startswith(start)}
    module.load_state_dict(state)


def _read_description(path: Path) -> dict[str, Any]:
    try:
        description = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(
            f"'{path}' cannot be read as a model description ({error}); name a folder that holds "
            f"'{DESCRIPTION}' and '{TENSORS}'."
        ) from error
    if not isinstance(description, dict) or description.get("format") != FORMAT:
        raise DataError(f"'{path}' does not describe a MatSciML model.")
    if description["version"] > VERSION:
        raise DataError(
            f"'{path}' has version {description['version']}; upgrade matsciml to read it."
        )
    return description
