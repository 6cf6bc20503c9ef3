"""Exporting the model of a run: a folder that can be shared, with a card that describes it."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence, Set
from pathlib import Path
from typing import Any

import yaml

from matsciml_core.errors import ConfigError, DataError, visible
from matsciml_core.files import (
    copy_whole,
    delivering,
    remove_unfinished,
    unfinished,
    write_json,
    write_whole,
)
from matsciml_core.guarded import read_json
from matsciml_core.model.location import DESCRIPTION, TENSORS, find_model, read_description
from matsciml_core.model.storage import load_tensors
from matsciml_core.registry.folders import data_folder
from matsciml_core.training.config_data import read_config_file
from matsciml_core.training.run_folder import CONFIG, SUMMARY
from matsciml_tool_export.card import ModelCard

CARD = "README.md"
CITATIONS = "CITATION.bib"
FILES = (TENSORS, DESCRIPTION, CONFIG, SUMMARY, CARD, CITATIONS)
"""What an exported folder holds."""
_PRIVATE = ("command",)
"""Keys of ``run.json``, and of its segments, that stay on this machine; the command may name its
folders."""


def export_model(
    run: str | os.PathLike[str],
    folder: str | os.PathLike[str],
    *,
    name: str = "",
    licence: str = "",
    replace: bool = False,
) -> Path:
    """Write the model of a finished run to a folder of its own, with a card.

    The tensors are read once before, so that what is exported can be loaded. Folders of this
    machine are left out of the configuration, and the command line out of ``run.json``.

    Args:
        run: The run folder, or a link to it.
        folder: Where to write.
        name: What the model is called; empty: as the run folder.
        licence: Licence of the model, as an SPDX identifier.
        replace: Whether to replace an exported model in the folder.

    Returns:
        The folder.

    Raises:
        ConfigError: The run has not finished, or the folder is not empty or cannot be written.
        DataError: A file of the run is damaged.
    """
    source = find_model(run)
    target = Path(folder)
    summary = read_summary(source, str(run))
    description = read_description(source / DESCRIPTION)
    load_tensors(source)  # only to see that they can be loaded
    check_target(target, source, FILES, {DESCRIPTION, TENSORS, CARD}, replace=replace)
    name = name or source.name
    hidden = _private_folders(source)
    segments = [_without_private(segment) for segment in summary.get("segments", [])]
    summary = _shared(_without_private({**summary, "segments": segments}), hidden)
    description = _shared(description, hidden)
    card = ModelCard(
        name=for_card(name),
        run=for_card(summary),
        model=for_card(description),
        licence=for_card(licence),
    ).markdown()
    try:
        target.mkdir(parents=True, exist_ok=True)
        with delivering(target) as part:
            copy_whole(source / TENSORS, part / TENSORS)
            write_json(part / DESCRIPTION, {**description, "name": name})
            _write_text(part / CONFIG, _shared_config(source, hidden))
            write_json(part / SUMMARY, summary)
            _write_text(part / CARD, card)
            _write_text(part / CITATIONS, citations_text(summary))
    except OSError as error:
        raise ConfigError(
            f"The folder '{folder}' cannot be written ({error.strerror}); name another with --to."
        ) from error
    return target


def read_summary(source: Path, shown: str, *, exported: bool = False) -> dict[str, Any]:
    """Read ``run.json``.

    Args:
        source: The folder.
        shown: The folder as the user named it.
        exported: Whether it may be an exported model's.

    Raises:
        ConfigError: There is none, or it is an exported model's.
        DataError: It is damaged.
    """
    file = source / SUMMARY
    if not file.is_file():
        raise ConfigError(
            f"'{shown}' has a model and no '{SUMMARY}': the run was stopped before its report; "
            f"finish it with matsciml run --resume {shown}"
        )
    try:
        summary = read_json(file)
    except ValueError as error:
        raise DataError(f"'{file}' is damaged ({error}); repeat the run.") from error
    # The command is what an export leaves out, see _PRIVATE.
    if not isinstance(summary, dict) or not (exported or "command" in summary):
        raise ConfigError(f"'{shown}' is an exported model already; copy its folder.")
    return summary


def check_target(
    target: Path, source: Path, files: Sequence[str], needed: Set[str], *, replace: bool
) -> None:
    """Reject a target folder that holds anything but an export that may be replaced.

    What an export that was killed left behind is removed: it is of no use to anybody.

    Args:
        target: The folder.
        source: Folder of the model.
        files: Names of all files of such an export.
        needed: Those by which it is recognised.
        replace: Whether one may be replaced.

    Raises:
        ConfigError: The folder cannot be written to.
    """
    if target.exists() and not target.is_dir():
        raise ConfigError(f"'{target}' is a file; name a folder with --to.")
    if target.is_dir() and target.resolve() == source:
        raise ConfigError("A run cannot be exported into its own folder; name another with --to.")
    present = {path.name for path in target.iterdir()} if target.is_dir() else set()
    present -= {path.name for path in unfinished(target)}
    exported = needed <= present <= set(files)
    if present and not (replace and exported):
        advice = "give --replace" if exported else "name an empty or a new one"
        raise ConfigError(f"The folder '{target}' is not empty; {advice}.")
    remove_unfinished(target)


def _without_private(summary: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in summary.items() if key not in _PRIVATE}


def _private_folders(source: Path) -> list[str]:
    """Return the folders of this machine that a text could name, the longest first."""
    folders = {source, source.parent, Path.cwd(), Path.home(), data_folder()}
    # The root of a file system is in every path, and in many that are none.
    named = {str(folder.absolute()) for folder in folders} - {os.sep}
    return sorted(named, key=len, reverse=True)


def _shared(value: Any, hidden: Sequence[str]) -> Any:
    """Return plain data without the folders of this machine; of a path its last name stays."""
    if isinstance(value, Mapping):
        return {str(_shared(key, hidden)): _shared(item, hidden) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_shared(item, hidden) for item in value]
    if not isinstance(value, str):
        return value
    if Path(value).is_absolute() or value.startswith("~"):
        return Path(value).name
    for folder in hidden:
        # Not within an address or a longer path, whose part of that name is another folder.
        value = re.sub(rf"(?<![\w.:/-]){re.escape(folder)}(?:{os.sep}|(?![\w.-]))", "", value)
    return value


def _shared_config(source: Path, hidden: Sequence[str]) -> str:
    """Return the configuration of the run without folders of this machine."""
    config = read_config_file(source / CONFIG)
    config.pop("output", None)
    # The model that a run started from lies on this machine; its hash stays in run.json.
    config["init"] = {**config.get("init", {}), "model": None, "train": "all"}
    config["datasets"] = [
        {
            name: value
            for name, value in dataset.items()
            # Which settings are paths only the dataset knows; an absolute one gives itself away.
            if not (isinstance(value, str) and Path(value).is_absolute())
        }
        for dataset in config.get("datasets", [])
    ]
    text: str = yaml.safe_dump(_shared(config, hidden), sort_keys=False, allow_unicode=True)
    return text


def for_card(value: Any) -> Any:
    """Return plain data whose texts are text in Markdown: no HTML, and no end of a fence.

    Names of datasets and labels, and citations, may be a stranger's, and hubs show cards as pages.

    Args:
        value: Mappings, lists, texts and numbers.
    """
    if isinstance(value, Mapping):
        return {for_card(key): for_card(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [for_card(item) for item in value]
    if not isinstance(value, str):
        return value
    return visible(value).replace("<", "&lt;").replace("```", "'''").replace("~~~", "'''")


def citations_text(summary: Mapping[str, Any]) -> str:
    """Return the citations of a run, as BibTeX."""
    return "\n\n".join(summary["citations"]) + "\n"


def _write_text(path: Path, text: str) -> None:
    write_whole(path, text.encode())
