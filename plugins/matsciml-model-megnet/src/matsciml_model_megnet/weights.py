"""The published crystal networks: their weights, in their own layout and in this project's.

The checkpoint format is a folder with ``model.safetensors``, tensors named ``encoder.*`` and
``heads.<number>.*``, and ``model.json``, which says what the tensors are. Neither can execute
code.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from matsciml_core import CrystalBatch
from matsciml_core.data.neighbours.neighbour_list import attach_neighbours
from matsciml_core.errors import DataError
from matsciml_core.files import replacing, write_json
from matsciml_core.guarded import read_json
from matsciml_core.interfaces.config import validate
from matsciml_core.nn.dense import DenseStack
from matsciml_model_megnet._published_layout import describe, rename
from matsciml_model_megnet.config import MEGNetConfig
from matsciml_model_megnet.encoder import MEGNet
from matsciml_model_megnet.layers import ACTIVATIONS

FORMAT = "matsciml-model"
VERSION = 1

_TENSORS = "model.safetensors"
_DESCRIPTION = "model.json"


class PublishedMEGNet(nn.Module):
    """A published network: the encoder, its output layers, and the way back to physical units.

    The weights know 89 elements (H to Pu without Po, At, Rn, Fr and Ra). The others have the
    average of the trained rows, so that nothing fails, but were never trained.
    """

    def __init__(self, description: Mapping[str, Any]) -> None:
        """Build the network that a ``model.json`` describes, with untrained weights.

        Args:
            description: What ``model.json`` holds.

        Raises:
            ConfigError: A setting of the encoder is unknown or has the wrong type.
        """
        super().__init__()
        head = description["heads"][0]
        config = validate(MEGNetConfig, description["encoder"]["config"], where="encoder")
        self.description = dict(description)
        self.encoder = MEGNet(config)
        self.heads = nn.ModuleList(
            [
                DenseStack(
                    self.encoder.crystal_width,
                    head["config"]["widths"],
                    ACTIVATIONS[head["config"]["activation"]],
                )
            ]
        )
        self.mean = float(head["normalisation"]["mean"])
        self.deviation = float(head["normalisation"]["std"])

    def forward(self, batch: CrystalBatch) -> Tensor:
        """Predict in physical units, with a graph.

        Args:
            batch: Crystals with edges.

        Returns:
            ``(crystals,)``, in the unit of the head's target: eV/atom or eV.
        """
        normalised: Tensor = self.heads[0](self.encoder(batch).crystals).squeeze(1)
        return normalised * self.deviation + self.mean

    @torch.no_grad()
    def predict(self, batch: CrystalBatch) -> Tensor:
        """Predict in physical units, without dropout or graph; find the edges where missing.

        Args:
            batch: Crystals, with or without edges.

        Returns:
            ``(crystals,)``, eV/atom (formation energy) or eV (band gap).
        """
        if batch.edge_index is None:
            batch = attach_neighbours(batch, self.encoder.neighbours)
        training = self.training
        self.eval()
        try:
            prediction: Tensor = self(batch)
        finally:
            self.train(training)
        return prediction


def load_published(path: str | Path, *, state_index: int | None = None) -> PublishedMEGNet:
    """Load a published network.

    Args:
        path: A folder in this project's checkpoint format, or a ``.safetensors`` file in the
            published layout with its ``.json`` beside it.
        state_index: For the band-gap network: 0 PBE, 1 GLLB-SC, 2 HSE, 3 SCAN; None: as stored.

    Returns:
        The network, float32, in evaluation mode.

    Raises:
        DataError: A file is missing or does not hold such a network.
    """
    path = Path(path)
    if path.is_dir():
        description = _read_json(path / _DESCRIPTION)
        tensors = _read_tensors(path / _TENSORS)
        _check_format(description, path)
    else:
        description, tensors = _read_published(path, path.with_suffix(".json"))
    if state_index is not None:
        settings = {**description["encoder"]["config"], "state_index": state_index}
        encoder = {**description["encoder"], "config": settings}
        description = {**description, "encoder": encoder}
    return _build(description, tensors, path)


def convert_published(
    source_safetensors: str | Path, source_json: str | Path, destination_folder: str | Path
) -> Path:
    """Write a published network in this project's checkpoint format.

    Args:
        source_safetensors: The published tensors.
        source_json: Their description: elements, hyperparameters, mean and deviation.
        destination_folder: Where to write ``model.safetensors`` and ``model.json``; it is made
            where it does not exist, and files of these names are replaced.

    Returns:
        The destination folder.

    Raises:
        DataError: The source does not hold such a network.
    """
    source = Path(source_safetensors)
    description, tensors = _read_published(source, Path(source_json))
    _build(description, tensors, source)  # refuse to write what could not be read
    folder = Path(destination_folder)
    folder.mkdir(parents=True, exist_ok=True)
    with replacing(folder / _TENSORS) as part:
        save_file(tensors, part, metadata={"format": "pt"})
    write_json(folder / _DESCRIPTION, description)
    return folder


def _read_published(tensors: Path, description: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    published = _read_json(description)
    source = _read_tensors(tensors)
    try:
        described = describe(published, source)
        renamed = rename(source, published["element_types"])
    except (KeyError, TypeError, IndexError) as error:
        raise DataError(
            f"'{tensors}' with '{description}' is not a published MEGNet: {error} is missing; give "
            "the pair of files that holds the matgl weights."
        ) from error
    notice = files(__package__).joinpath("BSD-3-Clause-matgl.txt").read_text(encoding="utf-8")
    head = {"format": FORMAT, "version": VERSION}
    return {**head, **described, "licence": "BSD-3-Clause", "notice": notice}, renamed


def _build(
    description: Mapping[str, Any], tensors: Mapping[str, Tensor], path: Path
) -> PublishedMEGNet:
    try:
        model = PublishedMEGNet(description)
        model.load_state_dict(dict(tensors))
    except (KeyError, IndexError, RuntimeError) as error:
        reason = str(error).splitlines()[-1].strip()
        raise DataError(
            f"'{path}' does not hold the MEGNet that its description names ({reason}); convert "
            "the published files again."
        ) from error
    return model.eval()


def _check_format(description: Mapping[str, Any], path: Path) -> None:
    found = description.get("format"), description.get("version")
    if found != (FORMAT, VERSION):
        raise DataError(
            f"'{path}' has the format {found[0]!r}, version {found[1]!r}; this plugin reads "
            f"{FORMAT!r}, version {VERSION}."
        )
    if description.get("encoder", {}).get("name") != "megnet":
        raise DataError(f"'{path}' holds another encoder than megnet; load it with its own plugin.")


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = read_json(path)
    except (OSError, ValueError) as error:
        raise DataError(f"'{path}' cannot be read as JSON: {error}.") from error
    if not isinstance(content, dict):
        raise DataError(f"'{path}' must hold a JSON object that describes a model.")
    return content


def _read_tensors(path: Path) -> dict[str, Tensor]:
    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise DataError(f"'{path}' cannot be read as safetensors: {error}.") from error
