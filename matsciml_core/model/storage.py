"""The shared form of a trained model: ``model.safetensors`` and ``model.json``, no pickle.

Tensors are named ``encoder.…`` and ``heads.<number>.…``; the JSON names the components and their
settings, so that loading needs nothing but the two files and the plugins.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from matsciml_core.errors import DataError, RegistryError
from matsciml_core.files import hash_of, read_object, replacing, write_json
from matsciml_core.interfaces.config import Config
from matsciml_core.interfaces.encoder import Encoder
from matsciml_core.interfaces.strategy import Task
from matsciml_core.model.allocation import AllocationLimit
from matsciml_core.model.components import build_component, build_head
from matsciml_core.model.location import (
    DESCRIPTION,
    DIGEST,
    FORMAT,
    TENSORS,
    VERSION,
    read_description,
)
from matsciml_core.model.objects import require_object
from matsciml_core.model.undisturbed import undisturbed
from matsciml_core.registry.targets import TargetInfo

if TYPE_CHECKING:
    from matsciml_core.registry.manager import Registry


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
    encoder_settings: Mapping[str, Any] | None = None,
) -> None:
    """Write a trained model to a folder.

    Args:
        folder: An existing folder.
        encoder_name: The encoder's registry name.
        encoder: The trained encoder.
        tasks: The tasks with their trained heads.
        extra: More to say in the JSON, for example licence and citations.
        encoder_settings: What to say of the encoder instead of its settings; None: those.
    """
    tensors = _prefixed("encoder", encoder)
    for number, task in enumerate(tasks):
        tensors |= _prefixed(f"heads.{number}", task.head)
    description = {
        "format": FORMAT,
        "version": VERSION,
        "encoder": {
            "name": encoder_name,
            "config": _settings(encoder.config) if encoder_settings is None else encoder_settings,
        },
        "heads": [
            {
                "name": task.head_name,
                "dataset": task.dataset,
                "targets": [info.as_data() for info in task.head.targets],
                "config": _settings(task.head.config),
            }
            for task in tasks
        ],
        **(extra or {}),
    }
    with replacing(Path(folder) / TENSORS) as part:
        save_file(tensors, part)
    # With the digest of what lies on the disk, so that a flipped bit is noticed when it is loaded.
    description[DIGEST] = hash_of(Path(folder) / TENSORS)
    write_json(Path(folder) / DESCRIPTION, description)


def load_model(folder: str | os.PathLike[str], registry: Registry) -> LoadedModel:
    """Rebuild a trained model; nothing in the files can execute code.

    Raises:
        ConfigError: The encoder was an object, which cannot be built by its name.
        DataError: A file is missing, damaged, or does not fit the components.
        RegistryError: A component's plugin is not installed.
    """
    path = Path(folder)
    description = read_description(path / DESCRIPTION)
    entry = description["encoder"]
    require_object("encoder", entry["name"], entry["config"], registry)
    tensors = load_tensors(path)
    with undisturbed(), AllocationLimit(tensors, path / DESCRIPTION):
        encoder: Encoder = build_component(
            registry.get("encoder", entry["name"]), entry["config"], "encoder"
        )
        tasks = tuple(_build_task(item, encoder, registry) for item in description["heads"])
    _restore_all(path, encoder, tasks, tensors)
    return LoadedModel(encoder=encoder, tasks=tasks, description=description)


def restore_model(folder: str | os.PathLike[str], encoder: Encoder, tasks: Sequence[Task]) -> None:
    """Give encoder and heads the weights of a trained model that has the same parts.

    Args:
        folder: That of the model.
        encoder: Its encoder, with any weights.
        tasks: Its tasks, in the order in which they were saved.

    Raises:
        DataError: A file is missing, damaged, or does not fit.
    """
    _restore_all(Path(folder), encoder, tasks, load_tensors(Path(folder)))


def load_tensors(folder: Path) -> dict[str, Tensor]:
    """Read the tensors of a model, by their names in the file.

    Raises:
        DataError: The file is missing, damaged, or not the one that its description was made for.
    """
    try:
        tensors = load_file(folder / TENSORS)
        digest = hash_of(folder / TENSORS)
    except (OSError, SafetensorError) as error:
        raise DataError(
            f"'{folder / TENSORS}' cannot be read as safetensors ({error}); copy or export the "
            "model again."
        ) from error
    # Models that were made elsewhere may come without a digest.
    if (read_object(folder / DESCRIPTION) or {}).get(DIGEST, digest) != digest:
        raise DataError(
            f"'{folder / TENSORS}' is not what it was when the model was saved: its SHA-256 is not "
            f"the one in '{DESCRIPTION}'; copy or export the model again."
        )
    return tensors


def part_of(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """Return the tensors of one module, by their names within it.

    Args:
        tensors: All tensors of a model, of any shape ``(…,)``, dimensionless.
        prefix: ``encoder``, or ``heads.<number>``.
    """
    start = f"{prefix}."
    return {name[len(start) :]: one for name, one in tensors.items() if name.startswith(start)}


def _build_task(item: Mapping[str, Any], encoder: Encoder, registry: Registry) -> Task:
    spec = registry.get("task-head", item["name"])
    try:
        targets = tuple(TargetInfo.from_data(target) for target in item["targets"])
    except (TypeError, RegistryError) as error:
        raise DataError(f"'{DESCRIPTION}' has a label that is none: {error}") from error
    head = build_head(registry, spec, targets, encoder, item["config"])
    return Task(dataset=item["dataset"], head_name=item["name"], head=head)


def _settings(config: Config | None) -> dict[str, Any]:
    return {} if config is None else config.model_dump(mode="json")


def _prefixed(prefix: str, module: nn.Module) -> dict[str, Tensor]:
    state = module.state_dict()
    return {
        f"{prefix}.{name}": tensor.detach().cpu().contiguous() for name, tensor in state.items()
    }


def _restore_all(
    folder: Path, encoder: Encoder, tasks: Sequence[Task], tensors: Mapping[str, Tensor]
) -> None:
    """Give encoder and heads their tensors."""
    try:
        with undisturbed():  # a change of precision within inference mode could not be undone
            _restore("encoder", encoder, tensors)
            for number, task in enumerate(tasks):
                _restore(f"heads.{number}", task.head, tensors)
    except RuntimeError as error:
        raise DataError(
            f"'{folder / TENSORS}' does not hold the model that '{DESCRIPTION}' describes: {error}"
        ) from error


def _restore(prefix: str, module: nn.Module, tensors: Mapping[str, Tensor]) -> None:
    """Give a module its tensors, in the precision in which they were trained."""
    state = part_of(tensors, prefix)
    trained = [state[name] for name, _ in module.named_parameters() if name in state]
    if any(one.dtype == torch.float64 for one in trained):
        module.to(torch.float64)
    module.load_state_dict(state)
