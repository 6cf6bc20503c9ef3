"""What a pretrained potential is worth where labels are few: fine-tuned, and trained from scratch.

    python benchmarks/fine_tuning.py --lips FRAMES --rows rows.json --output results.md

The network is the same both times, CHGNet, once with its pretrained weights, whose encoder learns
at a tenth of the rate, and once with new ones. Every run sees as many frames in training, those of
few frames more often, so that none is given more time. ``emt`` is a toy potential for an alloy,
whose energies are far from those that the weights were trained on; FRAMES are those of LiPS, in any
form that the dataset ``lips`` reads, divided in the order of time. ``--rows FILE`` keeps every run
as soon as it has ended, and leaves out what it has already.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from unittest.mock import patch

import _measure
import torch

import matsciml_core
from matsciml_core import build_registry
from matsciml_core.data.splits.algorithms import blocked_split

EMT = {"name": "emt", "repeats": 1, "trajectories": 20, "frames": 25}
"""500 frames of four atoms, 400 of them for training."""
SIZES = {"emt": (20, 80, 300), "lips": (20, 80)}
"""Training frames; LiPS has 100 frames here, of which 80 train."""
SEEN = {"emt": 600, "lips": 80}
"""Frames that a run sees in training, repeats counted."""
BATCHES = {"emt": 4, "lips": 2}
WAYS: dict[str, dict[str, Any]] = {
    "from scratch": {"encoder": {"name": "chgnet"}, "head": {"hidden": [64, 64, 64]}},
    "fine-tuned": {"init": {"model": "chgnet"}, "encoder_rate": 0.1},
}
Row = dict[str, Any]


def main(arguments: Sequence[str] | None = None) -> None:
    """Train, and write the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--lips", type=Path, help="frames of LiPS; default: that part is left out")
    parser.add_argument("--seeds", type=int, default=2, help="runs of each kind")
    parser.add_argument("--rows", type=Path, help="JSON file of rows, read and added to")
    parser.add_argument("--output", type=Path, help="write the result as Markdown")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    rows: list[Row] = []
    if options.rows and options.rows.is_file():
        rows = json.loads(options.rows.read_text(encoding="utf-8"))
    done = [key_of(row) for row in rows]
    with tempfile.TemporaryDirectory() as scratch:
        for plan in plans(options.seeds, with_lips=options.lips is not None):
            if key_of(plan) not in done:
                rows.append(plan | train(plan, options.lips, scratch))
                if options.rows:
                    options.rows.write_text(json.dumps(rows, indent=1), encoding="utf-8")
    text = page(rows)
    print(text)
    if options.output:
        options.output.write_text(text, encoding="utf-8")


def plans(seeds: int, *, with_lips: bool) -> Iterator[Row]:
    """Yield what to train, both ways in turns."""
    for name, sizes in SIZES.items():
        if name == "lips" and not with_lips:
            continue
        for seed in range(seeds):
            for size in sizes:
                for way in WAYS:
                    yield {"dataset": name, "frames": size, "way": way, "seed": seed}


def key_of(row: Row) -> tuple[Any, ...]:
    """Return what tells one run from another."""
    return tuple(row[key] for key in ("dataset", "frames", "way", "seed"))


def train(plan: Row, lips: Path | None, scratch: str) -> Row:
    """Train on energies and forces, and return test errors and seconds of processor time."""
    name = plan["dataset"]
    dataset = EMT if name == "emt" else {"name": "lips", "path": str(lips)}
    start = time.process_time()
    with patch.dict(os.environ, MATSCIML_DATA=str(Path(scratch) / "data")):  # thrown away
        result = matsciml_core.train(
            dataset=dataset,
            targets=["energy", "forces"],
            split={
                # The same frames both ways; other ones with another seed.
                "seed": plan["seed"],
                "max_train_crystals": plan["frames"],
                **({"name": in_time(dataset, scratch)} if name == "lips" else {}),
            },
            epochs=SEEN[name] // plan["frames"],
            batch_size=BATCHES[name],
            baseline_crystals=0,
            output=scratch,
            quiet=True,
            seed=plan["seed"],
            device="cpu",
            **WAYS[plan["way"]],
        )
    energy, forces = f"{name}/energy", f"{name}/forces"
    return {
        "seconds": time.process_time() - start,
        "energy": result.metrics[energy]["mae_per_atom"],
        "forces": result.metrics[forces]["mae"],
        "mean": result.baselines[energy]["mean"]["mae_per_atom"],
        "zero": result.baselines[forces]["zero"]["mae"],
    }


def in_time(dataset: dict[str, str], scratch: str) -> str:
    """Write the split of LiPS: 80 % of the frames, then 10 %, then 10 %; return its file."""
    spec = build_registry().get("dataset", dataset["name"])
    config = spec.load_config().from_options({"path": dataset["path"]}, where="lips")
    file = Path(scratch) / "in-time.json"
    blocked_split(sorted(spec.load()(config).ids), fractions=(0.8, 0.1, 0.1)).save(file)
    return str(file)


def page(rows: Sequence[Row]) -> str:
    """Return the tables as Markdown."""
    titles = {
        "emt": "`emt`: a toy potential for Cu-Au, four atoms in the cell, trajectories apart",
        "lips": "LiPS: PBE, 83 atoms in the cell, 80/10/10 in time",
    }
    header = ("frames", "", "seeds", "energy MAE (eV/atom)", "force MAE (eV/Å)", "processor (s)")
    parts = [
        "# Fine-tuning CHGNet, and training it from scratch",
        _measure.markdown_list(_measure.machine(("torch", "chgnet"))),
    ]
    for name, title in titles.items():
        chosen = [row for row in rows if row["dataset"] == name]
        if not chosen:
            continue
        lines = []
        for frames in SIZES[name]:
            for way in WAYS:
                of_kind = [row for row in chosen if (row["frames"], row["way"]) == (frames, way)]
                if of_kind:
                    columns = [column(of_kind, key) for key in ("energy", "forces", "seconds")]
                    lines.append([str(frames), way, str(len(of_kind)), *columns])
        mean, zero = (statistics.fmean(row[key] for row in chosen) for key in ("mean", "zero"))
        parts += [
            f"## {title}",
            _measure.markdown_table(header, lines),
            f"Each run sees {SEEN[name]} frames in training, repeats counted. The mean of the "
            f"training energies errs by {mean:.4f} eV/atom, forces of zero by {zero:.4f} eV/Å.",
        ]
    parts.append(
        "Test errors, means over seeds, which choose frames, on `emt` the trajectories of the test "
        "too, and new weights, with the largest distance from the mean. Both ways train energies "
        "and forces with the default settings, "
        "fine-tuning with `training.encoder_rate=0.1`.\n"
    )
    return "\n\n".join(parts)


def column(rows: Sequence[Row], key: str) -> str:
    """Return the mean over seeds and, of errors of several seeds, how far single ones are off."""
    values = [row[key] for row in rows]
    mean = statistics.fmean(values)
    if key == "seconds":
        return f"{mean:.0f}"
    return f"{mean:.4f} ± {max(abs(value - mean) for value in values):.4f}"


if __name__ == "__main__":
    main()
