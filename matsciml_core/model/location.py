"""Where a trained model lies, and what is said about it; imports no torch.

So ``matsciml run --init-from`` can refuse a folder without a model at once.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from matsciml_core.errors import ConfigError, DataError
from matsciml_core.guarded import read_json
from matsciml_core.model.latest import LATEST, follow_latest

FORMAT = "matsciml-model"
VERSION = 1
TENSORS = "model.safetensors"
DESCRIPTION = "model.json"
ENSEMBLE = "ensemble.json"
"""File that makes a folder an ensemble of trained models."""
CALIBRATION = "calibration"
"""Key of the description under which the intervals of its labels stand."""
DIGEST = "sha256"
"""Key of the description under which the SHA-256 of the tensors stands."""
_CONFIG = "config.yaml"
_HEAD = {"name": str, "dataset": str, "targets": list, "config": dict}
"""What a head's entry in the description holds."""


def find_model(path: str | os.PathLike[str]) -> Path:
    """Return the folder that holds a trained model: that of a run, or one that was exported.

    Args:
        path: The folder, a link to it such as ``runs/latest``, or one of the model's two files.

    Raises:
        ConfigError: There is no trained model.
    """
    place = follow_latest(Path(path))
    if place.is_file() and place.name in (TENSORS, DESCRIPTION):
        place = place.parent
    if not place.is_dir():
        what = "is a file" if place.exists() else "does not exist"
        raise ConfigError(
            f"'{path}' {what}; name the folder of a finished run, for example runs/latest, or one "
            "that matsciml export wrote."
        )
    if not all((place / name).is_file() for name in (DESCRIPTION, TENSORS)):
        raise ConfigError(_why_not(place, str(path)))
    return place.resolve()


def _why_not(place: Path, shown: str) -> str:
    """Say why a folder holds no model."""
    if (place / _CONFIG).is_file():
        return (
            f"The run '{shown}' has not finished, so that it has no model yet; finish it with "
            f"matsciml run --resume {shlex.quote(shown)}"
        )
    if (place / ENSEMBLE).is_file():
        return (
            f"'{shown}' is an ensemble of models, and one is needed here; name one of the folders "
            f"in its '{ENSEMBLE}'."
        )
    if (place / LATEST).exists():
        return f"'{shown}' is a folder of runs; name one of them, for example {place / LATEST}."
    return (
        f"'{shown}' holds no trained model ('{DESCRIPTION}' and '{TENSORS}'); name the folder of a "
        "finished run, for example runs/latest, or one that matsciml export wrote."
    )


def read_description(path: Path) -> dict[str, Any]:
    """Read what ``model.json`` says of components, their settings and the labels.

    Args:
        path: The file.

    Raises:
        DataError: It cannot be read, describes no model, or is from a later version.
    """
    try:
        description = read_json(path)
    except (OSError, ValueError) as error:
        raise DataError(
            f"'{path}' cannot be read as a model description ({error}); name a folder that holds "
            f"'{DESCRIPTION}' and '{TENSORS}'."
        ) from error
    if not isinstance(description, dict) or description.get("format") != FORMAT:
        raise DataError(f"'{path}' does not describe a MatSciML model; name another folder.")
    version = description.get("version")
    if not isinstance(version, int) or version > VERSION:
        raise DataError(f"'{path}' has version {version!r}; upgrade matsciml to read it.")
    if not _is_complete(description):
        raise DataError(
            f"'{path}' does not name an encoder and heads with their settings; it is damaged, copy "
            "or export the model again."
        )
    return description


def _is_complete(description: Mapping[str, Any]) -> bool:
    encoder, heads = description.get("encoder"), description.get("heads")
    if not isinstance(heads, list) or not isinstance(description.get("elements", []), list):
        return False
    entries = [(encoder, {"name": str, "config": dict}), *((head, _HEAD) for head in heads)]
    return all(
        isinstance(entry, dict)
        and all(isinstance(entry.get(key), kind) for key, kind in of.items())
        for entry, of in entries
    )
