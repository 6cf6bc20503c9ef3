"""From a configuration and a registry to the objects of a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from matsciml_core.data.loader import BatchSource
from matsciml_core.data.neighbours.edges import NeighbourCache
from matsciml_core.data.store.labelled import labelled
from matsciml_core.data.symmetry.orbits import OrbitSource
from matsciml_core.errors import ConfigError, DataError
from matsciml_core.interfaces.dataset import Dataset
from matsciml_core.interfaces.encoder import Encoder
from matsciml_core.interfaces.split import SUBSETS, Split
from matsciml_core.interfaces.strategy import Strategy, Task
from matsciml_core.interfaces.structure import targets_of
from matsciml_core.model.adoption import adopt_encoder
from matsciml_core.model.components import build_component, build_head, component_config
from matsciml_core.registry.specs import EncoderSpec, Spec, StrategySpec, TaskHeadSpec
from matsciml_core.training.closed_form import check_heads, settings_for
from matsciml_core.training.config import (
    RunConfig,
    build_config,
    check_choice,
    normalise,
    require_objects,
)
from matsciml_core.training.head_choice import group_labels, head_options
from matsciml_core.training.precision import choose_precision

if TYPE_CHECKING:
    import torch

    from matsciml_core.registry.manager import Registry

_CHUNK = 1024
"""Crystals read at once where a whole subset is read."""


@dataclass(frozen=True, kw_only=True)
class PreparedDataset:
    """A dataset of a run, with the crystals of each subset that have a wanted label."""

    name: str
    dataset: Dataset
    split: Split
    """As the dataset makes it: runs with the same one are tested on the same crystals."""
    used: Split
    """The same, but training crystals beyond the limit are in the subset ``unused``."""
    subsets: Mapping[str, NDArray[np.int64]]
    """Indices by subset, ``(crystals,)``."""
    dropped: Mapping[str, int]
    """Crystals left out of each subset for want of any wanted label."""
    labels: tuple[str, ...]
    """Names of the labels the run uses."""


def resolve(raw: Mapping[str, Any], registry: Registry, *, adopt: bool = True) -> RunConfig:
    """Fill in what the user left open, and expand every component's settings.

    Args:
        raw: Plain data from flags, overrides and file.
        registry: Where the components are looked up.
        adopt: Whether to take over the encoder of the model that the run starts from, which must
            be there; a run under way needs it no more.

    Returns:
        A configuration that repeats the run even if defaults change later.

    Raises:
        ConfigError: A setting is unknown or wrong.
        RegistryError: A component does not exist or cannot be used.
    """
    data = adopt_encoder(normalise(raw), registry) if adopt else normalise(raw)
    config = build_config(data)
    require_objects(config, registry)
    encoder_spec = registry.get("encoder", config.encoder.name)
    suited = encoder_spec.training_of(config.encoder.options.get("preset"))
    training = {**suited, **dict(data.get("training", {}))}
    if training.get("precision", "auto") == "auto":
        # Decided here and written down, because another machine would decide otherwise.
        preset, device = config.encoder.options.get("preset"), training.get("device", "auto")
        training["precision"], _ = choose_precision(encoder_spec, preset, device)
    datasets = [
        _expanded(registry.get("dataset", item.name), item.options, config.section_of(item))
        for item in config.datasets
    ]
    strategy = config.strategy
    strategy_spec = (
        registry.get("strategy", strategy.name)
        if strategy
        else _usual_strategy(registry, _fits_at_once(registry, config.head, encoder_spec))
    )
    training |= settings_for(encoder_spec, strategy_spec, data)
    return build_config(
        {
            **data,
            "datasets": datasets,
            "encoder": _expanded(encoder_spec, config.encoder.options, "encoder"),
            "strategy": _expanded(strategy_spec, strategy.options if strategy else {}, "strategy"),
            "training": training,
        }
    )


def prepare_datasets(config: RunConfig, registry: Registry) -> list[PreparedDataset]:
    """Open the datasets, split them, and keep the crystals that have a wanted label.

    Raises:
        ConfigError: A target or split does not exist.
        DataError: A subset has no labelled crystal.
    """
    opened = [
        (item.name, build_component(registry.get("dataset", item.name), item.options, item.name))
        for item in config.datasets
    ]
    labels = _labels_by_dataset(config, dict(opened))
    return [_prepare(name, dataset, labels[name], config) for name, dataset in opened]


def build_tasks(
    config: RunConfig, registry: Registry, datasets: list[PreparedDataset], encoder: Encoder
) -> list[Task]:
    """Build the heads for the labels of each dataset, and fit them on the training split."""
    name = config.head.get("name")
    strategy = registry.get("strategy", config.strategy.name) if config.strategy else None
    closed_form = strategy is not None and strategy.closed_form
    grouped = [
        (prepared, spec, infos)
        for prepared in datasets
        for spec, infos in group_labels(
            registry,
            name,
            [targets_of(prepared.dataset)[label] for label in prepared.labels],
            closed_form=closed_form,
        )
    ]
    specs = {spec.name: spec for _, spec, _ in grouped}
    tasks = []
    for prepared, spec, infos in grouped:
        options = head_options(config.head, spec, specs)
        head = build_head(registry, spec, infos, encoder, options)
        labels = [info.name for info in infos]
        source = BatchSource(
            prepared.dataset, prepared.subsets["train"], neighbourhood=None, labels=labels
        )
        starts = range(0, len(source), _CHUNK)
        head.fit(source.plain(range(k, min(k + _CHUNK, len(source)))) for k in starts)
        tasks.append(Task(dataset=prepared.name, head_name=spec.name, head=head))
    return tasks


def usable_symprec(
    config: RunConfig, spec: EncoderSpec, encoder: Encoder, tasks: Sequence[Task]
) -> float | None:
    """Return the tolerance, Å, of the symmetry that the run may use; None: all atoms are needed.

    An encoder must be able to work on the asymmetric unit, and no head may differentiate with
    respect to positions: moving one atom breaks the symmetry.
    """
    able = (
        config.training.asymmetric_unit
        and spec.capabilities.asymmetric_unit
        and spec.capabilities.symmetry == "E(3)"
        and not encoder.needs_whole_crystals
        and not any(task.head.needs_position_gradient for task in tasks)
    )
    return config.training.symprec if able else None


def expand(
    config: RunConfig, datasets: Sequence[PreparedDataset], tasks: Sequence[Task]
) -> RunConfig:
    """Write out what followed from the data: labels, splits, and the settings of every head.

    Args:
        config: A resolved configuration.
        datasets: Its datasets.
        tasks: Its tasks.

    Returns:
        A configuration that repeats the run even if a dataset's or head's defaults change.
    """
    heads = {task.head_name: task.head.config for task in tasks}
    settings = {
        name: {} if own is None else own.model_dump(mode="json") for name, own in heads.items()
    }
    # By name, so that another head that becomes the default for a kind of label changes nothing.
    named = {"name": next(iter(heads))} if len(heads) == 1 else {}
    names = {one.dataset.split_names[0] for one in datasets}
    split = config.split
    if split.name is None and len(names) == 1:
        split = split.model_copy(update={"name": names.pop()})
    targets = tuple(f"{one.name}/{label}" for one in datasets for label in one.labels)
    return config.model_copy(
        update={"targets": targets, "head": {**named, **settings}, "split": split}
    )


def build_strategy(config: RunConfig, registry: Registry, tasks: list[Task]) -> Strategy:
    """Build the strategy and let it look at the tasks.

    Raises:
        ConfigError: It cannot train these tasks together.
    """
    if config.strategy is None:
        raise ConfigError("The configuration names no strategy; resolve it before it is used.")
    spec = registry.get("strategy", config.strategy.name)
    strategy: Strategy = build_component(spec, config.strategy.options, "strategy")
    check_heads(spec, tasks)
    strategy.validate(tasks)
    return strategy


def build_source(
    prepared: PreparedDataset,
    subset: str,
    encoder: Encoder,
    *,
    dtype: torch.dtype,
    cached: bool,
    symprec: float | None = None,
    index: int = 0,
    weights: Mapping[str, NDArray[np.float64]] | None = None,
) -> BatchSource:
    """Return the source of one subset's batches, with the edges the encoder asks for.

    Args:
        prepared: The dataset.
        subset: ``train``, ``validation`` or ``test``.
        encoder: Says what neighbourhood it needs.
        dtype: Floating-point type of the batches.
        cached: Whether to keep edges in memory.
        symprec: Tolerance, Å, of the symmetry by which edges into equivalent atoms are left out;
            None: all edges are there.
        index: Index of the dataset within the run.
        weights: Weight of each crystal of the dataset by label, ``(crystals,)``, dimensionless;
            None: all count alike.
    """
    return BatchSource(
        prepared.dataset,
        prepared.subsets[subset],
        neighbourhood=encoder.neighbours,
        labels=prepared.labels,
        dtype=dtype,
        cache=NeighbourCache() if cached else None,
        orbits=None if symprec is None else OrbitSource(prepared.dataset, symprec),
        dataset_index=index,
        weights=weights,
    )


def _fits_at_once(registry: Registry, head: Mapping[str, Any], encoder: EncoderSpec) -> bool:
    """Return whether a run that names no strategy needs no gradient steps.

    That is what its head says; where none is named, an encoder with nothing to learn leaves it to
    the heads that are installed.
    """
    if head.get("name") is not None:
        spec: TaskHeadSpec = registry.get("task-head", head["name"])
        return spec.closed_form
    able = any(spec.closed_form for spec in registry.specs("task-head"))
    return able and not encoder.capabilities.learns


def _usual_strategy(registry: Registry, closed_form: bool) -> StrategySpec:
    """Return the strategy for runs that name none.

    It is the first that fits heads at once, or the first that trains exactly one task.
    """
    for spec in registry.specs("strategy"):
        if spec.closed_form if closed_form else spec.max_tasks == 1 and not spec.closed_form:
            return spec
    if closed_form:
        raise ConfigError(
            "No strategy that fits heads at once is installed; install one, see "
            "'matsciml list-plugins --available --kind strategy'."
        )
    raise ConfigError(
        "No strategy for a single task is installed; install one, or name another with --strategy, "
        "see 'matsciml list-plugins --kind strategy'."
    )


def _expanded(spec: Spec, options: Mapping[str, Any], where: str) -> dict[str, Any]:
    config = component_config(spec, options, where)
    settings = {} if config is None else config.model_dump(mode="json")
    preset = {"preset": options["preset"]} if "preset" in options else {}
    return {"name": spec.name, **preset, **settings}


def _labels_by_dataset(config: RunConfig, datasets: Mapping[str, Dataset]) -> dict[str, list[str]]:
    """Return the labels that are taken from each dataset."""
    chosen: dict[str, list[str]] = {name: [] for name in datasets}
    for target in config.targets:
        prefix, separator, label = target.rpartition("/")
        if separator:
            check_choice(prefix, list(datasets), what="dataset in this run called")
        owners = [
            name
            for name, dataset in datasets.items()
            if label in targets_of(dataset) and prefix in ("", name)
        ]
        if not owners:
            offered = [name for data in datasets.values() for name in targets_of(data)]
            check_choice(label, offered, what="target")
            raise ConfigError(f"The dataset '{prefix}' has no target '{label}'.")
        for name in owners:
            chosen[name].append(label)
    for name, labels in chosen.items():
        if not labels and not config.targets:
            labels.append(next(iter(targets_of(datasets[name]))))
        if not labels:
            raise ConfigError(
                f"No target is taken from the dataset '{name}'; its targets are "
                f"{', '.join(targets_of(datasets[name]))}."
            )
    return {name: list(dict.fromkeys(labels)) for name, labels in chosen.items()}


def _prepare(name: str, dataset: Dataset, labels: list[str], config: RunConfig) -> PreparedDataset:
    """Split a dataset, limit its training set, and keep the crystals that have a label to learn."""
    most, seed = config.split.max_train_crystals, config.split.seed
    split = dataset.split(config.split.name, seed)
    # Before crystals without a label are left out, so that runs with other labels, or with a
    # smaller limit, are trained on the same crystals or on some of them.
    used = split if most is None else split.limit("train", most, seed)
    members = used.indices(dataset.ids)
    present = labelled(dataset, labels)
    subsets = {subset: indices[present[indices]] for subset, indices in members.items()}
    for subset, indices in subsets.items():
        if subset in SUBSETS and not len(indices):  # there may be others, of unused crystals
            raise DataError(
                f"No crystal of the {subset} set of '{name}' has a value for "
                f"{' or '.join(labels)}; choose another target or another split."
            )
    return PreparedDataset(
        name=name,
        dataset=dataset,
        split=split,
        used=used,
        subsets=subsets,
        dropped={subset: len(members[subset]) - len(subsets[subset]) for subset in subsets},
        labels=tuple(labels),
    )
