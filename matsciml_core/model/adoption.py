"""Taking over the encoder of the model that a run starts from; imports no torch."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from matsciml_core.errors import ConfigError
from matsciml_core.model.location import DESCRIPTION, read_description
from matsciml_core.model.pretrained import PRETRAINED, locate_model

if TYPE_CHECKING:
    from matsciml_core.registry.manager import Registry


def adopt_encoder(data: Mapping[str, Any], registry: Registry) -> dict[str, Any]:
    """Take over the encoder of the model that a run starts from, and its settings.

    Args:
        data: The configuration as plain data, with components as mappings.
        registry: Where pretrained models are looked up.

    Returns:
        The same with the encoder filled in, settings that the user gave on top, and the model's
        path resolved; unchanged where the run starts from no model.

    Raises:
        ConfigError: There is no such model, or another encoder is named.
        DataError: The model's description is damaged.
    """
    init = data.get("init")
    if not isinstance(init, Mapping) or not isinstance(init.get("model"), str | os.PathLike):
        return dict(data)
    folder = locate_model(init["model"], registry)
    description = read_description(folder / DESCRIPTION)
    known = description["encoder"]
    wanted = data.get("encoder") or {}
    if isinstance(wanted, str):
        wanted = {"name": wanted}
    if wanted.get("name", known["name"]) != known["name"]:
        raise ConfigError(
            f"The model in '{init['model']}' has the encoder '{known['name']}', not "
            f"'{wanted['name']}'; leave the encoder away to take over the model's, or start "
            "without the model."
        )
    encoder = {"name": known["name"], **known["config"], **wanted}
    adopted = {**data, "encoder": encoder, "init": {**init, "model": str(folder)}}
    head = _pretrained_head(adopted, description)
    return adopted if head is None else {**adopted, "head": head}


def _pretrained_head(
    data: Mapping[str, Any], description: Mapping[str, Any]
) -> dict[str, Any] | None:
    """Return the settings of the pretrained head for a run's labels; None: there is none.

    With them a run on fewer of its labels starts from the whole potential, and not from an encoder
    with a new head of other sizes. Settings that the user gave come on top.
    """
    wanted, init = data.get("head") or {}, data["init"]
    new = init.get("heads") == "new"
    targets = data.get("targets") or ()
    names = [targets] if isinstance(targets, str) else targets
    labels = {name.rpartition("/")[2] for name in names}
    if PRETRAINED not in description or new or not labels or not isinstance(wanted, Mapping):
        return None
    for head in description["heads"]:
        predicted = {target.get("name") for target in head["targets"]}
        if labels <= predicted and wanted.get("name", head["name"]) == head["name"]:
            return {**head["config"], **wanted}
    return None
