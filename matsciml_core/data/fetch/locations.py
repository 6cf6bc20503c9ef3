"""Where the stores lie that were fetched, so that a plugin's dataset finds them."""

from __future__ import annotations

from pathlib import Path

from matsciml_core.errors import ConfigError
from matsciml_core.files import read_object, write_json
from matsciml_core.registry.folders import dataset_folder

_RECORD = "fetched.json"
_INDEX = "index.json"
"""What a finished store has; named here too, since reading stores imports torch."""


def store_key(release: str | None, subset: str | None) -> str:
    """Return what a fetched store is listed under, which is its folder, too.

    Raises:
        ConfigError: A name would make a folder elsewhere.
    """
    key = "/".join(filter(None, (release, subset))) or "default"
    parts = key.split("/")
    if "\\" in key or not key.isprintable() or any(part in ("", ".", "..") for part in parts):
        raise ConfigError(
            f"'{key}' is no name of a release or subset, because its data would lie elsewhere; "
            "give one without '..' and without '/' at its ends."
        )
    return key


def note_store(name: str, key: str, store: Path) -> None:
    """Note where a fetched store lies.

    Args:
        name: Registry name of the dataset.
        key: See :func:`store_key`.
        store: The store's folder.
    """
    folder = dataset_folder(name)
    folder.mkdir(parents=True, exist_ok=True)
    known = fetched_stores(name)
    known.pop(key, None)
    known[key] = store.absolute()
    data = {
        key: str(path.relative_to(folder) if path.is_relative_to(folder) else path)
        for key, path in known.items()
    }
    write_json(folder / _RECORD, data)


def fetched_stores(name: str) -> dict[str, Path]:
    """Return the stores that were fetched for a dataset by their keys, the latest one last.

    Args:
        name: Registry name of the dataset.
    """
    folder = dataset_folder(name)
    data = read_object(folder / _RECORD) or {}
    texts = {key: path for key, path in data.items() if isinstance(path, str)}
    return {key: (folder / path).resolve() for key, path in texts.items()}


def present_stores(name: str) -> dict[str, Path]:
    """Return those of :func:`fetched_stores` that are still there, the latest one last.

    Args:
        name: Registry name of the dataset.
    """
    found = fetched_stores(name)
    return {key: store for key, store in found.items() if (store / _INDEX).is_file()}


def latest_store(name: str) -> Path | None:
    """Return the store fetched last of those that are still there; None: there is none.

    Args:
        name: Registry name of the dataset.
    """
    return next(reversed(present_stores(name).values()), None)
