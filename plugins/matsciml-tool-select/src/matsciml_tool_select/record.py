"""What a selection looked at and took, as plain data beside its structures."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from matsciml_core.files import write_json
from matsciml_core.training.run_folder import command_line
from matsciml_tool_select.offers import ENDING

if TYPE_CHECKING:
    from matsciml_tool_select.selecting import Selected, SelectionRequest

FORMAT = "matsciml-selection"
_MOST = 5_000
"""Candidates whose numbers are kept for the figure; of more, so many are drawn."""


def write_record(
    selected: Selected, request: SelectionRequest, structures: Path, model: str
) -> None:
    """Write the record of a selection beside its structures.

    Args:
        selected: What was selected.
        request: What was asked for.
        structures: The file of the structures.
        model: The folder of the model, for people.
    """
    tally, selection = selected.tally, selected.selection
    chosen = [choice.index for choice in selection.choices]
    others = np.setdiff1d(np.arange(len(selection.to_training)), chosen)
    if len(others) > _MOST:
        random = np.random.Generator(np.random.PCG64(request.seed))
        others = np.sort(random.choice(others, _MOST, replace=False))
    data = {
        "format": FORMAT,
        "version": 1,
        "command": command_line(),
        "model": model,
        "by": request.by,
        "asked": request.count,
        "min_distance": request.min_distance,
        "seed": request.seed,
        "spread": selected.spread_title,
        "candidates": tally.predicted,
        "skipped": tally.skipped,
        "twins_of_known": selection.twins_of_training,
        "twins_of_selected": selection.twins_of_taken,
        "compared": selected.compared,
        "structures": structures.name,
        "titles": list(selected.titles),
        "rows": [list(row) for row in selected.rows],
        "selected": [_point(selected, index) for index in chosen],
        "others": [_point(selected, int(index)) for index in others],
    }
    write_json(structures.with_suffix(ENDING), data)


def _point(selected: Selected, index: int) -> dict[str, Any]:
    """Return spread and distance of a candidate; None where there is none."""
    distance = float(selected.selection.to_training[index])
    spread = None if selected.spreads is None else float(selected.spreads[index])
    return {"spread": spread, "distance": distance if math.isfinite(distance) else None}
