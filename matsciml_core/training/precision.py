"""Which precision a run computes in where the user leaves it open."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from matsciml_core.cores import has_bfloat16
from matsciml_core.model.devices import find_device

if TYPE_CHECKING:
    from matsciml_core.registry.specs import EncoderSpec
    from matsciml_core.training.config import RunConfig

_LEAST_CAPABILITY = (8, 0)
"""Compute capability of the first GPUs of NVIDIA with bfloat16."""


def choose_precision(spec: EncoderSpec, preset: str | None, device: str) -> tuple[str, str]:
    """Return the precision for ``precision="auto"``, and why.

    Args:
        spec: The encoder's record, which lists the presets that were measured.
        preset: The encoder's preset; None: its default.
        device: As ``training.device``.

    Returns:
        ``bfloat16`` or ``float32``, and a clause.

    Raises:
        ConfigError: There is no such device.
    """
    name = preset or next(iter(spec.capabilities.presets), "")
    if name not in spec.bfloat16:
        return "float32", "bfloat16 has not been measured to be as accurate with this encoder"
    place = find_device(device)
    if place.type == "cuda":
        able = torch.cuda.get_device_capability(place) >= _LEAST_CAPABILITY
    else:
        able = place.type == "cpu" and has_bfloat16()
    if not able:
        return "float32", f"the device '{place}' has no instructions for bfloat16"
    return "bfloat16", "the device has instructions for it, and it is as accurate with this encoder"


def precision_record(spec: EncoderSpec, config: RunConfig) -> dict[str, Any]:
    """Return what ``run.json`` says about the precision.

    Args:
        spec: The encoder's record.
        config: The resolved configuration.
    """
    used, preset = config.training.precision, config.encoder.options.get("preset")
    chosen, reason = choose_precision(spec, preset, config.training.device)
    if spec.training_of(preset).get("precision") == used:
        reason = "the preset is trained as published"
    elif chosen != used:
        reason = "it was asked for"
    return {"used": used, "reason": reason}
