"""Train MEGNet on the Materials Project crystals for long, and record its learning curve.

    python benchmarks/learning_curve.py --epochs 100

Runs the same command as ``make run`` with more epochs and writes, into
``benchmarks/results/learning_curve/``, the run's configuration, its ``run.json`` and
``metrics.csv``, the curve as SVG, and a page that puts the numbers beside predict-the-mean.
"""

from __future__ import annotations

import argparse
import csv
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from matplotlib.figure import Figure

RESULTS = Path(__file__).parent / "results" / "learning_curve"
TASK = "mp/formation_energy_per_atom"
MILESTONES = (1, 5, 10, 20, 50, 100, 200)


def main() -> None:
    """Train, and write the record."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--epochs", type=int, default=100, help="passes over the training split")
    parser.add_argument("--run", type=Path, help="record a finished run instead of training")
    arguments = parser.parse_args()
    if arguments.run is not None:
        record(arguments.run)
        return
    with tempfile.TemporaryDirectory() as output:
        record(train(arguments.epochs, Path(output)))


def train(epochs: int, output: Path) -> Path:
    """Train with the command line, and return the run folder."""
    command = ["run", "--dataset", "mp", "--encoder", "megnet", "--epochs", str(epochs)]
    subprocess.run(
        [sys.executable, "-m", "matsciml_cli", *command, "--output", str(output)], check=True
    )
    return output / "latest"


def record(run: Path) -> None:
    """Copy what belongs to the record, draw the curve, and write the page."""
    RESULTS.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(run / "metrics.csv", RESULTS / "metrics.csv")
    config = yaml.safe_load((run / "config.yaml").read_text(encoding="utf-8"))
    summary = json.loads((run / "run.json").read_text(encoding="utf-8"))
    # Where the run lay on this machine is nobody's business; the page gives the command.
    config["output"] = "runs"
    del summary["command"]
    text = yaml.safe_dump(config, sort_keys=False, allow_unicode=True)
    (RESULTS / "config.yaml").write_text(text, encoding="utf-8")
    text = json.dumps(summary, indent=1, ensure_ascii=False)
    (RESULTS / "run.json").write_text(text + "\n", encoding="utf-8")
    with (run / "metrics.csv").open(encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    draw(rows, summary)
    (RESULTS / "README.md").write_text(page(rows, summary), encoding="utf-8")
    print(page(rows, summary))


def draw(rows: Sequence[dict[str, str]], summary: dict[str, Any]) -> None:
    """Draw validation error against epochs."""
    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    epochs = [int(row["epoch"]) + 1 for row in rows]
    axes.plot(epochs, errors(rows), label="MEGNet, validation set")
    mean = summary["baselines"][TASK]["mean"]["mae"]
    axes.axhline(mean, linestyle="--", color="grey", label="predict the mean, test set")
    axes.set(xlabel="epoch", ylabel="MAE (eV/atom)", yscale="log")
    axes.grid(visible=True, which="both", alpha=0.3)
    axes.legend()
    figure.savefig(RESULTS / "curve.svg", metadata={"Date": None})


def page(rows: Sequence[dict[str, str]], summary: dict[str, Any]) -> str:
    """Return the record as Markdown."""
    test, mean = summary["metrics"]["test"][TASK], summary["baselines"][TASK]["mean"]
    hardware, sizes = summary["hardware"], summary["datasets"]["mp"]["split"]["sizes"]
    marks = [n for n in MILESTONES if n < len(rows)] + [len(rows)]
    lines = [
        f"# MEGNet on `mp` mini, {len(rows)} epochs",
        "",
        "Made by `python benchmarks/learning_curve.py --epochs " + f"{len(rows)}`; settings in "
        "[config.yaml](config.yaml), everything else in [run.json](run.json).",
        "",
        f"Formation energy per atom; {sizes['train']} crystals train, {sizes['validation']} "
        f"validate, {sizes['test']} test.",
        "",
        "| | MAE (eV/atom) | RMSE (eV/atom) | R² | skill |",
        "|---|---|---|---|---|",
        _row("MEGNet, test set", test),
        _row("predict the mean, test set", mean),
        "",
        f"The model errs {mean['mae'] / test['mae']:.1f} times less than the mean of the training "
        "labels.",
        "",
        "| epoch | validation MAE (eV/atom) | wall time (s) |",
        "|---|---|---|",
    ]
    values = errors(rows)
    lines += [f"| {n} | {values[n - 1]:.4f} | {float(rows[n - 1]['seconds']):.0f} |" for n in marks]
    lines += [
        "",
        "![Validation error against epochs](curve.svg)",
        "",
        f"{summary['parameters']['total']:,} parameters; {hardware['threads']} threads of "
        f"{hardware['cpu']}, {hardware['memory_gib']} GiB; torch {summary['versions']['torch']}; "
        "wall times were taken on a shared machine and vary by tens of per cent.",
    ]
    return "\n".join(lines) + "\n"


def errors(rows: Sequence[dict[str, str]]) -> list[float]:
    """Return the validation MAE of each epoch, eV/atom."""
    return [float(row[f"validation/{TASK}/mae"]) for row in rows]


def _row(name: str, values: dict[str, Any]) -> str:
    cells = (values["mae"], values["rmse"], values["r2"], values["skill"])
    return f"| {name} | " + " | ".join(f"{value:.4f}" for value in cells) + " |"


if __name__ == "__main__":
    main()
