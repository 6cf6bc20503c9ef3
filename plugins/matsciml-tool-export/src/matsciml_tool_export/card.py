"""The card of an exported model: what it predicts, how well, on what it was trained, how to cite.

Everything in it comes from the run's own files; what they do not say is stated as unknown.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from matsciml_core import TargetInfo

_KINDS = {
    "scalar": "number per crystal",
    "binary": "class 0 or 1",
    "multiclass": "class",
    "energy": "total energy of the cell",
    "forces": "forces on the atoms",
    "stress": "stress, positive under tension",
    "structure": "the crystal itself",
}
"""Kinds of label in words; the others are shown by kind and shape."""
_METRICS = ("mae", "mae_per_atom", "rmse", "r2", "skill", "cosine", "accuracy", "balanced_accuracy")
"""Metrics that the card shows, in this order; ``run.json`` has them all."""
_PACKAGES = ("matsciml", "torch")
"""Packages whose versions the card shows."""
_UNITS = {"mae": "{}", "rmse": "{}", "mae_per_atom": "eV/atom"}
"""Units of metrics; those that are absent are pure numbers."""


@dataclass(frozen=True, kw_only=True)
class ModelCard:
    """The card of a model, section by section, each as Markdown."""

    name: str
    """What the model is called."""
    run: Mapping[str, Any]
    """Content of ``run.json``."""
    model: Mapping[str, Any]
    """Content of ``model.json``."""
    licence: str = ""
    """Licence of the model, as an SPDX identifier; empty: not stated."""
    usage_text: str = ""
    """How to use the model, as Markdown; empty: as a folder of this project."""

    def markdown(self) -> str:
        """Return the whole card, with a header that hubs of models read."""
        sections = [
            self.header(),
            f"# {self.name}\n\n{self.summary()}",
            f"## What it predicts\n\n{self.labels()}",
            f"## How to use it\n\n{self.usage()}",
            f"## How well\n\n{self.results()}",
            f"## What it is for\n\n{self.intended_use()}",
            f"## Training data\n\n{self.training_data()}",
            f"## Training\n\n{self.training()}",
            f"## Licence\n\n{self.licences()}",
            f"## Citation\n\n{self.citations()}",
        ]
        return "\n\n".join(sections) + "\n"

    def header(self) -> str:
        """Return the front matter, with the test metrics as hubs index them."""
        results = []
        for key, metrics in self._test_metrics.items():
            dataset, _, label = key.partition("/")
            shown = [
                {"type": metric, "value": metrics[metric], "name": f"{metric} {unit}".strip()}
                for metric, unit in _columns(metrics)
            ]
            results.append(
                {
                    "task": {"type": "other", "name": label},
                    "dataset": {"name": dataset, "type": dataset},
                    "metrics": shown,
                }
            )
        entries = {
            "library_name": "matsciml",
            "tags": ["materials-science", "crystals", "matsciml", self.model["encoder"]["name"]],
            "datasets": list(self.run["datasets"]),
            # Hubs compare licences as lower-case identifiers.
            **({"license": self.licence.lower()} if self.licence else {}),
            # The form in which hubs of models list results.
            "model-index": [{"name": self.name, "results": results}],
        }
        return f"---\n{yaml.safe_dump(entries, sort_keys=False, allow_unicode=True)}---"

    def summary(self) -> str:
        """Return network, size, datasets and labels in a sentence."""
        *others, last = [f"`{label['name']}`" for label in self._labels]
        labels = f"{', '.join(others)} and {last}" if others else last
        datasets = ", ".join(f"`{dataset}`" for dataset in self.run["datasets"])
        return (
            f"The network `{self.model['encoder']['name']}` with "
            f"{self.run['parameters']['total']:,} parameters, trained with MatSciML on {datasets} "
            f"to predict {labels}."
        )

    def labels(self) -> str:
        """Return a table of the labels with their units."""
        rows = [
            (
                f"`{label['name']}`",
                _KINDS.get(label["kind"]) or TargetInfo.from_data(label).form,
                "" if label["unit"] == "class" else label["unit"],
                label.get("description", ""),
            )
            for label in self._labels
        ]
        return _table(("label", "what", "unit", "how it was made"), rows)

    def usage(self) -> str:
        """Return commands and Python code that use the model."""
        if self.usage_text:
            return self.usage_text
        has_energy = any(label["kind"] == "energy" for label in self._labels)
        relaxation = ["matsciml relax FOLDER structure.cif --cell full"]
        calculator = [
            "",
            "from matsciml_tool_simulate import ModelCalculator  # its own distribution",
            "",
            "atoms.calc = ModelCalculator(model)",
        ]
        lines = [
            "```sh",
            "matsciml predict FOLDER structures/*.cif --output predictions.csv",
            *(relaxation if has_energy else ()),
            "matsciml run --dataset mine --init-from FOLDER  # fine-tune it",
            "```",
            "",
            "```python",
            "import matsciml_core",
            "",
            'model = matsciml_core.load("FOLDER")',
            "model.predict(structures)  # pymatgen Structures or ASE Atoms",
            *(calculator if has_energy else ()),
            "```",
            "",
            "`FOLDER` is the folder of this card. Nothing in it can execute code.",
        ]
        return "\n".join(lines)

    def results(self) -> str:
        """Return a table of test errors for each label, beside those of the baselines."""
        if not self._test_metrics:
            return "The model was not tested: the run has no metrics of a test set."
        parts = [
            "On crystals of the test set, which were used neither for training nor for choosing:"
        ]
        for key, metrics in self._test_metrics.items():
            columns = _columns(metrics)
            predictors = {"**this model**": metrics, **self.run.get("baselines", {}).get(key, {})}
            rows = [
                [predictor, *(_format(values.get(metric)) for metric, _ in columns)]
                for predictor, values in predictors.items()
            ]
            titles = [f"{metric} ({unit})" if unit else metric for metric, unit in columns]
            table = _table(("predictor", *titles), rows)
            parts.append(f"`{key}`, {metrics.get('count', 0):,} values:\n\n{table}")
        parts.append(
            "The other rows are what one gets without a network: always the mean, or a number for "
            "each element. `skill` compares with the mean: 1 is perfect, 0 no better."
        )
        return "\n\n".join(parts)

    def intended_use(self) -> str:
        """Return which crystals the model is for, and what not to expect of it."""
        elements = self.model.get("elements") or self.run.get("elements")
        crystals = (
            f"crystals of {', '.join(elements)}"
            if elements
            else "crystals like those it was trained on"
        )
        return (
            f"For {crystals}, of the kinds that the training data holds, and for numbers made in "
            "the same way as its labels. Predictions for other elements are guesses, and "
            "`matsciml predict` says so; those for crystals far from the training data are not "
            "marked. The errors above are means over a test set that was sampled from the same "
            "data: expect larger ones elsewhere. Do not rely on a prediction where it matters "
            "without a calculation or a measurement."
        )

    def training_data(self) -> str:
        """Return source, licence, split and hashes of each dataset."""
        parts = []
        for name, data in self.run["datasets"].items():
            split = data["split"]
            sizes = ", ".join(f"{count:,} {subset}" for subset, count in split["sizes"].items())
            rows = {
                "source": data["source"],
                "release": data["release"],
                "licence": data["licence"] or "not stated",
                "crystals": f"{sizes} (split: {split['algorithm']}, seed {split['seed']})",
                "hash of the split": f"`{split['hash']}`",
                "hash of the data": f"`{data['content_hash']}`" if data["content_hash"] else "",
            }
            parts.append(f"`{name}`\n\n{_properties(rows)}")
        return "\n\n".join(parts)

    def training(self) -> str:
        """Return how long, on what and with which versions the model was trained."""
        run, hardware, init = self.run, self.run["hardware"], self.run.get("init")
        rows = {
            "encoder": f"`{self.model['encoder']['name']}`, settings in `model.json`",
            "epochs": f"{run['epochs']}, weights of {_epochs(run['tested_epochs'])}",
            "seed": run["seed"],
            "time": f"{run['training_seconds']:,.0f} s on {hardware['gpu'] or hardware['cpu']}",
            "versions": ", ".join(
                f"{key} {run['versions'][key]}" for key in _PACKAGES if key in run["versions"]
            ),
            "plugins": ", ".join(f"{key} {value}" for key, value in run["plugins"].items()),
            "started from": f"a trained model, SHA-256 `{init.get('hash')}`" if init else "",
        }
        exception = ", but for the weights it started from" if init else ""
        return f"{_properties(rows)}\n\n`config.yaml` repeats the run{exception}."

    def licences(self) -> str:
        """Return the licences of the model and of its training data."""
        own = (
            f"This model: {self.licence}."
            if self.licence
            else "No licence was stated for this model."
        )
        data = "; ".join(
            f"`{name}`: {data['licence'] or 'not stated'}"
            for name, data in self.run["datasets"].items()
        )
        return f"{own} Licences of the data it was trained on: {data}."

    def citations(self) -> str:
        """Return what to cite, as BibTeX."""
        if not self.run["citations"]:
            return "Nothing asks to be cited."
        entries = "\n\n".join(self.run["citations"])
        return f"Please cite what this model is made of:\n\n```bibtex\n{entries}\n```"

    @property
    def _labels(self) -> list[Mapping[str, Any]]:
        """The declarations of the labels of all heads."""
        return [label for head in self.model["heads"] for label in head["targets"]]

    @property
    def _test_metrics(self) -> Mapping[str, Mapping[str, Any]]:
        """Metrics by ``dataset/label``; a run that never tested has none, or no section."""
        return (self.run.get("metrics") or {}).get("test") or {}


def _columns(metrics: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the metrics of a label that the card shows, with their units."""
    unit = "" if metrics.get("unit") == "class" else str(metrics.get("unit", ""))
    return [
        (name, _UNITS.get(name, "").format(unit))
        for name in _METRICS
        if metrics.get(name) is not None
    ]


def _format(value: Any) -> str:
    # A baseline lacks some metrics, and JSON has null for those that are undefined.
    return f"{value:.4g}" if isinstance(value, int | float) else ""


def _epochs(tested: Sequence[int]) -> str:
    """Return which epochs weights are from, in words."""
    if len(tested) == 1:
        return f"epoch {tested[0]}"
    return f"epochs {', '.join(map(str, tested))}, their mean"


def _properties(rows: Mapping[str, Any]) -> str:
    """Return a table of two columns without titles; rows that have no value are left out."""
    return _table(("", ""), [(name, str(value)) for name, value in rows.items() if value != ""])


def _table(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table in Markdown."""
    lines = []
    for line in (titles, ["---"] * len(titles), *rows):
        # A line break would end the table, and a bar the column.
        entries = [" ".join(text.split()).replace("|", "\\|") for text in line]
        lines.append(f"| {' | '.join(entries)} |")
    return "\n".join(lines)
