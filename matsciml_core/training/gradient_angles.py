"""Whether tasks are in conflict: the angles between their gradients, layer by layer."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from matsciml_core.errors import DataError
from matsciml_core.files import open_appending_text, open_whole_text
from matsciml_core.interfaces.encoder import Encoder
from matsciml_core.interfaces.strategy import gram_matrix
from matsciml_core.training.gradients import TaskGradients

GRADIENTS = "gradients.csv"
"""Name of the file in the run folder."""
EVERYTHING = "all"
"""Name under which all layers together are recorded."""
COLUMNS = ("step", "layer", "task", "other", "cosine", "norm", "other_norm")
"""``step``: optimiser steps before it. ``layer``: a child module of the encoder, as
``blocks.0``, or ``all``.
``task``, ``other``: task keys. ``cosine``: of the angle between the tasks' gradients of the
layer's parameters, −1 to 1; empty where one of them is zero. ``norm``, ``other_norm``: lengths of
the two gradients."""


class AngleRecorder:
    """Keeps the dot products between task gradients on their device until they are asked for.

    A layer is a child module of the encoder, or a member of a list of modules; parameters of the
    encoder itself are put under ``encoder``.

    Args:
        encoder: The shared encoder.
        tasks: Keys of the run's tasks.
    """

    def __init__(self, encoder: Encoder, tasks: Sequence[str]) -> None:
        """Find out which columns of a gradient matrix belong to which layer."""
        self.tasks = tuple(tasks)
        self.layers: dict[str, slice] = {}
        first = 0
        for name, parameter in encoder.named_parameters():
            if not parameter.requires_grad:
                continue
            layer, last = _layer(encoder, name), first + parameter.numel()
            # A module's parameters follow one another, so that a layer is one run of columns.
            begin = self.layers[layer].start if layer in self.layers else first
            self.layers[layer] = slice(begin, last)
            first = last
        self._recorded: list[tuple[int, Tensor]] = []

    def record(self, step: int, gradients: TaskGradients) -> None:
        """Keep the dot products of a step; nothing waits for the device."""
        rows = gradients.every_row
        products = [gram_matrix(rows[:, columns]) for columns in self.layers.values()]
        self._recorded.append((step, torch.stack([*products, torch.stack(products).sum(0)])))

    def take(self) -> list[dict[str, object]]:
        """Return the rows of the file since the last call; waits for the device."""
        recorded, self._recorded = self._recorded, []
        rows: list[dict[str, object]] = []
        for step, products in recorded:
            values = products.to("cpu").numpy()  # (layers, tasks, tasks)
            for layer, gram in zip((*self.layers, EVERYTHING), values, strict=True):
                norms = np.sqrt(np.diagonal(gram))
                for i, j in combinations(range(len(self.tasks)), 2):
                    size = norms[i] * norms[j]
                    # A task that does not reach a layer has no direction there.
                    cosine = f"{gram[i, j] / size:.6g}" if size > 0 else ""
                    lengths = (f"{norms[i]:.6g}", f"{norms[j]:.6g}")
                    values_of_row = (step, layer, self.tasks[i], self.tasks[j], cosine, *lengths)
                    rows.append(dict(zip(COLUMNS, values_of_row, strict=True)))
        return rows


class AnglesFile:
    """The file that the angles of a run are written to; a resumed run continues it.

    Args:
        folder: The run folder.
        first_step: Steps before a resume; later lines, from before a crash, are dropped.
    """

    def __init__(self, folder: Path, first_step: int) -> None:
        """Keep the lines of the steps that count."""
        self.path = folder / GRADIENTS
        lines = _lines(self.path) if self.path.exists() else []
        with open_whole_text(self.path, newline="") as stream:
            writer = csv.DictWriter(stream, COLUMNS)
            writer.writeheader()
            writer.writerows(line for line in lines if int(line["step"]) < first_step)

    def append(self, rows: Sequence[Mapping[str, object]]) -> None:
        """Write further lines."""
        with open_appending_text(self.path, newline="") as stream:
            csv.DictWriter(stream, COLUMNS).writerows(rows)


@dataclass(frozen=True, kw_only=True)
class GradientAngles:
    """The angles between the gradients of two tasks during a run."""

    task: str
    other: str
    steps: NDArray[np.int64]
    """Optimiser steps, ``(steps,)``, ascending."""
    layers: tuple[str, ...]
    """Layers in the order of the encoder; the last one is ``all``."""
    cosine: NDArray[np.float64]
    """``(layers, steps)``; NaN where a task has no gradient."""


def read_gradient_angles(folder: Path) -> list[GradientAngles]:
    """Read what a run recorded about the angles between its tasks' gradients.

    Args:
        folder: The run folder.

    Returns:
        One record for each pair of tasks; empty where nothing was recorded.

    Raises:
        DataError: The file is damaged.
    """
    path = folder / GRADIENTS
    if not path.exists():
        return []
    try:
        lines = [(int(line["step"]), line, float(line["cosine"] or "nan")) for line in _lines(path)]
    except (KeyError, ValueError, TypeError) as error:
        raise DataError(
            f"'{path}' is damaged ({error}); delete it, or run again with gradient inspection."
        ) from error
    pairs = list(dict.fromkeys((line["task"], line["other"]) for _, line, _ in lines))
    layers = tuple(dict.fromkeys(line["layer"] for _, line, _ in lines))
    steps = sorted({step for step, _, _ in lines})
    grids = {pair: np.full((len(layers), len(steps)), np.nan) for pair in pairs}
    column = {step: number for number, step in enumerate(steps)}
    for step, line, value in lines:
        grids[line["task"], line["other"]][layers.index(line["layer"]), column[step]] = value
    return [
        GradientAngles(task=one, other=two, steps=np.array(steps), layers=layers, cosine=grid)
        for (one, two), grid in grids.items()
    ]


def _layer(encoder: nn.Module, name: str) -> str:
    """Return the layer of a parameter: the child module, or the member of a list of layers."""
    module, taken = encoder, []
    for part in name.split(".")[:-1]:
        module = module.get_submodule(part)
        taken.append(part)
        if not isinstance(module, nn.ModuleList | nn.ModuleDict):
            break
    return ".".join(taken) or "encoder"


def _lines(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))
