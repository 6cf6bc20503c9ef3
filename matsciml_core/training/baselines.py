"""Rows without a network: what plugins offer as baselines, fitted on the crystals of a run."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor

from matsciml_core.data.loader import BatchSource
from matsciml_core.data.symmetry.orbits import SYMPREC, OrbitSource
from matsciml_core.errors import RegistryError
from matsciml_core.files import write_whole
from matsciml_core.interfaces.encoder import Encoder
from matsciml_core.interfaces.feature_head import FeatureHead, fit_feature_heads
from matsciml_core.interfaces.strategy import Task
from matsciml_core.model.components import build_component, build_head, component_config
from matsciml_core.model.evaluate import Beside
from matsciml_core.registry.folders import data_folder
from matsciml_core.registry.specs import BaselineSpec
from matsciml_core.registry.targets import TargetInfo
from matsciml_core.training import distributed
from matsciml_core.training.assemble import PreparedDataset
from matsciml_core.training.prepare import Run

if TYPE_CHECKING:
    from matsciml_core.registry.manager import Registry

_CHUNK = 256
"""Crystals that are encoded at once."""
_SEED = 0
"""The baseline of a dataset, a split and a label is one, whatever the seed of the run."""
_VALUES = "values"


@dataclass(frozen=True)
class FeatureBaseline:
    """A head on the embeddings of an encoder that learns nothing, for one dataset of a run.

    Args:
        spec: Which head, on which encoder.
        registry: Where the two are looked up.
        prepared: The dataset, whose training crystals the head is fitted on.
    """

    spec: BaselineSpec
    registry: Registry
    prepared: PreparedDataset

    def predict(
        self, infos: Sequence[TargetInfo], say: Callable[[str], None] = print
    ) -> dict[str, Tensor]:
        """Return the predictions for the test set; those of earlier runs, where they are kept.

        Args:
            infos: The labels.
            say: Takes a sentence before something that takes time.

        Returns:
            By label ``(crystals, …)`` in its unit, of classes probabilities; in the order of the
            test set.

        Raises:
            MatSciMLError: A component is missing, or cannot be fitted at once.
        """
        # A dataset without a hash may have changed since, and nothing about it is kept.
        lasting = bool(self.prepared.dataset.provenance.content_hash)
        files = {info.name: data_folder() / "baselines" / self._key(info) for info in infos}
        kept = {name: _read(file) for name, file in files.items() if lasting}
        predictions = {name: values for name, values in kept.items() if values is not None}
        missing = [info for info in infos if info.name not in predictions]
        if not missing:
            return predictions
        size = len(self.prepared.subsets["train"])
        say(f"baseline '{self.spec.name}': fitted on {size:,} crystals of {self.prepared.name}")
        for name, values in self._fit(missing).items():
            predictions[name] = values
            if lasting:
                files[name].parent.mkdir(parents=True, exist_ok=True)
                write_whole(files[name], safetensors.torch.save({_VALUES: values}))
        return predictions

    def _key(self, info: TargetInfo) -> str:
        """Return a file name that changes with everything that the predictions depend on."""
        spec, prepared = self.spec, self.prepared
        members = hashlib.sha256()
        for subset in ("train", "test"):
            members.update(prepared.subsets[subset].astype("<i8").tobytes() + b"|")
        content: list[Any] = [
            prepared.dataset.provenance.content_hash,
            prepared.split.ids_hash,
            members.hexdigest(),
            info.as_data(),
            [spec.name, spec.encoder, spec.head, *self._settings()],
            sorted(self.registry.distributions().items()),
        ]
        return hashlib.sha256(json.dumps(content).encode()).hexdigest() + ".safetensors"

    def _settings(self) -> list[dict[str, Any]]:
        """Return the settings of encoder and head with their defaults.

        A default may change where versions do not, as in a checkout that is installed editable.
        """
        spec, registry = self.spec, self.registry
        configs = (
            component_config(registry.get("encoder", spec.encoder), {}, "encoder"),
            component_config(registry.get("task-head", spec.head), spec.head_options, "head"),
        )
        return [{} if config is None else config.model_dump(mode="json") for config in configs]

    def _fit(self, infos: Sequence[TargetInfo]) -> dict[str, Tensor]:
        registry, spec = self.registry, self.spec
        encoder: Encoder = build_component(registry.get("encoder", spec.encoder), {}, "encoder")
        head_spec, options = registry.get("task-head", spec.head), dict(spec.head_options)
        built = [build_head(registry, head_spec, (info,), encoder, options) for info in infos]
        heads = [head for head in built if isinstance(head, FeatureHead)]
        if len(heads) < len(built):
            raise RegistryError(
                f"The head '{spec.head}' is not fitted at once; name another one in the baseline."
            )
        train, test = (self._source(encoder, infos, subset) for subset in ("train", "test"))
        for head in heads:
            head.fit(train.plain(chunk) for chunk in _chunks(train))
        fit_feature_heads(encoder, heads, (train[chunk] for chunk in _chunks(train)), seed=_SEED)
        parts: dict[str, list[Tensor]] = {info.name: [] for info in infos}
        with torch.no_grad():
            for chunk in _chunks(test):
                batch = test[chunk]
                embedding = encoder(batch)
                for head in heads:
                    values = head.inverse_transform(head(embedding, batch), batch)
                    for name, value in values.items():
                        parts[name].append(value)
        return {name: torch.cat(values) for name, values in parts.items()}

    def _source(self, encoder: Encoder, infos: Sequence[TargetInfo], subset: str) -> BatchSource:
        dataset, indices = self.prepared.dataset, self.prepared.subsets[subset]
        # Symmetry saves edges where it is kept with the data; to search it takes longer.
        kept = dataset.orbits(indices[:1].tolist(), SYMPREC) is not None
        return BatchSource(
            dataset,
            indices,
            neighbourhood=encoder.neighbours,
            labels=[info.name for info in infos],
            orbits=OrbitSource(dataset) if kept else None,
        )


def predict_baselines(
    run: Run, registry: Registry, *, quiet: bool = False
) -> tuple[Beside, list[str]]:
    """Return what the baselines say of the test set, and notes on those that say nothing.

    A baseline that fails costs the run nothing but its row.

    Args:
        run: The run.
        registry: Where plugins offer baselines.
        quiet: Whether to show no progress.

    Returns:
        Values by label, baseline and id of the crystal, and a sentence for each that is missing.
    """
    most = run.config.training.baseline_crystals
    # Of several processes rank 0 alone tests and reports.
    if most == 0 or distributed.rank() > 0:
        return {}, []
    rows: dict[str, dict[str, dict[str, Tensor]]] = {}
    notes: list[str] = []
    specs = registry.specs("baseline")
    say = (lambda sentence: None) if quiet else partial(print, flush=True)
    for prepared in run.datasets:
        size = len(prepared.subsets["train"])
        if size > most and specs:
            notes.append(
                f"No baseline without a network was fitted for {prepared.name}: its {size:,} "
                f"training crystals are more than training.baseline_crystals, {most:,}."
            )
            continue
        for spec in specs:
            infos = _labels(spec, prepared, run.tasks, run.config.encoder.name)
            if not infos:
                continue
            try:
                # The run draws the same random numbers, whether or not there are baselines.
                with torch.random.fork_rng(devices=[]):
                    torch.manual_seed(_SEED)
                    values = spec.load()(spec, registry, prepared).predict(infos, say)
            except Exception as error:  # whatever a plugin raises
                notes.append(f"There is no baseline '{spec.name}' for {prepared.name}: {error}")
                continue
            ids = [prepared.dataset.ids[index] for index in prepared.subsets["test"].tolist()]
            for label, predicted in values.items():
                by_id = dict(zip(ids, predicted, strict=True))
                rows.setdefault(f"{prepared.name}/{label}", {})[spec.name] = by_id
    kinds = {info.kind for task in run.tasks for info in task.head.targets}
    if not specs and kinds & {"scalar", "binary", "multiclass"}:
        notes.append(
            "No baseline without a network is installed to compare with; see "
            "'matsciml list-plugins --available --kind baseline'."
        )
    return rows, notes


def _read(file: Path) -> Tensor | None:
    """Return the values that a file keeps; None where there is none, or it is damaged."""
    try:
        return safetensors.torch.load(file.read_bytes())[_VALUES]
    except (OSError, KeyError, SafetensorError):
        return None  # it is made again


def _labels(
    spec: BaselineSpec, prepared: PreparedDataset, tasks: Sequence[Task], encoder: str
) -> list[TargetInfo]:
    """Return the labels of a dataset that the baseline is made for, unless the run is itself it."""
    return [
        info
        for task in tasks
        if task.dataset == prepared.name and (task.head_name, encoder) != (spec.head, spec.encoder)
        for info in task.head.targets
        if info.kind in spec.target_kinds and not info.per_atom
    ]


def _chunks(source: BatchSource) -> list[range]:
    return [range(k, min(k + _CHUNK, len(source))) for k in range(0, len(source), _CHUNK)]
