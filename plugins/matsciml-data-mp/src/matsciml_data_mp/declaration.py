"""The declaration of the dataset: one list of labels for what is installed and what is fetched.

Imports no torch.
"""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path
from typing import Literal

from matsciml_core import DatasetSpec, TargetInfo, read_dataset_spec


@cache
def declare(data: Literal["mini", "release"]) -> DatasetSpec:
    """Return the declaration of ``mini``, which is the dataset's own, or that of any release.

    Args:
        data: Which of the two: they have other labels, descriptions and publications to cite.
    """
    text = Path(__file__).with_name("labels.toml").read_text(encoding="utf-8")
    targets = tuple(
        TargetInfo.from_data(
            {key: value for key, value in label.items() if key not in ("mini", "release")}
            | {"description": label[data]}
        )
        for label in tomllib.loads(text)["labels"]
        if data in label
    )
    return read_dataset_spec(__file__, "dataset.toml", f"{data}.toml", targets=targets)
