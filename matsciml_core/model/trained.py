"""A trained model, ready to be used: load it, and ask it about structures."""

from __future__ import annotations

import copy
import os
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from matsciml_core.data.neighbours.neighbour_list import attach_neighbours
from matsciml_core.errors import ConfigError
from matsciml_core.files import hash_of
from matsciml_core.interfaces.batch import CrystalBatch
from matsciml_core.interfaces.crystal import Crystal
from matsciml_core.interfaces.elements import symbol
from matsciml_core.interfaces.encoder import Encoder
from matsciml_core.interfaces.strategy import Task
from matsciml_core.model.devices import find_device, find_precision
from matsciml_core.model.ensembles import read_ensemble
from matsciml_core.model.evaluate import predict_tasks
from matsciml_core.model.inputs import as_crystal, in_batches, is_structure
from matsciml_core.model.latest import follow_latest
from matsciml_core.model.location import CALIBRATION, ENSEMBLE, TENSORS
from matsciml_core.model.objects import ObjectEncoderSpec, objects_record, record_object
from matsciml_core.model.prediction import (
    Prediction,
    combine,
    name_labels,
    take_apart,
    with_intervals,
)
from matsciml_core.model.pretrained import (
    locate_model,
    require_distinct_positions,
    require_known_elements,
    require_neighbours,
)
from matsciml_core.model.storage import load_model
from matsciml_core.model.uncertainty import (
    COVERAGE,
    Calibration,
    Uncertainty,
    describe_uncertainty,
    has_interval,
)
from matsciml_core.registry.manager import build_registry
from matsciml_core.registry.targets import TargetInfo

if TYPE_CHECKING:
    from matsciml_core.registry.manager import Registry

BATCH_SIZE = 32
"""Most structures that are predicted together."""
MAX_ATOMS = 1024
"""Most atoms that are predicted together, unless a structure alone has more."""


class TrainedModel:
    """A trained encoder with its heads.

    Args:
        encoder: The encoder.
        tasks: Its heads, with their labels.
        description: What ``model.json`` says.
        folder: Where the model lies.
    """

    def __init__(
        self,
        encoder: Encoder,
        tasks: Sequence[Task],
        description: Mapping[str, Any],
        folder: Path,
    ) -> None:
        """Switch to evaluation."""
        self.encoder = encoder.eval()
        self.tasks = tuple(tasks)
        self.description = description
        self.folder = folder
        for module in (self.encoder, *(task.head for task in self.tasks)):
            module.eval().requires_grad_(False)
        self._names = name_labels(self.tasks)

    @property
    def targets(self) -> dict[str, TargetInfo]:
        """The labels that the model predicts, by the name that predictions have.

        That is the label's own, or ``dataset/label`` where several heads share it.
        """
        return {name: info for name, (_, info) in self._names.items()}

    @cached_property
    def calibrations(self) -> Mapping[str, Calibration]:
        """How the intervals of labels were calibrated, by the name that predictions have."""
        recorded = self.description.get(CALIBRATION)
        entries = recorded if isinstance(recorded, Mapping) else {}
        found = {
            name: Calibration.from_data(entries.get(task.target_key(info.name)))
            for name, (task, info) in self._names.items()
            if has_interval(info)
        }
        # With few crystals to calibrate on there may be intervals of lower coverage only.
        return {
            name: one
            for name, one in found.items()
            if one is not None and COVERAGE in one.quantiles
        }

    @property
    def uncertainties(self) -> dict[str, Uncertainty]:
        """What is known of the errors of each label; labels of which nothing is are absent."""
        spread = {
            name
            for name, (task, info) in self._names.items()
            if info.name in task.head.spread_targets
        }
        return describe_uncertainty(self._names, spread, self.calibrations)

    @property
    def elements(self) -> tuple[str, ...] | None:
        """Symbols of the elements that the training crystals had; None: nobody wrote them down."""
        known = self.description.get("elements")
        return None if known is None else tuple(known)

    @property
    def device(self) -> torch.device:
        """Where the model computes."""
        return self._like.device

    @property
    def dtype(self) -> torch.dtype:
        """The floating-point type in which it computes."""
        return self._like.dtype

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of the tensors' file, in hexadecimal digits."""
        return hash_of(self.folder / TENSORS)

    @property
    def identity(self) -> str:
        """What decides the numbers that the model gives: its tensors and its precision."""
        return f"{self.fingerprint} {str(self.dtype).removeprefix('torch.')}"

    def to(self, device: str | None = None, precision: str | None = None) -> TrainedModel:
        """Return the model on another device, or in another precision; this one stays as it is.

        Args:
            device: ``auto``, ``cpu``, ``cuda``, …; None: as it is.
            precision: ``float32`` or ``float64``; None: as it is.

        Raises:
            ConfigError: There is no such device or precision.
        """
        where = self.device if device is None else find_device(device)
        dtype = self.dtype if precision is None else find_precision(precision)
        if (where, dtype) == (self.device, self.dtype):
            return self
        with torch.inference_mode(mode=False):  # or nothing could be differentiated later
            encoder, tasks = copy.deepcopy((self.encoder, self.tasks))
            for task in tasks:
                task.head.to(where)
                # Not head.to(dtype): what it fitted, such as reference energies, is in double
                # precision, which total energies of thousands of eV need.
                for parameter in task.head.parameters():
                    parameter.data = parameter.data.to(dtype)
            return TrainedModel(encoder.to(where, dtype), tasks, self.description, self.folder)

    def predict(
        self,
        structures: Any,
        *,
        batch_size: int = BATCH_SIZE,
        max_atoms: int = MAX_ATOMS,
        uncertainty: bool = False,
    ) -> list[Prediction]:
        """Predict the labels of structures.

        Args:
            structures: One or several of: ``Crystal``, pymatgen ``Structure``, ASE ``Atoms``.
            batch_size: Most structures that are predicted together; changes memory, no numbers.
            max_atoms: Most atoms that are predicted together.
            uncertainty: Whether to return ``spreads`` and ``intervals``, too.

        Returns:
            One prediction for each structure, in order; of a single structure a list of one.

        Raises:
            ShapeError: Something is no structure.
            GeometryError: A structure is no crystal.

        Warns:
            UserWarning: Structures hold elements that the model has never seen.
        """
        several = [structures] if is_structure(structures) else structures
        options = {"batch_size": batch_size, "max_atoms": max_atoms}
        found = list(self.stream(several, **options, uncertainty=uncertainty))
        unseen = sorted({one for prediction in found for one in prediction.unseen_elements})
        if unseen:
            warnings.warn(
                f"The model has never seen {', '.join(unseen)}; what it says of structures with "
                "them is a guess.",
                stacklevel=2,
            )
        return found

    def stream(
        self,
        structures: Iterable[Any],
        *,
        batch_size: int = BATCH_SIZE,
        max_atoms: int = MAX_ATOMS,
        uncertainty: bool = False,
    ) -> Iterator[Prediction]:
        """Yield predictions as structures come in; no more than a batch is in memory.

        Args:
            structures: As for :meth:`predict`, but several.
            batch_size: As for :meth:`predict`.
            max_atoms: As for :meth:`predict`.
            uncertainty: As for :meth:`predict`.

        Raises:
            MatSciMLError: As for :meth:`predict`.
        """
        for batch in in_batches(
            map(as_crystal, structures), lambda one: one.num_atoms, batch_size, max_atoms
        ):
            yield from self.predict_crystals(batch, uncertainty=uncertainty)

    def predict_crystals(
        self, crystals: Sequence[Crystal], *, uncertainty: bool = False
    ) -> list[Prediction]:
        """Predict the labels of crystals, all of them together.

        Args:
            crystals: At least one.
            uncertainty: As for :meth:`predict`.

        Raises:
            ConfigError: The model predicts no label, or nothing of its errors is known.
            GeometryError: A crystal is too large or too dense to be one.
            DataError: The model came trained, and a crystal is none that it is good for.
        """
        if not self._names:
            raise ConfigError(f"The model in '{self.folder}' makes crystals; it predicts no label.")
        if uncertainty:
            self.require_uncertainty()
        tasks = list(dict.fromkeys(task for task, _ in self._names.values()))
        outputs = predict_tasks(self.encoder, tasks, self.batch(crystals), spread=uncertainty)
        values = self._by_label(tasks, outputs.values)
        spreads = self._by_label(tasks, outputs.spreads)
        found = take_apart(crystals, values, self.targets, self.unseen, spreads)
        return self._with_intervals(crystals, found) if uncertainty else list(found)

    def _by_label(
        self, tasks: Sequence[Task], rows: Sequence[Mapping[str, Tensor]]
    ) -> dict[str, Tensor]:
        """Return what the heads gave by the names that predictions have, on the CPU."""
        given = dict(zip(tasks, rows, strict=True))
        return {
            name: given[task][info.name].to("cpu", torch.float64)
            for name, (task, info) in self._names.items()
            if info.name in given[task]
        }

    def require_uncertainty(self) -> None:
        """Reject a model of whose errors nothing is known.

        Raises:
            ConfigError: It gives neither spreads nor intervals.
        """
        if not self.uncertainties:
            raise ConfigError(
                f"The model in '{self.folder}' knows neither a spread nor an interval for what it "
                "predicts; train it again with this version, or make an ensemble of several runs "
                "with matsciml ensemble."
            )

    def _with_intervals(
        self, crystals: Sequence[Crystal], predictions: Iterable[Prediction]
    ) -> list[Prediction]:
        pairs = zip(predictions, crystals, strict=True)
        return [with_intervals(one, crystal.num_atoms, self.calibrations) for one, crystal in pairs]

    def batch(self, crystals: Sequence[Crystal]) -> CrystalBatch:
        """Return crystals as the batch that the encoder asks for, on the model's device.

        Args:
            crystals: At least one.

        Raises:
            ShapeError: There is none.
            GeometryError: A crystal is too large or too dense to be one.
            DataError: The model came trained, and a crystal is none that it is good for.
        """
        require_known_elements(self.description, crystals)
        with torch.inference_mode(mode=False):  # or nothing could be differentiated later
            batch = CrystalBatch.from_crystals(crystals)
            if self.encoder.neighbours is not None:  # searched in double precision
                batch = attach_neighbours(batch, self.encoder.neighbours)
                require_neighbours(self.description, batch)
                require_distinct_positions(self.description, batch)
            return batch.to(self.device, self.dtype)

    def unseen(self, crystal: Crystal) -> tuple[str, ...]:
        """Return the elements of a crystal that no training crystal had."""
        if self.elements is None:
            return ()
        present = (symbol(number) for number in np.unique(crystal.atomic_numbers).tolist())
        return tuple(one for one in present if one not in self.elements)

    @property
    def _like(self) -> Tensor:
        """A tensor of the encoder."""
        return next(self.encoder.parameters(), torch.empty(0))


class Ensemble(TrainedModel):
    """Several models of the same labels as one: their mean, and how far they differ.

    It has no encoder and no heads of its own; what needs those takes one of ``members``.

    Args:
        members: At least two.
        calibrations: Intervals by ``"<dataset>/<label>"``.
        folder: Where the manifest lies.
        fingerprint: SHA-256 of the manifest, which has those of the members.

    Raises:
        ConfigError: Members differ in their labels or units.
    """

    def __init__(
        self,
        members: Sequence[TrainedModel],
        calibrations: Mapping[str, Calibration],
        folder: Path,
        fingerprint: str,
    ) -> None:
        """Check that the members belong together."""
        self.members = tuple(members)
        self.folder = folder
        self._recorded = calibrations
        elements = [member.elements for member in members]
        self.description = {CALIBRATION: {key: one.as_data() for key, one in calibrations.items()}}
        if None not in elements:
            self.description["elements"] = sorted({one for row in elements for one in row or ()})
        self._names = members[0]._names
        self.__dict__["fingerprint"] = fingerprint
        for member in members[1:]:
            if member.targets != self.targets:
                raise ConfigError(
                    f"'{member.folder}' and '{members[0].folder}' predict different labels "
                    f"({', '.join(member.targets)} and {', '.join(self.targets)}) or the same in "
                    "different units; an ensemble is of models of the same labels."
                )

    def __getattr__(self, name: str) -> Any:
        """Say that an ensemble has no encoder and no heads."""
        if name in ("encoder", "tasks"):
            raise ConfigError(
                f"'{self.folder}' is an ensemble of {len(self.members)} models, and one is needed "
                f"here; name one of them, such as '{self.members[0].folder}'."
            )
        raise AttributeError(name)

    @property
    def uncertainties(self) -> dict[str, Uncertainty]:
        """What is known of the errors of each label."""
        return describe_uncertainty(self._names, set(self._names), self.calibrations)

    @property
    def device(self) -> torch.device:
        """Where the members compute."""
        return self.members[0].device

    @property
    def dtype(self) -> torch.dtype:
        """The floating-point type in which they compute."""
        return self.members[0].dtype

    def to(self, device: str | None = None, precision: str | None = None) -> TrainedModel:
        """Return the ensemble on another device, or in another precision."""
        moved = [member.to(device, precision) for member in self.members]
        return Ensemble(moved, self._recorded, self.folder, self.fingerprint)

    def predict_crystals(
        self, crystals: Sequence[Crystal], *, uncertainty: bool = False
    ) -> list[Prediction]:
        """Predict the labels of crystals by the mean over the members."""
        parts = [member.predict_crystals(crystals) for member in self.members]
        found = [combine(row, self.targets) for row in zip(*parts, strict=True)]
        if uncertainty:
            return self._with_intervals(crystals, found)
        return [replace(one, spreads={}) for one in found]


def load(
    path: str | os.PathLike[str],
    *,
    device: str = "auto",
    precision: str | None = None,
    encoder: Encoder | None = None,
    registry: Registry | None = None,
) -> TrainedModel:
    """Load a trained model; nothing in its files can execute code.

    Args:
        path: Folder of a finished run such as ``runs/latest``, one that ``matsciml export`` or
            ``matsciml ensemble`` wrote, or the name of a pretrained model, before which a folder of
            that name goes.
        device: ``auto``, ``cpu``, ``cuda``, ``cuda:1``, …
        precision: ``float32`` or ``float64``; None: the one it was trained in.
        encoder: The encoder to load the weights into, for a model whose encoder was an object of
            a class that no plugin offers; None: it is built by its name.
        registry: Where encoder and heads are looked up; None: among the installed plugins.

    Returns:
        The model, ready to predict.

    Raises:
        ConfigError: There is no trained model, no such device, or its encoder was an object.
        DataError: A file is damaged.
        RegistryError: The plugin of the encoder or of a head is not installed.
    """
    registry = registry or build_registry(strict=False)
    joint = follow_latest(Path(path))
    if (joint / ENSEMBLE).is_file():
        manifest = read_ensemble(joint)
        members = [
            load(one, device=device, precision=precision, registry=registry)
            for one in manifest.members
        ]
        return Ensemble(members, manifest.calibrations, joint.resolve(), manifest.digest)
    folder = locate_model(path, registry)
    if encoder is not None:
        spec, _ = record_object(encoder, ObjectEncoderSpec, registry)
        registry = registry.including(objects_record((spec,)))
    loaded = load_model(folder, registry)
    model = TrainedModel(loaded.encoder, loaded.tasks, loaded.description, folder)
    return model.to(device, precision)
