"""Train CDVAE on perov-5, generate crystals, and judge them beside two yardsticks.

    python benchmarks/generation.py --keep build/perov

Everything goes through the same command line as a user's: the CSV file of CDVAE becomes a dataset
(``matsciml data import``), 80 % of it train a model (a twentieth of these only validate), the model
generates crystals, and the other 20 % judge them. The same metrics are taken of as many real
crystals of the training set, and of crystals that need no model: species drawn by their shares,
anywhere in the mean cell.

Writes ``benchmarks/results/generation.md`` and the learning curve beside it. What ``--keep`` kept
is not repeated, and what was interrupted goes on where it was, so that the machine need not be
free for all of it at once; what is kept keeps the settings that it was made with. For a trial in
a few minutes: ``--epochs 1 --number 4 --levels 10 --limit 4 --no-coverage --output build``.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import _measure
import numpy as np
import yaml
from matplotlib.figure import Figure

from matsciml_core import Crystal, build_registry
from matsciml_core.training.config import TrainingConfig
from matsciml_tool_generate.extxyz import write_extxyz
from matsciml_tool_generate.metrics_table import published
from matsciml_tool_generate.reference import read_reference

RESULTS = Path(__file__).parent / "results"
SOURCE = Path(__file__).parents[2] / "shared" / "data" / "cdvae" / "perov_5_val.csv"
DATASET, TASK = "perov", "perov/structure"
FRACTIONS = "0.76,0.04,0.2"
"""Training, validation and test; the first two are the 80 %."""
SETTINGS = (
    "encoder.preset=small",
    "head.preset=small",
    "training.learning_rate=0.001",
    "training.schedule=one-cycle",
    "training.gradient_clip=10",
    # Five times the published weight, so that in a short training the encoder fills the prior
    # that crystals are drawn from; what is lost by it is exactness of reconstruction.
    "head.divergence_weight=0.05",
)
TERMS = ("coordinates", "species", "composition", "lattice")
"""Terms of the loss that are drawn."""
MILESTONES = (0.01, 0.1, 0.25, 0.5, 0.75, 1.0)
"""Shares of the training after which the terms are tabulated."""
PUBLISHED_CRYSTALS = 11_356 * 3_000
"""Crystals that the published model was shown: those of the training file times the epochs."""
PUBLISHED_NUMBER, PUBLISHED_STEPS = 10_000, 5_000
"""Crystals that the published model was judged by, and steps that each took."""


@dataclass(frozen=True)
class Work:
    """A folder with what is done, and how to do the rest.

    Args:
        folder: Where everything lies.
        options: The command line.
    """

    folder: Path
    options: argparse.Namespace

    @property
    def run(self) -> Path:
        """The run."""
        return self.folder / "runs" / "latest"

    @property
    def environment(self) -> dict[str, str]:
        """Variables of the commands: where data go, and how many threads compute."""
        threads, data = str(self.options.threads), str(self.folder / "data")
        return {**os.environ, "OMP_NUM_THREADS": threads, "MATSCIML_DATA": data}

    def step(self, name: str, done: Path, *command: object, keep_output: bool = False) -> None:
        """Do what is not done yet, and count its time.

        Args:
            name: What the time is kept under; that of interrupted attempts is added.
            done: Is there when the step is done.
            command: Arguments of ``matsciml``.
            keep_output: Whether what the command prints becomes ``done``.
        """
        if done.exists():
            return
        words = [str(word) for word in command]
        print(f"$ matsciml {' '.join(words)}", flush=True)
        wall, core = time.perf_counter(), _core_seconds()
        try:
            finished = subprocess.run(
                [sys.executable, "-m", "matsciml_cli", *words],
                check=True,
                env=self.environment,
                stdout=subprocess.PIPE if keep_output else None,
            )
        finally:
            self._add_time(name, time.perf_counter() - wall, _core_seconds() - core)
        if keep_output:
            done.write_bytes(finished.stdout)

    def _add_time(self, name: str, wall: float, core: float) -> None:
        times = self.times
        before = times.get(name, (0.0, 0.0))
        text = json.dumps({**times, name: (before[0] + wall, before[1] + core)}, indent=1)
        (self.folder / "times.json").write_text(text, encoding="utf-8")

    @property
    def times(self) -> dict[str, tuple[float, float]]:
        """Wall and core seconds of each step."""
        path = self.folder / "times.json"
        if not path.is_file():
            return {}
        return {key: (wall, core) for key, (wall, core) in _read_json(path).items()}

    def judged(self, name: str) -> dict[str, Any]:
        """Return the metrics of a set of crystals."""
        return _read_json(self.folder / f"{name}-evaluation" / "metrics.json")

    @cached_property
    def summary(self) -> dict[str, Any]:
        """What the run says of itself."""
        return _read_json(self.run / "run.json")

    @cached_property
    def config(self) -> dict[str, Any]:
        """The settings of the run."""
        found: dict[str, Any] = yaml.safe_load((self.run / "config.yaml").read_text("utf-8"))
        return found

    @cached_property
    def rows(self) -> list[dict[str, str]]:
        """The lines of ``metrics.csv``, one for each epoch."""
        with (self.run / "metrics.csv").open(encoding="utf-8") as stream:
            return list(csv.DictReader(stream))

    @property
    def seconds(self) -> float:
        """Wall time of training."""
        return float(self.rows[-1]["seconds"])


def main() -> None:
    """Do what is not done yet, and write the page."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--source", type=Path, default=SOURCE, help="CSV file of CDVAE")
    parser.add_argument("--epochs", type=int, default=120, help="passes over the training set")
    parser.add_argument("--set", action="append", default=[], help="a setting of the run")
    parser.add_argument("--number", type=int, default=100, help="crystals to generate")
    parser.add_argument("--levels", type=int, default=100, help="noise levels")
    parser.add_argument("--steps", type=int, default=10, help="steps at each noise level")
    parser.add_argument("--limit", type=int, default=100, help="crystals to reconstruct")
    parser.add_argument("--no-coverage", action="store_true", help="judge without fingerprints")
    parser.add_argument("--threads", type=int, default=1, help="that compute")
    parser.add_argument("--keep", type=Path, help="folder for all of it; default: thrown away")
    parser.add_argument("--output", type=Path, default=RESULTS, help="folder for page and plot")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        work = Work((options.keep or Path(scratch)).resolve(), options)
        work.folder.mkdir(parents=True, exist_ok=True)
        os.environ["MATSCIML_DATA"] = work.environment["MATSCIML_DATA"]
        make(work)
        text = page(work)
        print(text)
        options.output.mkdir(parents=True, exist_ok=True)
        (options.output / "generation.md").write_text(text, encoding="utf-8")
        draw(work, options.output / "generation.svg")


def make(work: Work) -> None:
    """Take every step that is not done."""
    prepare(work)
    train(work)
    options, sampling = (
        work.options,
        ("--levels", work.options.levels, "--steps", work.options.steps),
    )
    generated = work.folder / "generated.extxyz"
    work.step(
        "generate",
        generated.with_name(f"{generated.name}.json"),
        *("generate", work.run, "--number", options.number, "--output", generated, *sampling),
    )
    compare(work)
    for name in ("generated", "real", "marginal"):
        judge(work, name)
    reconstruct(work, sampling)


def prepare(work: Work) -> None:
    """Import the data, and split them."""
    folder = work.folder / "data" / "datasets" / DATASET
    labels = ("--label", "heat_ref=eV", "--label", "dir_gap=eV")
    work.step(
        "import",
        folder / "dataset.json",
        *("data", "import", work.options.source, "--name", DATASET, *labels),
    )
    work.step(
        "split",
        _split_file(folder),
        *("data", "split", DATASET, "--fractions", FRACTIONS),
    )


def train(work: Work) -> None:
    """Train, or go on with it."""
    if (work.run / "checkpoints" / "last.ckpt").is_file():
        command: list[object] = ["run", "--resume", work.run]
    else:
        command = ["run", "--dataset", DATASET, "--encoder", "cdvae", "--target", "structure"]
        command += ["--epochs", work.options.epochs, "--output", work.folder / "runs"]
        split = _split_file(work.folder / "data" / "datasets" / DATASET)
        for setting in (f"split.name={split.stem}", *SETTINGS, *work.options.set):
            command += ["--set", setting]
    work.step("train", work.run / "run.json", *command)


def compare(work: Work) -> None:
    """Write as many crystals as are generated of both yardsticks."""
    real, marginal = work.folder / "real.extxyz", work.folder / "marginal.extxyz"
    if real.exists() and marginal.exists():
        return
    found = read_reference(f"{work.run}:train", build_registry())
    crystals = [one.crystal for one in found if one.crystal is not None]
    generator = np.random.default_rng(0)
    number = work.options.number
    chosen = generator.choice(len(crystals), min(number, len(crystals)), replace=False)
    write_extxyz(real, [crystals[place] for place in chosen])
    write_extxyz(marginal, without_model(crystals, number, generator))


def without_model(
    crystals: Sequence[Crystal], number: int, generator: np.random.Generator
) -> list[Crystal]:
    """Return crystals that know nothing but averages of the training set.

    Args:
        crystals: The training set.
        number: How many to make.
        generator: Source of random numbers.

    Returns:
        Crystals in the mean cell with atoms anywhere, species drawn by their shares.
    """
    cell = np.mean([one.cell for one in crystals], axis=0)
    species = np.concatenate([one.atomic_numbers for one in crystals])
    sizes = [one.num_atoms for one in crystals]
    made = []
    for place, atoms in enumerate(generator.choice(sizes, number).tolist()):
        made.append(
            Crystal.from_fractional(
                id=f"marginal-{place:06d}",
                atomic_numbers=generator.choice(species, atoms),
                fractional=generator.random((atoms, 3)),
                cell=cell,
            )
        )
    return made


def judge(work: Work, name: str) -> None:
    """Judge a file of crystals by the test set."""
    folder = work.folder / f"{name}-evaluation"
    work.step(
        f"judge {name}",
        folder / "metrics.json",
        *("evaluate-crystals", work.folder / f"{name}.extxyz", "--output", folder),
        *("--reference", f"{work.run}:test", "--reference-train", f"{work.run}:train"),
        *("--cutoffs", "perov", "--workers", work.options.threads),
        *(("--no-coverage",) if work.options.no_coverage else ()),
    )


def reconstruct(work: Work, sampling: Sequence[object]) -> None:
    """Encode and decode crystals of the test set."""
    work.step(
        "reconstruct",
        work.folder / "reconstructed.json",
        *("reconstruct", work.run, "--dataset", f"{DATASET}:test", "--published", "perov"),
        *("--limit", work.options.limit, *sampling, "--workers", work.options.threads, "--json"),
        keep_output=True,
    )


def page(work: Work) -> str:
    """Return the record as Markdown."""
    sizes = work.summary["datasets"][DATASET]["split"]["sizes"]
    return "\n".join(
        (
            f"# Generated perovskites, CDVAE after {work.seconds / 60:.0f} minutes of training",
            "",
            f"CDVAE's validation file of perov-5: {sizes['train']:,} crystals train, "
            f"{sizes['validation']:,} choose the epoch, and {sizes['test']:,} judge.",
            "",
            metrics_table(work),
            "",
            *_footnotes(work),
            "",
            "## Settings",
            "",
            _measure.markdown_list(settings(work)),
            "",
            "## Learning curve, and what longer training needs",
            "",
            "![Terms of the loss against training time](generation.svg)",
            "",
            terms_table(work),
            "",
            _outlook(work),
            "",
        )
    )


def metrics_table(work: Work) -> str:
    """Return the metrics of generated crystals beside the yardsticks."""
    judged = {name: work.judged(name)["metrics"] for name in ("generated", "real", "marginal")}
    rows = []
    for key, metric in judged["generated"].items():
        unit = "" if metric["unit"] in ("", "share") else f" ({metric['unit']})"
        cells = [_shown(metric, judged[name][key]["value"]) for name in judged]
        cells += [
            _shown(metric, metric["reference"]),
            _shown(metric, metric["published"].get("perov")),
        ]
        rows.append([f"{metric['title']}{unit}", *cells])
    again = _read_json(work.folder / "reconstructed.json")
    known = _published()
    rows.append(
        ["reconstructed", _percent(again["match_rate"]), "", "", "", _percent(known["match_rate"])]
    )
    rms = "" if again["rms"] is None else f"{again['rms']:.4f}"
    rows.append(["RMSE of the reconstructed", rms, "", "", "", f"{known['rms']:.4f}"])
    header = ("", "generated", "real ones", "without a model", "test set", "published CDVAE")
    return _measure.markdown_table(header, rows)


def _shown(metric: Mapping[str, Any], value: float | None) -> str:
    if value is None:
        return ""
    return _percent(value) if metric["unit"] == "share" else f"{value:.4g}"


def _percent(value: float | None) -> str:
    return "" if value is None else f"{100 * value:.1f} %"


def _published() -> Mapping[str, float]:
    found: Mapping[str, float] = published()[DATASET]["values"]
    return found


def _footnotes(work: Work) -> list[str]:
    """Say what the columns are."""
    generated, again = work.judged("generated"), _read_json(work.folder / "reconstructed.json")
    sizes, faults = generated["sizes"], {**generated["rejected"], **generated["faults"]}
    wrong = "; ".join(f"{count} where {why}" for why, count in faults.items()) or "none"
    return [
        f"*Generated*: {sizes['generated']} crystals; not valid: {wrong}. *Real ones*: as many "
        "crystals of the training set. *Without a model*: as many with species drawn by their "
        "shares in the training set, anywhere in the mean cell. *Test set*: the held-out "
        f"crystals themselves, all {sizes['reference']}. *Published*: Xie et al. (2022), 10,000 "
        "crystals of a model that was trained on four times as many; coverage grows with the "
        "number of crystals, so compare it with *real ones*. Reconstructed: "
        f"{again['crystals']} crystals of the test set.",
        "",
        f"Without a model {_percent(_value(work, 'marginal', 'validity'))} are valid: what tells a "
        "model from chance are coverage, the distances, and what comes back from its latent space.",
    ]


def _value(work: Work, name: str, key: str) -> float | None:
    value: float | None = work.judged(name)["metrics"][key]["value"]
    return value


def settings(work: Work) -> dict[str, str]:
    """Return what the numbers were found with."""
    sampled, times = _read_json(work.folder / "generated.extxyz.json"), work.times
    training = work.config["training"]
    given = "".join(f" --set {name}={value}" for name, value in _changed(work.config).items())
    sampling = sampled["sampling"]
    wall, core = times.get("generate", (float("nan"),) * 2)
    facts = {
        "run": f"`matsciml run --dataset {DATASET} --encoder cdvae --target structure{given}`",
        "model": f"{work.summary['parameters']['total']:,} parameters",
        "training": (
            f"{training['epochs']} epochs with batches of {training['batch_size']}: "
            f"{work.seconds / 60:.1f} minutes, {_threads(work)}"
        ),
        "sampling": (
            f"{sampled['number']} crystals, {sampling['levels']} noise levels of "
            f"{sampling['steps_per_level']} steps: {wall / 60:.1f} minutes, of which the cores "
            f"worked {core / 60:.1f}"
        ),
    }
    described = _measure.machine(("torch", "smact", "matminer", "pymatgen"))
    described.pop("load", None)  # of this moment, and not of the steps
    return facts | described


def _changed(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of a run that are not the defaults, by their full names."""
    registry = build_registry()
    encoder = registry.get("encoder", "cdvae")
    head = registry.get("task-head", "crystal-generation")
    models = {
        "training": TrainingConfig,
        "encoder": encoder.load_config(),
        "head": head.load_config(),
    }
    found = {}
    for section, model in models.items():
        defaults = {} if model is None else model().model_dump(mode="json")
        if section == "training":
            defaults.update(encoder.training)  # what the encoder asks for where the user does not
        for key, value in config[section].items():
            if key in defaults and value != defaults[key]:
                found[f"{section}.{key}"] = value
    return found


def _threads(work: Work) -> str:
    threads = work.summary["hardware"]["threads"]
    return f"{threads} thread{'s' if threads > 1 else ''} of {work.summary['hardware']['cpu']}"


def curve(work: Work, term: str) -> list[float]:
    """Return a term of the loss on the validation set after each epoch."""
    return [float(row[f"validation/{TASK}/{term}"]) for row in work.rows]


def terms_table(work: Work) -> str:
    """Return the terms of the loss at some epochs."""
    marks = sorted({max(1, round(len(work.rows) * share)) for share in MILESTONES})
    names = (*TERMS, "divergence", "species_accuracy")
    rows = []
    for mark in marks:
        minutes = float(work.rows[mark - 1]["seconds"]) / 60
        values = [curve(work, name)[mark - 1] for name in names]
        rows.append([str(mark), f"{minutes:.1f}", *(f"{value:.3f}" for value in values)])
    marginal = work.summary["baselines"][TASK]["marginal"]
    rows.append(["no model", "", *(f"{marginal[name]:.3f}" for name in names)])
    titles = [name.replace("_", " ") for name in names]
    return _measure.markdown_table(("epoch", "minutes", *titles), rows)


def _outlook(work: Work) -> str:
    """Say what longer training needs, by what was measured."""
    sizes = work.summary["datasets"][DATASET]["split"]["sizes"]
    seen = sizes["train"] * len(work.rows)
    rate, again = seen / work.seconds, _read_json(work.folder / "reconstructed.json")
    sampled = _read_json(work.folder / "generated.extxyz.json")
    steps = sampled["sampling"]["levels"] * sampled["sampling"]["steps_per_level"]
    wall = work.times.get("generate", (float("nan"),) * 2)[0]
    drawing = wall / (sampled["number"] * steps) * PUBLISHED_NUMBER * PUBLISHED_STEPS
    half, last = len(work.rows) // 2, len(work.rows) - 1
    terms = ", ".join(
        f"{term} from {curve(work, term)[max(half - 1, 0)]:.3f} to {curve(work, term)[last]:.3f}"
        for term in TERMS
    )
    right = 100 * curve(work, "species_accuracy")[last]
    weight = work.config["head"].get("divergence_weight", 0.01)
    return (
        f"The model was shown {seen:,} crystals at {rate:.0f} per second; the published one "
        f"{PUBLISHED_CRYSTALS:,} (3,000 epochs of 11,356), {PUBLISHED_CRYSTALS / seen:.0f} times "
        f"as many, {PUBLISHED_CRYSTALS / rate / 86400:.0f} days at this rate with this small "
        "model. In the second half of the training, in which the learning rate fell to zero, the "
        f"terms of the validation loss went on: {terms}. Of the crystals of the test set "
        f"{_percent(again['match_rate']) or 'none'} came back, of the published model's "
        f"{_percent(_published()['match_rate'])}; for that the species of all five atoms must be "
        f"right, and the decoder names that of {right:.0f} % of the noisy atoms. The divergence "
        f"weighs {weight:g} (published: 0.01): more favours crystals that are drawn over those "
        "that are reconstructed; runs with other weights were not made. To judge as the "
        f"publication does, {PUBLISHED_NUMBER:,} crystals with {PUBLISHED_STEPS:,} steps each "
        f"would take {drawing / 3600:.0f} hours here."
    )


def draw(work: Work, output: Path) -> None:
    """Draw the terms of the loss against training time."""
    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    minutes = [float(row["seconds"]) / 60 for row in work.rows]
    marginal = work.summary["baselines"][TASK]["marginal"]
    for term in TERMS:
        values = [value / marginal[term] for value in curve(work, term)]
        axes.plot(minutes, values, label=term)
    axes.set(
        xlabel="training time (minutes)",
        ylabel="validation loss over that without a model",
        yscale="log",
    )
    axes.grid(visible=True, which="both", alpha=0.3)
    axes.legend()
    figure.savefig(output, metadata={"Date": None})


def _split_file(folder: Path) -> Path:
    """Return where ``data split`` puts the split."""
    return folder / "splits" / f"random-0-{FRACTIONS.replace(',', '-')}.json"


def _core_seconds() -> float:
    """Return how long the cores worked for the commands so far."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _read_json(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


if __name__ == "__main__":
    main()
