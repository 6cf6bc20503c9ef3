"""Error against seconds of training: every encoder, the trees, and an older build of the project.

    python benchmarks/learning.py --old ../matsciml-3ad5d8f --keep runs/learning
    python benchmarks/learning.py --old ../matsciml-3ad5d8f --keep runs/learning --group default

Each row is a command as a user types it, run once per seed in a process of its own; rows of the
older build are run by the interpreter in that checkout's ``.venv``, in turns with those of today,
so that whatever else the machine does disturbs them alike. ``--keep`` keeps the runs, and what is
there is not run again: groups can be measured one after the other, and the page is made of all
that the folder holds. Settings were chosen on the validation set; the test set is read once per
seed, here. Writes ``benchmarks/results/learning.md`` and a plot beside it.
"""

from __future__ import annotations

import argparse
import csv
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import _measure
from matplotlib.figure import Figure

RESULTS = Path(__file__).parent / "results"
FORMATION = "formation_energy_per_atom"
FLAGSHIP = "cgcnn"
TREES = ("--encoder", "descriptors", "--head", "trees")
SIZES = (100, 300, 1000, 3146)
BASELINES = ("mean", "composition")
Build = Literal["today", "older"]


@dataclass(frozen=True, kw_only=True)
class Row:
    """A command, run with several seeds."""

    group: str
    name: str
    arguments: tuple[str, ...]
    """Of ``matsciml run --dataset mp``, but for the seed and the folder."""
    build: Build = "today"
    label: str = FORMATION
    seeds: int = 3

    def folder(self, keep: Path, seed: int) -> Path:
        """Return where the run of a seed is kept."""
        name = self.name.replace(" ", "-").replace(",", "").replace("=", "-")
        return keep / self.group / f"{name}-{self.build}-{seed}"


def rows() -> list[Row]:
    """Return what is measured, in the order of the page."""
    megnet, flagship = ("--encoder", "megnet"), ("--encoder", FLAGSHIP)
    listed = [
        Row(group="default", name="megnet", arguments=megnet, build="older"),
        Row(group="default", name="megnet", arguments=megnet),
        Row(group="default", name=FLAGSHIP, arguments=flagship),
        Row(group="default", name="trees", arguments=TREES),
        # Both numbers of epochs were chosen where the validation error falls below 0.100.
        Row(
            group="to 0.100 eV/atom",
            name="megnet, 109 epochs",
            arguments=(*megnet, "--epochs", "109"),
            build="older",
        ),
        Row(
            group="to 0.100 eV/atom",
            name=f"{FLAGSHIP}, 10 epochs",
            arguments=(*flagship, "--epochs", "10"),
        ),
        Row(
            group="five minutes",
            name=FLAGSHIP,
            arguments=(*flagship, "--minutes", "5"),
        ),
    ]
    listed += [
        Row(
            group="ten minutes",
            name=encoder,
            arguments=("--encoder", encoder, "--minutes", "10"),
            seeds=1,
        )
        for encoder in ("megnet", "egnn", "gala", "nequip")
    ]
    labels = ("band_gap", "log_bulk_modulus_vrh", "log_shear_modulus_vrh")
    for label in labels:
        for name, arguments in ((FLAGSHIP, flagship), ("trees", TREES)):
            full = (*arguments, "--target", label)
            listed.append(Row(group=label, name=name, arguments=full, label=label, seeds=5))
    for size in SIZES:
        for name, arguments in (("trees", TREES), ("megnet", megnet), (FLAGSHIP, flagship)):
            full = (*arguments, "--set", f"split.max_train_crystals={size}")
            listed.append(Row(group="training crystals", name=f"{name}, {size}", arguments=full))
    return listed


@dataclass(frozen=True)
class Outcome:
    """A finished run of a row."""

    row: Row
    command_seconds: float
    """Wall time of the whole command."""
    summary: dict[str, Any]
    epochs: list[dict[str, str]]
    """Lines of ``metrics.csv``; none where nothing was trained in epochs."""

    @property
    def task(self) -> str:
        """Name of the task in the summary."""
        return f"mp/{self.row.label}"

    @property
    def mae(self) -> float:
        """Mean absolute error on the test set, in the unit of the label."""
        return float(self.summary["metrics"]["test"][self.task]["mae"])

    @property
    def training_seconds(self) -> float:
        """Wall time of training, validation after each epoch included."""
        return float(self.epochs[-1]["seconds"]) if self.epochs else float("nan")

    @property
    def curve(self) -> tuple[list[float], list[float]]:
        """Seconds of training and validation MAE at the end of each epoch."""
        errors = [float(line[f"validation/{self.task}/mae"]) for line in self.epochs]
        return [float(line["seconds"]) for line in self.epochs], errors


def main() -> None:
    """Run what is missing, and write the page."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--keep", type=Path, default=Path("runs/learning"), help="folder of runs")
    parser.add_argument("--old", type=Path, help="checkout of an older build, with its .venv")
    parser.add_argument("--group", action="append", help="which groups to run; default: all")
    parser.add_argument("--name", help="run only the rows whose name holds this")
    parser.add_argument("--seeds", type=int, default=5, help="most seeds of a row")
    options = parser.parse_args()
    for row, seed in in_turns(rows()):
        chosen = options.group is None or row.group in options.group
        chosen = chosen and (options.name or "") in row.name and seed < options.seeds
        if chosen and (row.build == "today" or options.old is not None):
            run(row, seed, options.keep, options.old)
    outcomes = list(read_all(options.keep))
    text = page(outcomes)
    print(text)
    (RESULTS / "learning.md").write_text(text, encoding="utf-8")
    draw(outcomes)


def in_turns(listed: Sequence[Row]) -> Iterable[tuple[Row, int]]:
    """Yield every row with each of its seeds, all rows of a group once before a second seed."""
    for group in dict.fromkeys(row.group for row in listed):
        members = [row for row in listed if row.group == group]
        for seed in range(max(row.seeds for row in members)):
            yield from ((row, seed) for row in members if seed < row.seeds)


def run(row: Row, seed: int, keep: Path, old: Path | None) -> None:
    """Run a command, unless that was done before, and note how long it took."""
    folder = row.folder(keep, seed)
    note = folder / "command.json"
    if note.is_file():
        return
    python = sys.executable
    if row.build == "older":
        assert old is not None
        python = str(old / ".venv" / "bin" / "python")
    command = ["run", "--dataset", "mp", *row.arguments, "--seed", str(seed)]
    start = time.perf_counter()
    subprocess.run(
        [python, "-P", "-m", "matsciml_cli", *command, "--output", str(folder.absolute())],
        check=True,
    )
    seconds = time.perf_counter() - start
    note.write_text(json.dumps({"command": command, "seconds": seconds}), encoding="utf-8")


def read_all(keep: Path) -> Iterable[Outcome]:
    """Read the runs that the folder holds."""
    for row in rows():
        for seed in range(row.seeds):
            folder = row.folder(keep, seed)
            if not (folder / "command.json").is_file():
                continue
            note = json.loads((folder / "command.json").read_text(encoding="utf-8"))
            latest = folder / "latest"
            summary = json.loads((latest / "run.json").read_text(encoding="utf-8"))
            metrics = latest / "metrics.csv"
            epochs: list[dict[str, str]] = []
            if metrics.is_file():
                with metrics.open(encoding="utf-8") as stream:
                    epochs = list(csv.DictReader(stream))
            yield Outcome(row, note["seconds"], summary, epochs)


def page(outcomes: Sequence[Outcome]) -> str:
    """Return the tables as Markdown."""
    parts = [
        "# What a second of training buys",
        "",
        "Made by `python benchmarks/learning.py --old CHECKOUT`. Test MAE of `mp` mini, shipped "
        "split, mean ± standard deviation over seeds; *training* is wall time of the epochs with "
        "their validation, *command* everything from the prompt to the report. *older* is commit "
        "3ad5d8f.",
        "",
    ]
    for group in dict.fromkeys(outcome.row.group for outcome in outcomes):
        members = [outcome for outcome in outcomes if outcome.row.group == group]
        parts += [f"## {group.capitalize()}", "", table(members), ""]
    parts += [
        "![Validation error against seconds of training](learning.svg)",
        "",
        _measure.markdown_list(_measure.machine(("torch", "scikit-learn", "e3nn"))),
        "",
    ]
    return "\n".join(parts)


def table(outcomes: Sequence[Outcome]) -> str:
    """Return the table of a group; its baselines come last."""
    lines = []
    for row in dict.fromkeys(outcome.row for outcome in outcomes):
        runs = [outcome for outcome in outcomes if outcome.row == row]
        epochs = [len(outcome.epochs) for outcome in runs]
        lines.append(
            [
                row.name if row.build == "today" else f"{row.name} (older)",
                str(len(runs)),
                f"{statistics.median(epochs):.0f}" if any(epochs) else "–",
                spread([outcome.training_seconds for outcome in runs], 1) if any(epochs) else "–",
                spread([outcome.command_seconds for outcome in runs], 1),
                spread([outcome.mae for outcome in runs], 4),
            ]
        )
    baselines = outcomes[0].summary["baselines"][outcomes[0].task]
    lines += [
        [name, "–", "–", "–", "–", f"{baselines[name]['mae']:.4f}"]
        for name in BASELINES
        if name in baselines
    ]
    unit = "log10(GPa)" if outcomes[0].row.label.startswith("log") else "eV"
    unit = "eV/atom" if outcomes[0].row.label == FORMATION else unit
    header = ("", "seeds", "epochs", "training (s)", "command (s)", f"test MAE ({unit})")
    return _measure.markdown_table(header, lines)


def spread(values: Sequence[float], digits: int) -> str:
    """Return mean and sample standard deviation; of a single value, itself."""
    mean = f"{statistics.mean(values):.{digits}f}"
    return mean if len(values) == 1 else f"{mean} ± {statistics.stdev(values):.{digits}f}"


def draw(outcomes: Sequence[Outcome]) -> None:
    """Draw validation error of formation energies against seconds of training."""
    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    timed = [o for o in outcomes if o.row.group in ("default", "five minutes", "ten minutes")]
    colours: dict[str, Any] = {}
    for outcome in timed:
        name = outcome.row.name if outcome.row.build == "today" else f"{outcome.row.name} (older)"
        if outcome.epochs:
            (line,) = axes.plot(
                *outcome.curve,
                label=None if name in colours else name,
                color=colours.get(name),
                linestyle="--" if outcome.row.build == "older" else "-",
                alpha=0.8,
            )
            colours[name] = line.get_color()
        else:
            axes.plot(outcome.command_seconds, outcome.mae, "k*")
            if name not in colours:
                axes.annotate(f" {name} (test)", (outcome.command_seconds, outcome.mae))
                colours[name] = "k"
    axes.set(
        xlabel="seconds of training", ylabel="validation MAE (eV/atom)", xscale="log", yscale="log"
    )
    axes.grid(visible=True, which="both", alpha=0.3)
    axes.legend()
    figure.savefig(RESULTS / "learning.svg", metadata={"Date": None})


if __name__ == "__main__":
    main()
