"""The card of an exported model: what it predicts, how well, on what it was trained, how to cite.

Everything in it comes from the run's own files; what is not known is said not to be.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import yaml

_KINDS = {
    "scalar": "number per crystal",
    "binary": "class 0 or 1",
    "multiclass": "class",
    "energy": "total energy of the cell",
    "forces": "forces on the atoms",
    "stress": "stress, positive under tension",
    "structure": "the crystal itself",
}
_METRICS = ("mae", "mae_per_atom", "rmse", "r2", "skill", "cosine", "accuracy", "balanced_accuracy")
"""Metrics that the card shows, in this order; ``run.json`` has them all."""
_PACKAGES = ("matsciml", "torch")
"""Packages whose versions the card shows."""
_UNITS = {"mae": "{}", "rmse": "{}", "mae_per_atom": "eV/atom"}
"""Units of metrics; those that are absent are pure numbers."""

_CALCULATOR = (
    "",
    "from matsciml_tool_simulate import ModelCalculator  # pip install matsciml-tool-simulate",
    "",
    "atoms.calc = ModelCalculator(model)",
)
"""How a model of energies is used in ASE, line by line."""


def card_markdown(
    name: str, run: Mapping[str, Any], model: Mapping[str, Any], licence: str = ""
) -> str:
    """Return the card of a model, in Markdown with a header that hubs of models read.

    Args:
        name: What the model is called.
        run: What ``run.json`` says.
        model: What ``model.json`` says.
        licence: Licence of the model, as an SPDX identifier; empty: not stated.

    Returns:
        The text of ``README.md``.
    """
    sections = [
        _header(name, run, model, licence),
        f"# {name}\n\n{_summary(run, model)}",
        f"## What it predicts\n\n{_labels(model)}",
        f"## How to use it\n\n{_usage(model)}",
        f"## How well\n\n{_results(run)}",
        f"## What it is for\n\n{_intended(run, model)}",
        f"## Training data\n\n{_data(run)}",
        f"## Training\n\n{_training(run, model)}",
        f"## Licence\n\n{_licence(run, licence)}",
        f"## Citation\n\n{_citations(run)}",
    ]
    return "\n\n".join(sections) + "\n"


def _header(name: str, run: Mapping[str, Any], model: Mapping[str, Any], licence: str) -> str:
    """Return the front matter."""
    entries = {
        "library_name": "matsciml",
        "tags": ["materials-science", "crystals", "matsciml", model["encoder"]["name"]],
        "datasets": list(run["datasets"]),
        **({"license": licence.lower()} if licence else {}),
        "model-index": [{"name": name, "results": list(_indexed(run))}],
    }
    return f"---\n{yaml.safe_dump(entries, sort_keys=False, allow_unicode=True)}---"


def _indexed(run: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the test metrics as hubs index them."""
    for key, metrics in _tested(run).items():
        dataset, _, target = key.partition("/")
        yield {
            "task": {"type": "other", "name": target},
            "dataset": {"name": dataset, "type": dataset},
            "metrics": [
                {"type": metric, "value": metrics[metric], "name": f"{metric} {unit}".strip()}
                for metric, unit in _shown(metrics)
            ],
        }


def _summary(run: Mapping[str, Any], model: Mapping[str, Any]) -> str:
    names = [target["name"] for target in _targets(model)]
    datasets = ", ".join(f"`{dataset}`" for dataset in run["datasets"])
    return (
        f"The network `{model['encoder']['name']}` with {run['parameters']['total']:,} parameters, "
        f"trained with MatSciML on {datasets} to predict {_listed(f'`{name}`' for name in names)}."
    )


def _labels(model: Mapping[str, Any]) -> str:
    rows = [
        (
            f"`{target['name']}`",
            _KINDS.get(target["kind"], target["kind"]),
            "" if target["unit"] == "class" else target["unit"],
            target.get("description", ""),
        )
        for target in _targets(model)
    ]
    return _table(("label", "what", "unit", "how it was made"), rows)


def _usage(model: Mapping[str, Any]) -> str:
    has_energy = any(target["kind"] == "energy" for target in _targets(model))
    lines = [
        "```sh",
        "matsciml predict FOLDER structures/*.cif --output predictions.csv",
        *(["matsciml relax FOLDER structure.cif --cell full"] * has_energy),
        "matsciml run --dataset mine --init-from FOLDER  # fine-tune it",
        "```",
        "",
        "```python",
        "import matsciml_core",
        "",
        'model = matsciml_core.load("FOLDER")',
        "model.predict(structures)  # pymatgen Structures or ASE Atoms",
        *(_CALCULATOR if has_energy else ()),
        "```",
        "",
        "`FOLDER` is the folder of this card. Nothing in it can execute code.",
    ]
    return "\n".join(lines)


def _results(run: Mapping[str, Any]) -> str:
    tested = _tested(run)
    if not tested:
        return "The model was not tested: the run has no metrics of a test set."
    parts = ["On crystals of the test set, which were used neither for training nor for choosing:"]
    for key, metrics in tested.items():
        columns = _shown(metrics)
        rows = {"**this model**": metrics, **run.get("baselines", {}).get(key, {})}
        titles = [f"{metric} ({unit})" if unit else metric for metric, unit in columns]
        table = _table(
            ("predictor", *titles),
            [
                (predictor, *(_number(values.get(metric)) for metric, _ in columns))
                for predictor, values in rows.items()
            ],
        )
        parts.append(f"`{key}`, {metrics.get('count', 0):,} values:\n\n{table}")
    parts.append(
        "The other rows are what one gets without a network: always the mean, or a number for each "
        "element. `skill` compares with the mean: 1 is perfect, 0 no better."
    )
    return "\n\n".join(parts)


def _intended(run: Mapping[str, Any], model: Mapping[str, Any]) -> str:
    elements = model.get("elements") or run.get("elements")
    known = (
        f"crystals of {', '.join(elements)}"
        if elements
        else "crystals like those it was trained on"
    )
    return (
        f"For {known}, of the kinds that the training data holds, and for numbers made in the same "
        "way as its labels. Predictions for other elements are guesses, and `matsciml predict` "
        "says so; those for crystals far from the training data are not marked. The errors above "
        "are means over a test set that was drawn from the same data: expect larger ones "
        "elsewhere. Do not rely on a prediction where it matters without a calculation or a "
        "measurement."
    )


def _data(run: Mapping[str, Any]) -> str:
    parts = []
    for name, data in run["datasets"].items():
        split = data["split"]
        sizes = ", ".join(f"{count:,} {part}" for part, count in split["sizes"].items())
        rows = [
            ("source", data["source"]),
            ("release", data["release"]),
            ("licence", data["licence"] or "not stated"),
            ("crystals", f"{sizes} (split: {split['algorithm']}, seed {split['seed']})"),
            ("hash of the split", f"`{split['hash']}`"),
            ("hash of the data", f"`{data['content_hash']}`" if data["content_hash"] else ""),
        ]
        filled = [(what, str(value)) for what, value in rows if value]
        parts.append(f"`{name}`\n\n{_table(('', ''), filled)}")
    return "\n\n".join(parts)


def _training(run: Mapping[str, Any], model: Mapping[str, Any]) -> str:
    hardware = run["hardware"]
    init = run.get("init")
    versions = [f"{key} {run['versions'][key]}" for key in _PACKAGES if key in run["versions"]]
    rows = [
        ("encoder", f"`{model['encoder']['name']}`, settings in `model.json`"),
        ("epochs", f"{run['epochs']}, weights of epoch {run['best_epoch']}"),
        ("seed", run["seed"]),
        ("time", f"{run['training_seconds']:,.0f} s on {hardware['gpu'] or hardware['cpu']}"),
        ("versions", ", ".join(versions)),
        ("plugins", ", ".join(f"{key} {value}" for key, value in run["plugins"].items())),
        ("started from", f"a trained model, SHA-256 `{init.get('hash')}`" if init else ""),
    ]
    filled = [(what, str(value)) for what, value in rows if value != ""]
    start = ", but for the weights it started from" if init else ""
    return f"{_table(('', ''), filled)}\n\n`config.yaml` repeats the run{start}."


def _licence(run: Mapping[str, Any], licence: str) -> str:
    own = f"This model: {licence}." if licence else "No licence was stated for this model."
    data = [
        f"`{name}`: {data['licence'] or 'not stated'}" for name, data in run["datasets"].items()
    ]
    return f"{own} Licences of the data it was trained on: {'; '.join(data)}."


def _citations(run: Mapping[str, Any]) -> str:
    if not run["citations"]:
        return "Nothing asks to be cited."
    entries = "\n\n".join(run["citations"])
    return f"Please cite what this model is made of:\n\n```bibtex\n{entries}\n```"


def _targets(model: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the labels of all heads."""
    return [target for head in model["heads"] for target in head["targets"]]


def _tested(run: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    return dict((run.get("metrics") or {}).get("test") or {})


def _shown(metrics: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the metrics of a label that the card shows, with their units."""
    unit = "" if metrics.get("unit") == "class" else str(metrics.get("unit", ""))
    return [
        (name, _UNITS.get(name, "").format(unit))
        for name in _METRICS
        if metrics.get(name) is not None
    ]


def _number(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, int | float) else ""


def _listed(names: Any) -> str:
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last


def _table(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table in Markdown."""
    lines = [titles, ["---"] * len(titles), *rows]
    return "\n".join(f"| {' | '.join(_inline(cell) for cell in line)} |" for line in lines)


def _inline(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
