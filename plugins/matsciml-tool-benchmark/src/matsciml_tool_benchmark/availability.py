"""Why an experiment cannot run on this machine, and what to do about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

from matsciml_core.errors import MatSciMLError
from matsciml_core.registry.inventory import inventory_of
from matsciml_core.registry.manager import Registry
from matsciml_core.registry.specs import DatasetSpec, Inventory
from matsciml_tool_benchmark.experiments import Experiment

State = Literal["not installed", "no data", "no label"]
UNAVAILABLE: tuple[State, ...] = get_args(State)
"""What keeps experiments from running."""


@dataclass(frozen=True)
class Unavailable:
    """What keeps an experiment from running."""

    state: State
    sentence: str


def unavailability(
    experiment: Experiment, registry: Registry, origins: Mapping[str, str]
) -> Unavailable | None:
    """Return what keeps an experiment from running here; None: nothing that is known before.

    Args:
        experiment: The experiment.
        registry: Where its components are looked up.
        origins: Dataset → distribution that offers it, for datasets that are not installed.

    Returns:
        The first reason found.
    """
    for name in experiment.row.datasets:
        found = _of_dataset(experiment, name, registry, origins)
        if found is not None:
            return found
    components = [("encoder", experiment.config["encoder"]["name"])]
    if experiment.row.strategy:
        components.append(("strategy", experiment.row.strategy))
    for kind, name in components:
        try:
            registry.get(kind, name)
        except MatSciMLError as error:
            return Unavailable("not installed", str(error))
    return None


def _of_dataset(
    experiment: Experiment, name: str, registry: Registry, origins: Mapping[str, str]
) -> Unavailable | None:
    if name in origins and not any(spec.name == name for spec in registry.specs("dataset")):
        return Unavailable("not installed", f"Run: pip install {origins[name]}")
    try:
        spec = registry.get("dataset", name)
        inventory = inventory_of(spec)
    except MatSciMLError as error:
        return Unavailable("not installed", str(error))
    except (OSError, ValueError, KeyError) as error:
        return Unavailable("no data", f"What is on this machine of '{name}' is unreadable: {error}")
    nobody_can_tell = spec.inventory is None and spec.fetch is None
    if nobody_can_tell or _names_a_file(experiment, name):  # before the run tries
        return None
    if inventory is None:
        return Unavailable("no data", _how_to_get(spec))
    return _of_labels(experiment, name, inventory)


def _names_a_file(experiment: Experiment, name: str) -> bool:
    """Whether the table says itself where the data of a dataset lie."""
    return any(one.get("path") for one in experiment.config["datasets"] if one["name"] == name)


def _how_to_get(spec: DatasetSpec) -> str:
    if spec.fetch:
        return f"Run: matsciml data fetch {spec.name}"
    return f"There is no data on this machine; see: matsciml info {spec.name}"


def _of_labels(experiment: Experiment, name: str, inventory: Inventory) -> Unavailable | None:
    for target in (
        () if experiment.row.generates else experiment.row.targets
    ):  # every crystal has a structure
        prefix, _, label = target.rpartition("/")
        mine = prefix == name or (not prefix and len(experiment.row.datasets) == 1)
        if mine and inventory.sizes and label not in inventory.sizes:
            return Unavailable("no label", f"The data in {inventory.where} has no label '{label}'.")
    return None
