"""A trained model, ready to be used: load it, and ask it about structures."""

from __future__ import annotations

import copy
import os
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
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
from matsciml_core.model.evaluate import predict_tasks
from matsciml_core.model.inputs import as_crystal, in_batches, is_structure
from matsciml_core.model.location import TENSORS
from matsciml_core.model.objects import ObjectEncoderSpec, objects_record, record_object
from matsciml_core.model.prediction import Prediction, name_labels, take_apart
from matsciml_core.model.pretrained import (
    locate_model,
    require_known_elements,
    require_neighbours,
)
from matsciml_core.model.storage import load_model
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
    ) -> list[Prediction]:
        """Predict the labels of structures.

        Args:
            structures: One or several of: ``Crystal``, pymatgen ``Structure``, ASE ``Atoms``.
            batch_size: Most structures that are predicted together; changes memory, no numbers.
            max_atoms: Most atoms that are predicted together.

        Returns:
            One prediction for each structure, in order; of a single structure a list of one.

        Raises:
            ShapeError: Something is no structure.
            GeometryError: A structure is no crystal.

        Warns:
            UserWarning: Structures hold elements that the model has never seen.
        """
        several = [structures] if is_structure(structures) else structures
        found = list(self.stream(several, batch_size=batch_size, max_atoms=max_atoms))
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
    ) -> Iterator[Prediction]:
        """Yield predictions as structures come in; no more than a batch is in memory.

        Args:
            structures: As for :meth:`predict`, but several.
            batch_size: As for :meth:`predict`.
            max_atoms: As for :meth:`predict`.

        Raises:
            MatSciMLError: As for :meth:`predict`.
        """
        for batch in in_batches(
            map(as_crystal, structures), lambda one: one.num_atoms, batch_size, max_atoms
        ):
            yield from self.predict_crystals(batch)

    def predict_crystals(self, crystals: Sequence[Crystal]) -> list[Prediction]:
        """Predict the labels of crystals, all of them together.

        Args:
            crystals: At least one.

        Raises:
            ConfigError: The model predicts no label.
            GeometryError: A crystal is too large or too dense to be one.
            DataError: The model came trained, and a crystal is none that it is good for.
        """
        if not self._names:
            raise ConfigError(f"The model in '{self.folder}' makes crystals; it predicts no label.")
        tasks = list(dict.fromkeys(task for task, _ in self._names.values()))
        outputs = predict_tasks(self.encoder, tasks, self.batch(crystals))[1]
        found = dict(zip(tasks, outputs, strict=True))
        values = {
            name: found[task][info.name].to("cpu", torch.float64)
            for name, (task, info) in self._names.items()
        }
        return list(take_apart(crystals, values, self.targets, self.unseen))

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
        path: Folder of a finished run such as ``runs/latest``, one that ``matsciml export``
            wrote, or the name of a pretrained model; a folder of that name goes first.
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
    folder = locate_model(path, registry)
    if encoder is not None:
        spec, _ = record_object(encoder, ObjectEncoderSpec, registry)
        registry = registry.including(objects_record((spec,)))
    loaded = load_model(folder, registry)
    model = TrainedModel(loaded.encoder, loaded.tasks, loaded.description, folder)
    return model.to(device, precision)
