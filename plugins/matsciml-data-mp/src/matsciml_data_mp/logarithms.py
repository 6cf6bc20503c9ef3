"""Logarithms of moduli as labels: made as a batch is read, so that no store holds them twice."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import torch

from matsciml_core import CrystalBatch, TargetInfo

LOGARITHMS = {
    "log_bulk_modulus_vrh": "bulk_modulus_vrh",
    "log_shear_modulus_vrh": "shear_modulus_vrh",
}
"""Label, in log10(GPa) → the label in GPa of which it is the decimal logarithm."""


def add_logarithms(batch: CrystalBatch, targets: Mapping[str, TargetInfo]) -> CrystalBatch:
    """Return the batch with the decimal logarithms of the moduli that it has.

    Args:
        batch: Crystals with labels in GPa.
        targets: Declarations of the labels; logarithms that are not among them are not added.

    Returns:
        The batch; a logarithm is missing where its modulus is missing or not positive.
    """
    derived = {name: of for name, of in LOGARITHMS.items() if name in targets}
    values = {}
    for name, of in derived.items():
        modulus = batch.targets[of]  # (crystals,)
        # A crystal that is not stable may have a negative modulus, which has no logarithm.
        values[name] = torch.where(modulus > 0, modulus, torch.nan).log10()
    return replace(
        batch,
        targets={**batch.targets, **values},
        target_info={**batch.target_info, **{name: targets[name] for name in derived}},
    )
