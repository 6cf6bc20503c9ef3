"""The page of the generation benchmark: metrics beside two baselines, and the learning curve."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import _measure
import torch
from _generation_work import DATASET, Work, read_json
from matplotlib.figure import Figure

from matsciml_core import build_registry
from matsciml_core.interfaces.generation import SamplingConfig
from matsciml_core.training.config import TrainingConfig
from matsciml_model_cdvae.config import CrystalGenerationConfig
from matsciml_model_cdvae.samplers import schedule
from matsciml_tool_generate import metrics_table
from matsciml_tool_generate.baselines import AVERAGES, TITLES

TASK = f"{DATASET}/structure"
TERMS = ("coordinates", "species", "composition", "lattice")
"""Terms of the loss that are plotted."""
MILESTONES = (0.01, 0.1, 0.25, 0.5, 0.75, 1.0)
"""Shares of the training after which the terms are tabulated."""
PUBLISHED_CRYSTALS = 11_356 * 3_000
"""Crystals that the published model was shown: those of the training file times the epochs."""
PUBLISHED_NUMBER, PUBLISHED_STEPS = 10_000, 5_000
"""Crystals by which the published model was evaluated, and steps of each."""


def page(work: Work) -> str:
    """Return the record as Markdown."""
    sizes = work.summary["datasets"][DATASET]["split"]["sizes"]
    return "\n".join(
        (
            f"# Generated perovskites, CDVAE after {work.seconds / 60:.0f} minutes of training",
            "",
            f"CDVAE's validation file of perov-5: {sizes['train']:,} crystals train, "
            f"{sizes['validation']:,} choose the epoch, and {sizes['test']:,} test.",
            "",
            _metrics(work),
            "",
            *_footnotes(work),
            "",
            "## Settings",
            "",
            _measure.markdown_list(_settings(work)),
            "",
            "## Learning curve, and what longer training needs",
            "",
            "![Terms of the loss against training time](generation.svg)",
            "",
            _terms(work),
            "",
            _outlook(work),
            "",
        )
    )


def _metrics(work: Work) -> str:
    """Return the metrics of generated crystals beside the two baselines."""
    evaluations = {name: work.evaluation(name)["metrics"] for name in ("generated", *TITLES)}
    rows = []
    for key, metric in evaluations["generated"].items():
        unit = "" if metric["unit"] in ("", "share") else f" ({metric['unit']})"
        entries = [_shown(metric, evaluations[name][key]["value"]) for name in evaluations]
        entries += [
            _shown(metric, metric["reference"]),
            _shown(metric, metric["published"].get("perov")),
        ]
        rows.append([f"{metric['title']}{unit}", *entries])
    reconstructed = read_json(work.folder / "reconstructed.json")
    published = _published()
    rows.append(
        [
            "reconstructed",
            _percent(reconstructed["match_rate"]),
            "",
            "",
            "",
            _percent(published["match_rate"]),
        ]
    )
    rms = "" if reconstructed["rms"] is None else f"{reconstructed['rms']:.4f}"
    rows.append(["RMSE of the reconstructed", rms, "", "", "", f"{published['rms']:.4f}"])
    header = ("", "generated", *TITLES.values(), "test set", "published CDVAE")
    return _measure.markdown_table(header, rows)


def _shown(metric: Mapping[str, Any], value: float | None) -> str:
    if value is None:
        return ""
    return _percent(value) if metric["unit"] == "share" else f"{value:.4g}"


def _percent(value: float | None) -> str:
    return "" if value is None else f"{100 * value:.1f} %"


def _published() -> Mapping[str, float]:
    values: Mapping[str, float] = metrics_table.published()[DATASET]["values"]
    return values


def _footnotes(work: Work) -> list[str]:
    """Describe the columns."""
    generated = work.evaluation("generated")
    reconstructed = read_json(work.folder / "reconstructed.json")
    sizes, faults = generated["sizes"], {**generated["rejected"], **generated["faults"]}
    invalid = "; ".join(f"{count} where {why}" for why, count in faults.items()) or "none"
    return [
        f"*Generated*: {sizes['generated']} crystals; not valid: {invalid}. *Real ones*: as many "
        "crystals of the training set. *Without a model*: as many with species sampled by their "
        "shares in the training set, anywhere in the mean cell. *Test set*: the held-out "
        f"crystals themselves, all {sizes['reference']}. *Published*: Xie et al. (2022), 10,000 "
        "crystals of a model that was trained on four times as many; coverage grows with the "
        "number of crystals, so compare it with *real ones*. Reconstructed: "
        f"{reconstructed['crystals']} crystals of the test set.",
        "",
        f"Without a model {_percent(_value(work, AVERAGES, 'validity'))} are valid: what tells a "
        "model from chance are coverage, the distances, and the rate of reconstruction.",
    ]


def _value(work: Work, name: str, key: str) -> float | None:
    value: float | None = work.evaluation(name)["metrics"][key]["value"]
    return value


def _settings(work: Work) -> dict[str, str]:
    """Return the settings behind the numbers."""
    sampled, times = read_json(work.folder / "generated.extxyz.json"), work.times
    training = work.config["training"]
    changed = "".join(f" --set {name}={value}" for name, value in _changed(work.config).items())
    sampling = sampled["sampling"]
    wall, core = times.get("generate", (float("nan"),) * 2)
    facts = {
        "run": f"`matsciml run --dataset {DATASET} --encoder cdvae --target structure{changed}`",
        "model": f"{work.summary['parameters']['total']:,} parameters",
        "training": (
            f"{training['epochs']} epochs with batches of {training['batch_size']}: "
            f"{work.seconds / 60:.1f} minutes, {_threads(work)}"
        ),
        "sampling": (
            f"{sampled['number']} crystals, {sampling['sampler']} sampler, "
            f"{_steps(sampling)} steps: {wall / 60:.1f} minutes, of which the cores worked "
            f"{core / 60:.1f}"
        ),
    }
    machine = _measure.machine(("torch", "smact", "matminer", "pymatgen"))
    machine.pop("load", None)  # of this moment, and not of the steps
    return facts | machine


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
    changed = {}
    for section, model in models.items():
        settings = _head(config) if section == "head" else config[section]
        defaults = {} if model is None else model().model_dump(mode="json")
        if section == "training":
            defaults.update(encoder.training)  # the encoder's own defaults
        for key, value in settings.items():
            if key in defaults and value != defaults[key]:
                changed[f"{section}.{key}"] = value
    return changed


def _head(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the settings of the head."""
    settings: Mapping[str, Any] = config["head"][config["head"]["name"]]
    return settings


def _steps(sampling: Mapping[str, Any]) -> int:
    """Return the number of steps of a crystal."""
    config = SamplingConfig.from_options(sampling, where="sampling")
    head = CrystalGenerationConfig()
    cell = 10.0 * torch.eye(3).unsqueeze(0)  # the number is the same for every cell
    made = schedule(config, head, cell)
    return len(made.sigmas) * made.steps


def _threads(work: Work) -> str:
    threads = work.summary["hardware"]["threads"]
    return f"{threads} thread{'s' if threads > 1 else ''} of {work.summary['hardware']['cpu']}"


def _curve(work: Work, term: str) -> list[float]:
    """Return a term of the loss on the validation set after each epoch."""
    return [float(row[f"validation/{TASK}/{term}"]) for row in work.rows]


def _terms(work: Work) -> str:
    """Return the terms of the loss at some epochs."""
    marks = sorted({max(1, round(len(work.rows) * share)) for share in MILESTONES})
    names = (*TERMS, "divergence", "species_accuracy")
    rows = []
    for mark in marks:
        minutes = float(work.rows[mark - 1]["seconds"]) / 60
        values = [_curve(work, name)[mark - 1] for name in names]
        rows.append([str(mark), f"{minutes:.1f}", *(f"{value:.3f}" for value in values)])
    marginal = work.summary["baselines"][TASK]["marginal"]
    rows.append(["no model", "", *(f"{marginal[name]:.3f}" for name in names)])
    titles = [name.replace("_", " ") for name in names]
    return _measure.markdown_table(("epoch", "minutes", *titles), rows)


def _outlook(work: Work) -> str:
    """Extrapolate the measured rates to longer training."""
    sizes = work.summary["datasets"][DATASET]["split"]["sizes"]
    seen = sizes["train"] * len(work.rows)
    rate = seen / work.seconds
    reconstructed = read_json(work.folder / "reconstructed.json")
    sampled = read_json(work.folder / "generated.extxyz.json")
    steps = _steps(sampled["sampling"])
    wall = work.times.get("generate", (float("nan"),) * 2)[0]
    sampling = wall / (sampled["number"] * steps) * PUBLISHED_NUMBER * PUBLISHED_STEPS
    half, last = len(work.rows) // 2, len(work.rows) - 1
    terms = ", ".join(
        f"{term} from {_curve(work, term)[max(half - 1, 0)]:.3f} to {_curve(work, term)[last]:.3f}"
        for term in TERMS
    )
    accuracy = 100 * _curve(work, "species_accuracy")[last]
    weight = _head(work.config)["divergence_weight"]
    return (
        f"The model was shown {seen:,} crystals at {rate:.0f} per second; the published one "
        f"{PUBLISHED_CRYSTALS:,} (3,000 epochs of 11,356), {PUBLISHED_CRYSTALS / seen:.0f} times "
        f"as many, {PUBLISHED_CRYSTALS / rate / 86400:.0f} days at this rate with this small "
        "model. In the second half of the training, in which the learning rate fell to zero, the "
        f"terms of the validation loss went on: {terms}. Of the crystals of the test set "
        f"{_percent(reconstructed['match_rate']) or 'none'} came back, of the published model's "
        f"{_percent(_published()['match_rate'])}; for that the species of all five atoms must be "
        f"right, and the decoder predicts that of {accuracy:.0f} % of the noisy atoms. The "
        f"divergence weighs {weight:g} (published: 0.01): more favours crystals that are sampled "
        "over those that are reconstructed. To evaluate "
        f"as the publication does, {PUBLISHED_NUMBER:,} crystals with {PUBLISHED_STEPS:,} steps "
        f"each would take {sampling / 3600:.0f} hours here."
    )


def plot(work: Work, output: Path) -> None:
    """Plot the terms of the loss against training time."""
    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    minutes = [float(row["seconds"]) / 60 for row in work.rows]
    marginal = work.summary["baselines"][TASK]["marginal"]
    for term in TERMS:
        values = [value / marginal[term] for value in _curve(work, term)]
        axes.plot(minutes, values, label=term)
    axes.set(
        xlabel="training time (minutes)",
        ylabel="validation loss over that without a model",
        yscale="log",
    )
    axes.grid(visible=True, which="both", alpha=0.3)
    axes.legend()
    figure.savefig(output, metadata={"Date": None})
