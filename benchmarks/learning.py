"""Error against seconds of training: every encoder, the trees, and an older build of the project.

    python benchmarks/learning.py --old ../matsciml-3ad5d8f --keep runs/learning
    python benchmarks/learning.py --old ../matsciml-3ad5d8f --keep runs/learning --group default

Each row is a command as a user types it, run once per seed in a process of its own; rows of the
older build are run by the interpreter in that checkout's ``.venv``, in turns with those of today,
so that whatever else the machine does disturbs them alike. ``--keep`` keeps the runs, and what is
there is not run again. Settings were chosen on the validation set; the test set is read once per
seed, here.

What was measured is added to ``benchmarks/results/learning.json``, of which the page
``learning.md`` and the plot beside it are made: groups can be measured one after the other, on
different days, but times are compared within a group only.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import _measure
from matplotlib.figure import Figure

from matsciml_core.cores import available_cores

RESULTS = Path(__file__).parent / "results"
RECORD = RESULTS / "learning.json"
FORMATION = "formation_energy_per_atom"
LABELS = ("band_gap", "log_bulk_modulus_vrh", "log_shear_modulus_vrh")
"""Of some of the crystals only."""
FLAGSHIP = "cgcnn"
TREES = ("--encoder", "descriptors", "--head", "trees")
SIZES = {100: 160, 300: 470, 1000: 1628, 3146: 5053}
"""Labelled training crystals, and the limit that leaves as many: it is drawn before crystals
without the label are left out."""
BASELINES = ("mean", "composition")
JOINTLY = f"{FLAGSHIP}, formation energies too"
"""Few crystals have the label; the formation energies of all others teach the encoder as well."""
TEN_MINUTES: dict[str, tuple[str, ...]] = {
    "megnet": (),
    "egnn": (),
    "gala": (),
    # Its default suits forces, whose crystals are larger and fewer.
    "nequip": ("--batch-size", "64"),
    "dimenet++": (),
}
ENSEMBLES: dict[tuple[str, str], dict[str, int]] = {
    ("default", FLAGSHIP): {FLAGSHIP: 3},
    ("five minutes", FLAGSHIP): {FLAGSHIP: 3},
    **{(label, JOINTLY): {JOINTLY: 5} for label in LABELS},
    # Trees err elsewhere than networks do. How many of them: chosen in five folds of the training
    # and validation crystals, see docs/explanation/learning.md.
    ("band_gap", f"{JOINTLY}, and trees"): {JOINTLY: 5, "trees": 2},
}
"""Rows that are the mean prediction of runs of other rows: group and name, and how many seeds of
which rows."""
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
            name=f"{FLAGSHIP}, 5 epochs",
            arguments=(*flagship, "--epochs", "5"),
        ),
        Row(
            group="five minutes",
            name=FLAGSHIP,
            arguments=(*flagship, "--minutes", "5"),
        ),
    ]
    # A few epochs: how fast, and not how well. Without a baseline, since nothing is compared.
    speed = ("--no-baselines",)
    listed += [
        Row(
            group="crystals per second",
            name=f"{FLAGSHIP}, 20 epochs",
            arguments=(*flagship, "--epochs", "20", *speed),
        ),
        Row(
            group="crystals per second",
            name="megnet of mp2018, 4 epochs",
            arguments=(*megnet, "--set", "encoder.preset=mp2018", "--epochs", "4", *speed),
        ),
    ]
    listed += [
        Row(
            group="ten minutes",
            name=encoder,
            arguments=("--encoder", encoder, *batches, "--minutes", "10"),
            seeds=1,
        )
        for encoder, batches in TEN_MINUTES.items()
    ]
    jointly = (*flagship, "--target", FORMATION, "--strategy", "additive")
    variants = {FLAGSHIP: flagship, JOINTLY: jointly, "trees": TREES}
    for label in LABELS:
        for name, arguments in variants.items():
            full = (*arguments, "--target", label)
            listed.append(Row(group=label, name=name, arguments=full, label=label, seeds=5))
    # Epochs of few crystals are few steps: with as many epochs, networks would not be trained.
    half_a_minute = ("--minutes", "0.5")
    for size, limit in SIZES.items():
        for name, arguments in (
            ("trees", TREES),
            ("megnet", (*megnet, *half_a_minute)),
            (FLAGSHIP, (*flagship, *half_a_minute)),
        ):
            full = (*arguments, "--set", f"split.max_train_crystals={limit}")
            listed.append(Row(group="training crystals", name=f"{name}, {size}", arguments=full))
    return listed


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """A finished run of a row."""

    group: str
    name: str
    build: Build
    seed: int
    label: str
    date: str
    cores: int
    """That the run could use; threads, where ``OMP_NUM_THREADS`` says how many."""
    processor: str
    """What the run was measured on."""
    command_seconds: float
    """Wall time of the whole command."""
    curve: list[tuple[float, float]]
    """Seconds of training, validation after each epoch included, and validation MAE at the end of
    each epoch; empty where nothing was trained in epochs."""
    mae: float
    """Mean absolute error on the test set, in the unit of the label."""
    baselines: dict[str, float]
    """The same of :data:`BASELINES`, where there are any."""
    crystals: int | None = None
    """That it was trained on; None where that was not recorded."""

    @classmethod
    def read(cls, row: Row, seed: int, keep: Path) -> Outcome:
        """Read a run that the folder holds."""
        folder = row.folder(keep, seed)
        note = json.loads((folder / "command.json").read_text(encoding="utf-8"))
        latest, task = folder / "latest", f"mp/{row.label}"
        summary = json.loads((latest / "run.json").read_text(encoding="utf-8"))
        curve: list[tuple[float, float]] = []
        if (latest / "metrics.csv").is_file():
            with (latest / "metrics.csv").open(encoding="utf-8") as stream:
                curve = [
                    (round(float(line["seconds"]), 2), float(line[f"validation/{task}/mae"]))
                    for line in csv.DictReader(stream)
                ]
        baselines = summary["baselines"][task]
        return cls(
            group=row.group,
            name=row.name,
            build=row.build,
            seed=seed,
            label=row.label,
            date=note["date"],
            cores=note["cores"],
            processor=note["processor"],
            command_seconds=round(note["seconds"], 2),
            curve=curve,
            mae=float(summary["metrics"]["test"][task]["mae"]),
            baselines={name: baselines[name]["mae"] for name in BASELINES if name in baselines},
            crystals=summary["datasets"]["mp"]["split"]["sizes"]["train"],
        )

    @classmethod
    def of_ensemble(
        cls, name: str, runs: Sequence[tuple[Row, int]], members: Sequence[Outcome], keep: Path
    ) -> Outcome:
        """Return the error of the mean of all members' predictions.

        Args:
            name: Of the ensemble.
            runs: Rows and seeds that the members ran, kept in ``keep``.
            members: What became of them, in the same order.
            keep: Folder of runs.
        """
        errors = []
        for row, seed in runs:
            file = row.folder(keep, seed) / "latest" / "predictions-test.csv"
            with file.open(encoding="utf-8") as stream:
                wrong = {
                    line["id"]: float(line["prediction"]) - float(line["label"])
                    for line in csv.DictReader(stream)
                    if line["target"] == row.label
                }
            errors.append([wrong[crystal] for crystal in sorted(wrong)])
        means = [statistics.mean(one) for one in zip(*errors, strict=True)]
        return replace(
            members[0],
            name=name,
            seed=0,
            cores=max(member.cores for member in members),
            command_seconds=round(sum(member.command_seconds for member in members), 2),
            curve=[],
            crystals=None,
            mae=statistics.mean(abs(one) for one in means),
        )

    @property
    def key(self) -> tuple[str, str, str, int]:
        """What tells it from other outcomes."""
        return self.group, self.name, self.build, self.seed

    @property
    def shown(self) -> str:
        """Its name on the page."""
        return self.name if self.build == "today" else f"{self.name} (older)"

    @property
    def in_epochs(self) -> bool:
        """Whether it was trained in epochs, and not in closed form or as trees."""
        return len(self.curve) > 1

    @property
    def crystals_per_second(self) -> float | None:
        """Training crystals times epochs per second of the epochs, validation included."""
        if not self.in_epochs or self.crystals is None:
            return None
        return self.crystals * len(self.curve) / self.training_seconds

    @property
    def training_seconds(self) -> float:
        """Wall time of the epochs; of what has none, of the whole command."""
        return self.curve[-1][0] if self.in_epochs else self.command_seconds


def main() -> None:
    """Run what is missing, and write the page."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--keep", type=Path, default=Path("runs/learning"), help="folder of runs")
    _measure.take_older_build(parser)
    parser.add_argument("--group", action="append", help="which groups to run; default: all")
    parser.add_argument("--name", help="run only the rows whose name holds this")
    parser.add_argument("--seeds", type=int, default=5, help="most seeds of a row")
    options = parser.parse_args()
    for row, seed in in_turns(rows()):
        chosen = options.group is None or row.group in options.group
        chosen = chosen and (options.name or "") in row.name and seed < options.seeds
        if chosen and (row.build == "today" or options.old is not None):
            run(row, seed, options.keep, options.old)
    outcomes = read_all(options.keep)
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
        python = str(_measure.program_of(old, "python"))
    command = ["run", "--dataset", "mp", *row.arguments, "--seed", str(seed)]
    start = time.perf_counter()
    subprocess.run(
        [python, "-P", "-m", "matsciml_cli", *command, "--output", str(folder.absolute())],
        check=True,
    )
    seconds = time.perf_counter() - start
    facts = {
        "command": command,
        "seconds": seconds,
        "cores": int(os.environ.get("OMP_NUM_THREADS", available_cores())),
        "processor": _measure.processor(),
        "date": datetime.now(UTC).date().isoformat(),
    }
    note.write_text(json.dumps(facts), encoding="utf-8")


def read_all(keep: Path) -> list[Outcome]:
    """Return what was measured earlier and what the folder holds, and record both.

    Rows that are no longer measured are left out.
    """
    found: dict[tuple[str, str, str, int], Outcome] = {}
    if RECORD.is_file():
        earlier = json.loads(RECORD.read_text(encoding="utf-8"))
        found = {outcome.key: outcome for outcome in (Outcome(**fields) for fields in earlier)}
    outcomes = []
    for row in rows():
        for seed in range(row.seeds):
            if (row.folder(keep, seed) / "command.json").is_file():
                outcomes.append(Outcome.read(row, seed, keep))
            elif (row.group, row.name, row.build, seed) in found:
                outcomes.append(found[row.group, row.name, row.build, seed])
    for (group, name), members in ENSEMBLES.items():
        runs = [
            (row, seed)
            for row in rows()
            if row.group == group and row.name in members and row.build == "today"
            for seed in range(members[row.name])
        ]
        shown = f"{name}, ensemble of {len(runs)}"
        if all((row.folder(keep, seed) / "command.json").is_file() for row, seed in runs):
            single = [Outcome.read(row, seed, keep) for row, seed in runs]
            outcomes.append(Outcome.of_ensemble(shown, runs, single, keep))
        elif (group, shown, "today", 0) in found:
            outcomes.append(found[group, shown, "today", 0])
    lines = [json.dumps(asdict(outcome)) for outcome in outcomes]
    RECORD.write_text("[\n" + ",\n".join(lines) + "\n]\n", encoding="utf-8")
    return outcomes


def page(outcomes: Sequence[Outcome]) -> str:
    """Return the tables as Markdown."""
    parts = [
        "# What a second of training buys",
        "",
        "Made by `python benchmarks/learning.py --old CHECKOUT`. Test MAE of `mp` mini, shipped "
        "split, mean ± standard deviation over seeds; *training* is wall time of the epochs with "
        "their validation, *command* everything from the prompt to the report, *crystals/s* what a "
        "second of training saw, where that was recorded. *older* is commit "
        "3ad5d8f, whose default run took 46 s on the machine that the goals were set on; *of "
        "older* is the time of training as a share of that, seed by seed (of what trains without "
        "epochs, the time of the command). The row of an ensemble is the error of the mean "
        "prediction of the runs above it, and the time of all their commands.",
        "",
    ]
    for group in dict.fromkeys(outcome.group for outcome in outcomes):
        members = [outcome for outcome in outcomes if outcome.group == group]
        dates = " and ".join(sorted({outcome.date for outcome in members}))
        cores = " or ".join(sorted({str(outcome.cores) for outcome in members}))
        parts += [f"## {group[0].upper()}{group[1:].replace('_', ' ')}", "", table(members), ""]
        places = " and ".join(sorted({outcome.processor for outcome in members}))
        parts += [f"Measured on {dates}, {places}, cores: {cores}.", ""]
    machine = _measure.machine(("torch", "scikit-learn", "e3nn"))
    parts += [
        "![Validation error against seconds of training](learning.svg)",
        "",
        # Of processors and dates each group has its own.
        _measure.markdown_list({key: machine[key] for key in ("system", "versions")}),
        "",
    ]
    return "\n".join(parts)


def table(outcomes: Sequence[Outcome]) -> str:
    """Return the table of a group; its baselines come last."""
    older = {one.seed: one.training_seconds for one in outcomes if one.build == "older"}
    lines = []
    for shown in dict.fromkeys(outcome.shown for outcome in outcomes):
        runs = [outcome for outcome in outcomes if outcome.shown == shown]
        seconds = [run.training_seconds for run in runs if run.in_epochs]
        rates = [run.crystals_per_second for run in runs if run.crystals_per_second]
        shares = [run.training_seconds / older[run.seed] for run in runs if run.seed in older]
        lines.append(
            [
                shown,
                str(len(runs)),
                f"{statistics.median(len(run.curve) for run in runs):.0f}" if seconds else "–",
                spread(seconds, 1) if seconds else "–",
                spread([run.command_seconds for run in runs], 1),
                spread(rates, 0) if rates else "–",
                spread(shares, 2) if shares else "–",
                spread([run.mae for run in runs], 4),
            ]
        )
    lines += [[name, *"––––––", f"{error:.4f}"] for name, error in outcomes[0].baselines.items()]
    unit = "log10(GPa)" if outcomes[0].label.startswith("log") else "eV"
    unit = "eV/atom" if outcomes[0].label == FORMATION else unit
    header = ("", "seeds", "epochs", "training (s)", "command (s)", "crystals/s", "of older")
    return _measure.markdown_table((*header, f"test MAE ({unit})"), lines)


def spread(values: Sequence[float], digits: int) -> str:
    """Return mean and sample standard deviation; of a single value, itself."""
    mean = f"{statistics.mean(values):.{digits}f}"
    return mean if len(values) == 1 else f"{mean} ± {statistics.stdev(values):.{digits}f}"


def draw(outcomes: Sequence[Outcome]) -> None:
    """Draw validation error of formation energies against seconds of training."""
    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    timed = [one for one in outcomes if one.group in ("default", "five minutes", "ten minutes")]
    colours: dict[str, Any] = {}
    for outcome in timed:
        name = outcome.shown
        if outcome.in_epochs:
            (line,) = axes.plot(
                *zip(*outcome.curve, strict=True),
                label=None if name in colours else name,
                color=colours.get(name),
                linestyle="--" if outcome.build == "older" else "-",
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
