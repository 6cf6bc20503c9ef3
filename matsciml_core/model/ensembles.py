"""Ensembles of trained models: a manifest that names its members and says what they were.

The members stay where they are, beside the manifest or below it; their hashes say whether they are
what they were when it was written.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from matsciml_core.errors import DataError
from matsciml_core.files import hash_of, write_json
from matsciml_core.guarded import read_json
from matsciml_core.model.location import DESCRIPTION, ENSEMBLE, TENSORS, find_model
from matsciml_core.model.uncertainty import Calibration

_FORMAT = "matsciml-ensemble"
_VERSION = 1
_FILES = (TENSORS, DESCRIPTION)


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """What ``ensemble.json`` says."""

    members: Sequence[Path]
    """Folders of the members, each of which was checked."""
    calibrations: Mapping[str, Calibration] = field(default_factory=dict)
    """By ``"<dataset>/<label>"``."""
    digest: str = ""
    """SHA-256 of the manifest."""


def write_ensemble(
    folder: Path, members: Sequence[Path], calibrations: Mapping[str, Calibration]
) -> Path:
    """Write a manifest.

    Args:
        folder: An existing folder.
        members: Folders of trained models.
        calibrations: Intervals by ``"<dataset>/<label>"``.

    Returns:
        The file.
    """
    entries = [
        {
            # Relative, so that the folders can be moved together, and no name of ours is told.
            "path": Path(os.path.relpath(member.resolve(), folder.resolve())).as_posix(),
            "sha256": {name: hash_of(member / name) for name in _FILES},
        }
        for member in members
    ]
    data = {
        "format": _FORMAT,
        "version": _VERSION,
        "members": entries,
        "calibration": {key: one.as_data() for key, one in calibrations.items()},
    }
    write_json(folder / ENSEMBLE, data)
    return folder / ENSEMBLE


def read_ensemble(folder: Path) -> Manifest:
    """Read a manifest, and check that its members are what they were.

    Args:
        folder: The folder that holds it.

    Raises:
        DataError: It cannot be read, or a member is missing or was changed.
    """
    file = folder / ENSEMBLE
    try:
        data: dict[str, Any] = read_json(file)
        entries = [(str(entry["path"]), dict(entry["sha256"])) for entry in data["members"]]
        known = data["format"] == _FORMAT and int(data["version"]) <= _VERSION
        calibration = dict(data.get("calibration", {}))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"'{file}' cannot be read as an ensemble ({error}); make it again with matsciml "
            "ensemble."
        ) from error
    if not known or len(entries) < 2:
        raise DataError(f"'{file}' is no ensemble that this version knows; upgrade matsciml.")
    members = []
    for name, hashes in entries:
        if Path(name).is_absolute():
            raise DataError(f"'{file}' names '{name}' by an absolute path; make it again.")
        member = find_model(folder / name)
        if any(hash_of(member / one) != hashes.get(one) for one in _FILES):
            raise DataError(
                f"'{name}' is not the model that the ensemble in '{folder}' was made of; bring the "
                "old one back, or make the ensemble again."
            )
        members.append(member)
    found = {key: Calibration.from_data(entry) for key, entry in calibration.items()}
    return Manifest(
        members=members,
        calibrations={key: one for key, one in found.items() if one is not None},
        digest=hash_of(file),
    )
