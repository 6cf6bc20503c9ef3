"""Why a cell cannot run on this machine, and what to do about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

from matsciml_core.errors import MatSciMLError
from matsciml_core.registry.inventory import inventory_of
from matsciml_core.registry.manager import Registry
from matsciml_core.registry.specs import DatasetSpec, Inventory
from matsciml_tool_benchmark.cells import Cell

State = Literal["not installed", "no data", "no label"]
OBSTACLES: tuple[State, ...] = get_args(State)
"""What keeps cells from running."""


@dataclass(frozen=True)
class Obstacle:
    """What keeps a cell from running."""

    state: State
    sentence: str


def obstacle(cell: Cell, registry: Registry, origins: Mapping[str, str]) -> Obstacle | None:
    """Say what keeps a cell from running here; None: nothing that is known before it starts.

    Args:
        cell: The cell.
        registry: Where its components are looked up.
        origins: Dataset → distribution that offers it, for datasets that are not installed.

    Returns:
        The first obstacle.
    """
    for name in cell.row.datasets:
        found = _of_dataset(cell, name, registry, origins)
        if found is not None:
            return found
    components = [("encoder", cell.config["encoder"]["name"])]
    if cell.row.strategy:
        components.append(("strategy", cell.row.strategy))
    for kind, name in components:
        try:
            registry.get(kind, name)
        except MatSciMLError as error:
            return Obstacle("not installed", str(error))
    return None


def _of_dataset(
    cell: Cell, name: str, registry: Registry, origins: Mapping[str, str]
) -> Obstacle | None:
    if name in origins and not any(spec.name == name for spec in registry.specs("dataset")):
        return Obstacle("not installed", f"Run: pip install {origins[name]}")
    try:
        spec = registry.get("dataset", name)
        inventory = inventory_of(spec)
    except MatSciMLError as error:
        return Obstacle("not installed", str(error))
    except (OSError, ValueError, KeyError) as error:
        return Obstacle("no data", f"What is on this machine of '{name}' is unreadable: {error}")
    nobody_can_tell = spec.inventory is None and spec.fetch is None
    if nobody_can_tell or _names_a_file(cell, name):  # before the run tries
        return None
    if inventory is None:
        return Obstacle("no data", _how_to_get(spec))
    return _of_labels(cell, name, inventory)


def _names_a_file(cell: Cell, name: str) -> bool:
    """Whether the table says itself where the data of a dataset lie."""
    return any(one.get("path") for one in cell.config["datasets"] if one["name"] == name)


def _how_to_get(spec: DatasetSpec) -> str:
    if spec.fetch:
        return f"Run: matsciml data fetch {spec.name}"
    return f"There is no data on this machine; see: matsciml info {spec.name}"


def _of_labels(cell: Cell, name: str, inventory: Inventory) -> Obstacle | None:
    for target in () if cell.row.generates else cell.row.targets:  # every crystal has a structure
        prefix, _, label = target.rpartition("/")
        mine = prefix == name or (not prefix and len(cell.row.datasets) == 1)
        if mine and inventory.sizes and label not in inventory.sizes:
            return Obstacle("no label", f"The data in {inventory.where} has no label '{label}'.")
    return None
