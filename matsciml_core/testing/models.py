"""Trained models without training: random weights, in the files that a run writes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from matsciml_core.interfaces.strategy import Task
from matsciml_core.model.components import build_component
from matsciml_core.model.storage import save_model
from matsciml_core.registry.specs import EncoderSpec, TaskHeadSpec
from matsciml_core.registry.targets import TargetInfo
from matsciml_core.testing.examples import ENCODER, HEAD


def write_model(
    folder: Path,
    labels: Sequence[TargetInfo],
    *,
    encoder: EncoderSpec = ENCODER,
    head: TaskHeadSpec = HEAD,
    settings: Mapping[str, Any] | None = None,
    constants: Mapping[str, float] | None = None,
    elements: Sequence[str] | None = None,
    precision: torch.dtype = torch.float32,
) -> Path:
    """Write an encoder and a head with random weights, the same in every test.

    Loading it needs a registry that has both; ``PluginFolder.add_examples`` installs the defaults.

    Args:
        folder: Target folder; it must not exist.
        labels: What the model predicts, of a dataset called ``mine``.
        encoder: The encoder.
        head: The head.
        settings: Settings of the encoder.
        constants: Buffers of the head, which a run would have fitted: name → value of all entries.
        elements: Symbols of the elements of the training crystals; None: not recorded.
        precision: Of the weights; constants that the head fits stay in double precision.

    Returns:
        The folder.
    """
    with torch.random.fork_rng(devices=()):  # no test depends on the models written before it
        torch.default_generator.manual_seed(1)
        network = build_component(encoder, settings or {}, "encoder").to(precision)
        outputs = head.load()(tuple(labels), network.atom_width, network.crystal_width, None)
    for parameter in outputs.parameters():
        parameter.data = parameter.data.to(precision)
    buffers = dict(outputs.named_buffers())
    for name, value in (constants or {}).items():
        buffers[name].fill_(value)
    folder.mkdir()
    task = Task(dataset="mine", head_name=head.name, head=outputs)
    extra = {} if elements is None else {"elements": list(elements)}
    save_model(folder, encoder.name, network, [task], extra)
    return folder
