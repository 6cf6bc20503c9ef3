"""Why an experiment cannot run on this machine, and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from matsciml_core.errors import MatSciMLError, OtherEnvironmentError
from matsciml_core.registry.inventory import inventory_of
from matsciml_core.registry.known_plugins import known_components
from matsciml_core.registry.manager import Registry
from matsciml_core.registry.messages import install_command
from matsciml_core.registry.specs import DatasetSpec
from matsciml_tool_benchmark.experiments import Experiment

Reason = Literal["not installed", "no data", "no label"]
REASONS: tuple[Reason, ...] = get_args(Reason)


@dataclass(frozen=True)
class Unavailable:
    """What keeps an experiment from running."""

    state: Reason
    sentence: str
    """What to do about it."""


def unavailability(experiment: Experiment, registry: Registry) -> Unavailable | None:
    """Return what keeps an experiment from running, as far as can be told before it starts.

    Args:
        experiment: The experiment.
        registry: Where its components are looked up.

    Returns:
        The first reason; None: there is none.
    """
    components = [("dataset", name) for name in experiment.row.datasets]
    components.append(("encoder", experiment.config["encoder"]["name"]))
    if experiment.row.strategy:
        components.append(("strategy", experiment.row.strategy))
    if experiment.generation is not None:
        components += [("command", "generate"), ("command", "evaluate-crystals")]
    for kind, name in components:
        try:
            spec = registry.get(kind, name)
            lack = _missing_data(experiment, spec) if isinstance(spec, DatasetSpec) else None
        except OtherEnvironmentError:
            continue  # the run is handed over to the environment that has it
        except MatSciMLError as error:
            command = _command_to_install(kind, name, registry)
            return Unavailable("not installed", f"Run: {command}" if command else str(error))
        if lack is not None:
            return lack
    return None


def _command_to_install(kind: str, name: str, registry: Registry) -> str:
    """Return what installs a component of the index of known plugins; empty: that will not help.

    It is shorter than the registry's sentence, which lists what is installed: a table repeats it
    in each of its lines.
    """
    installed = {record.distribution for record in registry.plugins}
    for component in known_components(kind):
        if component.name == name and component.distribution not in installed:
            return install_command(component)
    return ""


def _missing_data(experiment: Experiment, spec: DatasetSpec) -> Unavailable | None:
    try:
        inventory = inventory_of(spec)
    except (OSError, ValueError, KeyError) as error:
        problem = f"The record of '{spec.name}' on this machine is unreadable: {error}"
        return Unavailable("no data", problem)
    # A dataset that comes with its plugin has no inventory, and a file that the table names is
    # not in it: only the run itself can tell.
    datasets = experiment.config["datasets"]
    has_path = any(entry.get("path") for entry in datasets if entry["name"] == spec.name)
    if has_path or (spec.inventory is None and spec.fetch is None):
        return None
    if inventory is None and spec.fetch:
        return Unavailable("no data", f"Run: matsciml data fetch {spec.name}")
    if inventory is None:
        see = f"There is no data on this machine; see: matsciml info {spec.name}"
        return Unavailable("no data", see)
    # Every crystal has a structure, so that generation needs no label.
    for target in () if experiment.row.generates else experiment.row.targets:
        prefix, _, label = target.rpartition("/")
        is_own = prefix == spec.name or (not prefix and len(experiment.row.datasets) == 1)
        if is_own and inventory.sizes and label not in inventory.sizes:
            return Unavailable("no label", f"The data in {inventory.where} has no label '{label}'.")
    return None
