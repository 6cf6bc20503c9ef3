"""Train every encoder for the same time, and compare what it learnt.

    python benchmarks/encoder_budget.py --minutes 10

Each encoder trains with its default settings, through the same command as a user's, on formation
energies of the Materials Project crystals. How many epochs fit into the time is found by a run of
two epochs before, so that the learning-rate schedule ends when the time does. Writes
``benchmarks/results/encoder_budget.md`` and a plot of error against time beside it. Runs that
``--keep`` kept are not repeated, so that the machine need not be quiet for all of them at once.
"""

from __future__ import annotations

import argparse
import csv
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import _measure
from matplotlib.figure import Figure

RESULTS = Path(__file__).parent / "results"
TASK = "mp/formation_energy_per_atom"
ENCODERS = ("megnet", "egnn", "gala", "nequip")


@dataclass(frozen=True)
class Outcome:
    """A finished run."""

    encoder: str
    summary: dict[str, Any]
    rows: list[dict[str, str]]
    """Lines of ``metrics.csv``."""

    @property
    def seconds(self) -> list[float]:
        """Wall time of training at the end of each epoch."""
        return [float(row["seconds"]) for row in self.rows]

    @property
    def errors(self) -> list[float]:
        """Validation MAE after each epoch, eV/atom."""
        return [float(row[f"validation/{TASK}/mae"]) for row in self.rows]

    def metric(self, predictor: str | None = None) -> dict[str, Any]:
        """Return test metrics of the model, or of a baseline."""
        if predictor is None:
            found: dict[str, Any] = self.summary["metrics"]["test"][TASK]
        else:
            found = self.summary["baselines"][TASK][predictor]
        return found


def main() -> None:
    """Train, and write the comparison."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=10.0, help="training time of each")
    parser.add_argument("--encoder", action="append", help="which; default: the paper's and nequip")
    parser.add_argument("--keep", type=Path, help="folder for the runs; default: thrown away")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = options.keep or Path(scratch)
        outcomes = [
            train(name, 60.0 * options.minutes, folder) for name in options.encoder or ENCODERS
        ]
    text = page(outcomes, options.minutes)
    print(text)
    (RESULTS / "encoder_budget.md").write_text(text, encoding="utf-8")
    draw(outcomes)


def train(encoder: str, seconds: float, folder: Path) -> Outcome:
    """Train for about so many seconds."""
    trial = run(encoder, 2, folder / f"{encoder}-trial")
    second_epoch = trial.seconds[1] - trial.seconds[0]  # the first one finds the neighbours
    epochs = 1 + max(1, round((seconds - trial.seconds[0]) / second_epoch))
    return run(encoder, epochs, folder / encoder)


def run(encoder: str, epochs: int, output: Path) -> Outcome:
    """Run the command line, unless that was done before, and read what it wrote."""
    command = ["run", "--dataset", "mp", "--encoder", encoder, "--epochs", str(epochs)]
    latest = output / "latest"
    if not (latest / "run.json").is_file():
        subprocess.run(
            [sys.executable, "-m", "matsciml_cli", *command, "--output", str(output)], check=True
        )
    summary = json.loads((latest / "run.json").read_text(encoding="utf-8"))
    with (latest / "metrics.csv").open(encoding="utf-8") as stream:
        return Outcome(encoder, summary, list(csv.DictReader(stream)))


def page(outcomes: Sequence[Outcome], minutes: float) -> str:
    """Return the comparison as Markdown."""
    rows = [
        [
            one.encoder,
            f"{one.summary['parameters']['total']:,}",
            str(len(one.rows)),
            f"{one.seconds[-1]:.0f}",
            f"{one.metric()['mae']:.4f}",
            f"{one.metric()['rmse']:.4f}",
            f"{one.metric()['r2']:.4f}",
            f"{one.metric('mean')['mae'] / one.metric()['mae']:.1f}",
        ]
        for one in outcomes
    ]
    rows += [
        [name, "–", "–", "–", *(f"{found[key]:.4f}" for key in ("mae", "rmse", "r2")), "–"]
        for name, found in outcomes[0].summary["baselines"][TASK].items()
    ]
    header = ("", "parameters", "epochs", "training (s)", "MAE (eV/atom)", "RMSE (eV/atom)", "R²")
    facts = _measure.machine(("torch", "e3nn"))
    return "\n".join(
        (
            f"# Encoders at equal training time, {minutes:g} minutes each",
            "",
            "Formation energy per atom of `mp` mini, default settings, error on the test set, "
            "which is computed on whole crystals. One seed each: differences of a few per cent "
            "mean nothing.",
            "",
            _measure.markdown_table((*header, "mean's MAE / MAE"), rows),
            "",
            "![Validation error against training time](encoder_budget.svg)",
            "",
            _measure.markdown_list(facts),
            "",
        )
    )


def draw(outcomes: Sequence[Outcome]) -> None:
    """Draw validation error against training time."""
    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    for one in outcomes:
        axes.plot(one.seconds, one.errors, label=one.encoder)
    mean = outcomes[0].metric("mean")["mae"]
    axes.axhline(mean, linestyle="--", color="grey", label="predict the mean, test set")
    axes.set(xlabel="training time (s)", ylabel="validation MAE (eV/atom)", yscale="log")
    axes.grid(visible=True, which="both", alpha=0.3)
    axes.legend()
    figure.savefig(RESULTS / "encoder_budget.svg", metadata={"Date": None})


if __name__ == "__main__":
    main()
