"""Models that come trained: named by a word, converted once, and held to what they are good for."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from matsciml_core.errors import ConfigError, DataError, did_you_mean
from matsciml_core.files import hash_of
from matsciml_core.interfaces.elements import symbol
from matsciml_core.model.location import (
    DESCRIPTION,
    DIGEST,
    TENSORS,
    find_model,
    read_description,
)
from matsciml_core.registry.folders import data_folder
from matsciml_core.registry.pretrained import PretrainedSpec

if TYPE_CHECKING:
    from matsciml_core.interfaces.batch import CrystalBatch
    from matsciml_core.interfaces.crystal import Crystal
    from matsciml_core.registry.manager import Registry

PRETRAINED = "pretrained"
"""Key of a model's description under which its record stands, if it came trained."""
_SAME_PLACE = 1e-6
"""Å; directions of shorter edges are rounding errors."""


def locate_model(path: str | os.PathLike[str], registry: Registry) -> Path:
    """Return the folder of a trained model, or of the pretrained one that has the name.

    Args:
        path: Folder of a run or of an exported model, one of the model's two files, or the name of
            a pretrained model, which is converted when it is used for the first time.
        registry: Where pretrained models are looked up.

    Raises:
        ConfigError: There is neither.
        RegistryError: The pretrained model cannot be used.

    Warns:
        UserWarning: A folder has the name of a pretrained model, and goes first.
    """
    name = os.fspath(path)
    names = [spec.name for spec in registry.specs("pretrained")]
    if Path(name).exists():
        if name in names:
            warnings.warn(
                f"'{name}' is a folder here and the name of a pretrained model; the folder is "
                "used, and from any other working directory the pretrained model is.",
                stacklevel=2,
            )
        return find_model(path)
    if name in names:
        return pretrained_folder(registry.get("pretrained", name), registry)
    elsewhere = [item.offer.name for item in registry.elsewhere(PretrainedSpec.kind)]
    # Of a plugin that is not installed, which the error says how to install, or of an environment.
    if name in elsewhere or _is_known(name):
        raise registry.unknown(name, "pretrained")
    try:
        return find_model(path)
    except ConfigError as error:
        raise ConfigError(f"{error}{_names_hint(name, names, registry)}") from error


def pretrained_folder(spec: PretrainedSpec, registry: Registry) -> Path:
    """Return the folder of a pretrained model, which is written the first time.

    Weights of another digest, and those that another version of the plugin converted, get folders
    of their own. A folder whose files are not what they were is written anew.

    Args:
        spec: The model.
        registry: The registry that it is from.

    Raises:
        ConfigError: The folder cannot be written.
        MatSciMLError: The plugin cannot read the weights.
    """
    plugin = registry.record_of(spec)
    parts = [spec.name, plugin.version, spec.digest[:12]]
    folder = data_folder() / PRETRAINED / "-".join(part for part in parts if part)
    if _is_whole(folder):
        return folder.resolve()
    from matsciml_core.model.storage import save_model  # noqa: PLC0415 - imports torch
    from matsciml_core.model.undisturbed import undisturbed  # noqa: PLC0415 - imports torch

    with undisturbed():
        encoder, tasks = spec.load()(spec, registry)
    extra = {
        PRETRAINED: _record(spec, plugin.label),
        "citations": [reference.bibtex() for reference in spec.references],
        **({"elements": list(spec.elements)} if spec.elements else {}),
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
        save_model(folder, spec.encoder, encoder, tasks, extra)
    except OSError as error:
        raise ConfigError(
            f"The weights of '{spec.name}' cannot be written to '{folder}' ({error.strerror}); "
            "set MATSCIML_DATA to a folder that can be written."
        ) from error
    return folder.resolve()


def require_known_elements(description: Mapping[str, Any], crystals: Sequence[Crystal]) -> None:
    """Reject elements that a pretrained model is not good for, which it would take in silence.

    Args:
        description: What ``model.json`` says; of a model that did not come trained nothing is
            rejected.
        crystals: What it is asked about.

    Raises:
        DataError: A crystal has such an element.
    """
    record = description.get(PRETRAINED)
    if record is None or not record.get("elements"):
        return
    for crystal in crystals:
        present = map(symbol, np.unique(crystal.atomic_numbers).tolist())
        foreign = [one for one in present if one not in record["elements"]]
        if foreign:
            raise DataError(
                f"'{crystal.id}' contains {', '.join(foreign)}, for which the pretrained model "
                f"'{record['name']}' gives numbers without meaning; leave it out, or use another "
                "model."
            )


def require_neighbours(description: Mapping[str, Any], batch: CrystalBatch) -> None:
    """Reject atoms without a neighbour where a pretrained model has no meaningful energy for them.

    Args:
        description: What ``model.json`` says.
        batch: What it is asked about, with edges.

    Raises:
        DataError: An atom has no neighbour.
    """
    record = description.get(PRETRAINED)
    if record is None or record.get("isolated_atoms") or batch.edges_per_atom is None:
        return
    alone = (batch.edges_per_atom == 0).nonzero()[:, 0].tolist()
    if alone:
        crystal = batch.ids[int(batch.crystal_index[alone[0]])]
        raise DataError(
            f"'{crystal}' has an atom without any neighbour within the cutoff, for which the "
            f"pretrained model '{record['name']}' has no meaningful energy; leave it out."
        )


def require_distinct_positions(description: Mapping[str, Any], batch: CrystalBatch) -> None:
    """Reject two atoms at one place, for which potentials give no number.

    Args:
        description: What ``model.json`` says.
        batch: What a pretrained model is asked about, with edges.

    Raises:
        DataError: Two atoms of a crystal have one position.
    """
    if description.get(PRETRAINED) is None or batch.edge_index is None:
        return
    same = (batch.edge_vectors().norm(dim=1) < _SAME_PLACE).nonzero()[:, 0].tolist()
    if same:
        atoms = batch.edge_index[:, same[0]].tolist()
        number = int(batch.crystal_index[atoms[0]])
        first = int(batch.atoms_per_crystal[:number].sum())
        one, other = sorted(atom - first for atom in atoms)
        raise DataError(
            f"Atoms {one} and {other} of '{batch.ids[number]}', counted from 0, are at one place; "
            "remove one of them."
        )


def _names_hint(name: str, names: Sequence[str], registry: Registry) -> str:
    """Return what to add to the error about a model that does not exist; may be empty."""
    if not names:
        return ""
    own = [spec.name for spec in registry.specs("pretrained") if spec.encoder == name]
    if own:
        return f" '{name}' is an encoder; pretrained models that have it: {', '.join(own)}."
    return f"{did_you_mean(name, names)} Pretrained models: {', '.join(names)}."


def _record(spec: PretrainedSpec, distribution: str) -> dict[str, Any]:
    """Return what ``model.json`` says of a pretrained model."""
    return {
        "name": spec.name,
        "distribution": distribution,
        "weights": spec.weights,
        "digest": spec.digest,
        "functional": spec.functional,
        "licence": spec.licence,
        "trained_on": spec.trained_on,
        "seen": list(spec.seen),
        "elements": list(spec.elements),
        "isolated_atoms": spec.isolated_atoms,
    }


def _is_whole(folder: Path) -> bool:
    try:
        return hash_of(folder / TENSORS) == read_description(folder / DESCRIPTION).get(DIGEST)
    except (OSError, DataError):
        return False


def _is_known(name: str) -> bool:
    from matsciml_core.registry.known_plugins import known_components  # noqa: PLC0415 - needs json

    return any(item.name == name for item in known_components("pretrained"))
