"""What training on forces buys: the documented run on ``emt``, and some minutes on frames of LiPS.

    python benchmarks/force_recipes.py --lips FRAMES --minutes 2

FRAMES are those of LiPS, in any form that the dataset ``lips`` reads, divided in the order of time
into 80 % for training, 10 % for validation and 10 % for testing. Minutes are of processor time on
one thread, so that other work on the machine does not count; the number of epochs follows from a
trial, so that the schedule ends when the time does. ``--rows FILE`` keeps the measured rows and
goes on with those of other builds: run the script once with the environment of each, under a
``--label``. ``--output FILE`` writes Markdown.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from unittest.mock import patch

import _measure
import torch

import matsciml_core
from matsciml_core import build_registry
from matsciml_core.data.splits.algorithms import blocked_split

EMT = {"epochs": 6, "batch_size": 4, "head": {"energy_start": 10.0}}
"""The documented run: ``--batch-size 4 --epochs 6 --set head.energy_start=10``."""
ON_EMT = {"egnn": {"cutoff": 4.0}, "cgcnn": {"cutoff": 5.0}}
"""Settings of each encoder; what is not named is its default."""
ON_LIPS = {"egnn": {"preset": "forces", "cutoff": 5.0}, "cgcnn": {"cutoff": 5.0}}
TRIAL = 2
"""Epochs of the trial; the first one also finds the neighbours."""
Row = dict[str, Any]


def main(arguments: Sequence[str] | None = None) -> None:
    """Train, and write the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--lips", type=Path, help="frames of LiPS; default: that part is left out")
    parser.add_argument("--no-emt", action="store_true", help="leave out the run on emt")
    parser.add_argument("--encoder", action="append", choices=ON_EMT, help="repeat; default: all")
    parser.add_argument("--minutes", type=float, default=2.0, help="of processor time, on LiPS")
    parser.add_argument("--seed", type=int, action="append", help="repeat; default: 0, 1, 2")
    parser.add_argument("--label", default="now", help="what the build is called")
    parser.add_argument("--rows", type=Path, help="JSON file of rows, read and added to")
    parser.add_argument("--output", type=Path)
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    rows: list[Row] = []
    if options.rows and options.rows.is_file():
        rows = json.loads(options.rows.read_text(encoding="utf-8"))
    with tempfile.TemporaryDirectory() as scratch:
        encoders = options.encoder or list(ON_EMT)
        for seed, encoder in itertools.product(options.seed or (0, 1, 2), encoders):
            if not options.no_emt:
                rows.append({"build": options.label, **emt(encoder, seed, scratch)})
            if options.lips:
                seconds = 60.0 * options.minutes
                measured = lips(options.lips, encoder, seed, seconds, scratch)
                rows.append({"build": options.label, **measured})
            if options.rows:  # after every seed, so that nothing is lost where the machine is
                options.rows.write_text(json.dumps(rows, indent=1), encoding="utf-8")
    text = page(rows, options.minutes)
    print(text)
    if options.output:
        options.output.write_text(text, encoding="utf-8")


def emt(encoder: str, seed: int, scratch: str) -> Row:
    """Train as the documentation says, and return the test errors."""
    return train("emt", {"name": encoder, **ON_EMT[encoder]}, seed, scratch, **EMT)


def lips(frames: Path, encoder: str, seed: int, seconds: float, scratch: str) -> Row:
    """Train for so many seconds of processor time, and return the test errors."""
    dataset = {"name": "lips", "path": str(frames)}
    spec = build_registry().get("dataset", "lips")
    with patch.dict(os.environ, MATSCIML_DATA=str(Path(scratch) / "data")):  # thrown away
        opened = spec.load()(spec.load_config().from_options({"path": str(frames)}, where="lips"))
        file = Path(scratch) / "in-time.json"
        blocked_split(sorted(opened.ids), fractions=(0.8, 0.1, 0.1)).save(file)
        chosen = {"name": encoder, **ON_LIPS[encoder]}
        settings = {"split": {"name": str(file)}, "batch_size": 4}
        trial = train(dataset, chosen, seed, scratch, epochs=TRIAL, **settings)
        epochs = max(1, round(seconds / trial["seconds"] * TRIAL))
        return train(dataset, chosen, seed, scratch, epochs=epochs, **settings)


def train(dataset: Any, encoder: Row, seed: int, scratch: str, **settings: Any) -> Row:
    """Train on energies and forces, and return test errors and seconds of processor time."""
    start = time.process_time()
    result = matsciml_core.train(
        dataset=dataset,
        encoder=encoder,
        targets=["energy", "forces"],
        output=scratch,
        quiet=True,
        seed=seed,
        device="cpu",
        **settings,
    )
    seconds = time.process_time() - start
    name = dataset if isinstance(dataset, str) else dataset["name"]
    energy, forces = f"{name}/energy", f"{name}/forces"
    return {
        "dataset": name,
        "encoder": encoder["name"],
        "seed": seed,
        "epochs": settings["epochs"],
        "seconds": seconds,
        "energy": result.metrics[energy]["mae_per_atom"],
        "forces": result.metrics[forces]["mae"],
        "mean": result.baselines[energy]["mean"]["mae_per_atom"],
        "zero": result.baselines[forces]["zero"]["mae"],
    }


def page(rows: Sequence[Row], minutes: float) -> str:
    """Return the tables as Markdown."""
    titles = {
        "emt": "`emt`, six epochs as documented",
        "lips": f"LiPS, {minutes:g} minutes of processor time, 80/10/10 in time",
    }
    header = (
        "encoder",
        "build",
        "seeds",
        "epochs",
        "processor (s)",
        "energy MAE (eV/atom)",
        "mean's",
    )
    header += ("force MAE (eV/Å)", "zero's")
    facts = _measure.machine(("torch",))
    parts = ["# Learning forces", _measure.markdown_list(facts)]
    for name, title in titles.items():
        lines = []
        for encoder, build in dict.fromkeys(
            (row["encoder"], row["build"]) for row in rows if row["dataset"] == name
        ):
            chosen = [
                row
                for row in rows
                if (row["dataset"], row["encoder"], row["build"]) == (name, encoder, build)
            ]
            seeds, columns = str(len(chosen)), (column(chosen, key) for key in COLUMNS)
            lines.append([encoder, build, seeds, *columns])
        if lines:
            parts += [f"## {title}", _measure.markdown_table(header, lines)]
    parts.append(
        "Test errors, means over seeds with the largest distance from the mean. Processor time "
        "includes preparing, validation and the test.\n"
    )
    return "\n\n".join(parts)


COLUMNS = {"epochs": ".0f", "seconds": ".0f", "energy": ".4f", "mean": ".4f"}
COLUMNS |= {"forces": ".4f", "zero": ".4f"}


def column(rows: Sequence[Row], key: str) -> str:
    """Return the mean over seeds and, of errors of several seeds, how far single ones are off."""
    values = [row[key] for row in rows]
    mean = statistics.fmean(values)
    text = format(mean, COLUMNS[key])
    if key in ("energy", "forces") and len(values) > 1:
        text += f" ± {max(abs(value - mean) for value in values):.4f}"
    return text


if __name__ == "__main__":
    main()
