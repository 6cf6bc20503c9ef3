"""Cards: what a run used, cost, and came from."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from matsciml_util_pages.numbers import (
    ABSENT,
    UNITLESS,
    count,
    duration,
    moment,
    number,
    percent,
    quantity,
    words,
)
from matsciml_util_pages.run_files import RunFiles
from matsciml_util_pages.views import Card, Fact, Table, facts


@dataclass(frozen=True)
class Citation:
    """A BibTeX entry, and what a person reads of it."""

    bibtex: str
    text: str
    doi: str


def data_cards(run: RunFiles) -> list[Card]:
    """Describe each dataset: origin, licence, labels, and who trains, validates and tests."""
    return [_data_card(name, run.part("datasets", name)) for name in run.part("datasets")]


def model_card(run: RunFiles) -> Card:
    """Describe the model: components, parameters, and the constants fitted before training."""
    encoder, strategy = _component(run, "encoder"), _component(run, "strategy")
    training = _mapping(run.config.get("training"))
    average = training.get("average_decay")
    entries = facts(
        Fact("Encoder", encoder, code=True),
        Fact("Strategy", strategy, code=True),
        ("Optimiser", "AdamW" if training else None),
        ("Peak learning rate", number(training.get("learning_rate"))),
        ("Schedule", training.get("schedule")),
        ("Batch size", _with_noun(training.get("batch_size"), "crystals")),
        ("Weight average, decay per step", number(average) if average else None),
        ("Precision", training.get("precision")),
        ("Epochs", _epochs(run)),
    )
    return Card("Model", entries, [_parameters(run), *_constants(run)])


def cost_card(run: RunFiles) -> Card:
    """Say what the run cost, and on what."""
    hardware = run.part("hardware")
    memory = quantity(hardware.get("memory_gib"), "GiB")
    entries = facts(
        ("Wall time", duration(run.summary.get("wall_seconds"))),
        ("Training, with validation", duration(_training_seconds(run))),
        ("Training speed", _throughput(run)),
        ("Device", hardware.get("device")),
        ("GPU", hardware.get("gpu") or ("none used" if hardware else None)),
        ("CPU", hardware.get("cpu")),
        ("Cores", count(hardware.get("cores"))),
        ("Threads", count(hardware.get("threads"))),
        ("Memory", memory),
        ("Platform", hardware.get("platform")),
    )
    return Card("Cost", entries)


def provenance_card(run: RunFiles) -> Card:
    """Say what it takes to repeat the run."""
    entries = facts(
        ("Started", moment(run.summary["started"]) if run.summary.get("started") else None),
        ("Status", run.summary.get("status")),
        ("Seed", count(run.summary.get("seed"))),
        Fact("Run folder", run.name, code=True),
    )
    tables = [
        Table(
            caption=caption,
            columns=["Name", "Version"],
            rows=[[str(name), str(version)] for name, version in run.part(key).items()],
            identifiers=True,
        )
        for key, caption in (("versions", "Software"), ("plugins", "Plugins"))
        if run.part(key)
    ]
    return Card("Provenance", entries, tables)


def citations(run: RunFiles) -> list[Citation]:
    """Return what to cite, in the order of ``run.json``."""
    listed = run.summary.get("citations")
    return [_citation(str(text)) for text in listed] if isinstance(listed, list) else []


def _data_card(name: str, data: Mapping[str, Any]) -> Card:
    split = _mapping(data.get("split"))
    entries = facts(
        ("Source", data.get("source")),
        ("Release", data.get("release")),
        ("Licence", data.get("licence")),
        ("Split", split.get("algorithm")),
        ("Seed of the split", count(split.get("seed"))),
        Fact("Hash of the split (SHA-256)", _string(split.get("hash")), code=True),
        Fact("Hash of the data (SHA-256)", _string(data.get("content_hash")), code=True),
    )
    labels = _mapping(data.get("labels"))
    return Card(name, entries, [*_split_tables(split, data, labels), *_label_tables(labels)])


def _split_tables(
    split: Mapping[str, Any], data: Mapping[str, Any], labels: Mapping[str, Any]
) -> list[Table]:
    sizes, dropped = _mapping(split.get("sizes")), _mapping(data.get("dropped"))
    subsets = list(dict.fromkeys([*sizes, *dropped]))
    if not subsets:
        return []
    used = sum(size for size in sizes.values() if isinstance(size, int))
    rows = [
        [
            words(subset),
            count(sizes.get(subset)),
            _share(sizes.get(subset), used),
            count(dropped.get(subset)),
        ]
        for subset in subsets
    ]
    wanted = " or ".join(words(label) for label in labels) or "a wanted label"
    return [
        Table(
            caption="Who trains, validates and tests",
            columns=["Subset", "Crystals", "Share", "Left out"],
            rows=rows,
            note=f"Left out: crystals of the subset for which the source has no {wanted}.",
        )
    ]


def _label_tables(labels: Mapping[str, Any]) -> list[Table]:
    if not labels:
        return []
    return [
        Table(
            caption="Labels",
            columns=["Label", "Unit", "What it is"],
            rows=[_label_row(name, _mapping(info)) for name, info in labels.items()],
            numeric=False,
            identifiers=True,
        )
    ]


def _label_row(name: str, info: Mapping[str, Any]) -> list[str]:
    unit, kind = _string(info.get("unit")), _string(info.get("kind"))
    meaning = f"{kind[:1].upper()}{kind[1:]}. {_string(info.get('description'))}"
    return [name, "none" if unit in UNITLESS else unit, meaning]


def _parameters(run: RunFiles) -> Table:
    found, heads = run.part("parameters"), run.part("parameters", "heads")
    rows = [["Encoder", count(found.get("encoder"))]]
    for task, size in heads.items():
        rows.append([f"Head of {words(task)}" if len(heads) > 1 else "Head", count(size)])
    rows.append(["Total", count(found.get("total"))])
    return Table(caption="Trainable parameters", columns=["Part", "Parameters"], rows=rows)


def _constants(run: RunFiles) -> list[Table]:
    """Return the constants that each head fitted on the training set."""
    tasks = [task for task in run.part("heads") if run.part("heads", task)]
    return [_constants_table(run, task, several=len(tasks) > 1) for task in tasks]


def _constants_table(run: RunFiles, task: str, *, several: bool) -> Table:
    dataset, _, label = task.partition("/")
    unit = run.part("datasets", dataset, "labels", label).get("unit", "")
    whose = f", {words(task)}" if several else ""
    labels = "" if unit in UNITLESS else f" (labels in {unit})"
    return Table(
        caption=f"Constants fitted on the training set{whose}{labels}",
        columns=["Constant", "Value"],
        rows=[[name, number(value)] for name, value in run.part("heads", task).items()],
        identifiers=True,
    )


def _training_seconds(run: RunFiles) -> float | None:
    seconds = run.history.get("seconds")
    return None if seconds is None or not len(seconds) else float(seconds[-1])


def _throughput(run: RunFiles) -> str:
    """Return crystals per second over all epochs but the first, which warms caches.

    Of several datasets an epoch does not visit every crystal once, so that nothing can be said.
    """
    seconds, datasets = run.history.get("seconds"), run.part("datasets")
    if seconds is None or len(seconds) < 2 or len(datasets) != 1:
        return ABSENT
    size = run.part("datasets", next(iter(datasets)), "split", "sizes").get("train")
    span = float(seconds[-1] - seconds[0])
    if not isinstance(size, int) or not span > 0:
        return ABSENT
    speed = quantity(size * (len(seconds) - 1) / span, "structures/s")
    return f"{speed} (validation included, first epoch excluded)"


def _epochs(run: RunFiles) -> str:
    done, best = len(run.epochs), run.best_epoch
    if not done:
        return ""
    chosen = f"; the weights of epoch {best}, the lowest validation loss, were tested"
    return f"{done:,}{chosen if best is not None else ''}"


def _citation(bibtex: str) -> Citation:
    fields = {
        name.lower(): value.replace("{", "").replace("}", "")
        for name, value in re.findall(r"^\s*(\w+)\s*=\s*\{(.*)\},?\s*$", bibtex, re.MULTILINE)
    }
    authors = fields.get("author", "").split(" and ")
    first = authors[0].partition(",")[0] + (" et al." if len(authors) > 1 else "")
    parts = [first, fields.get("title", ""), fields.get("journal", ""), fields.get("year", "")]
    doi = fields.get("doi", "")
    plain = re.fullmatch(r"10\.\d{4,9}/[-.;()/:\w<>\[\]]+", doi)
    return Citation(bibtex, ", ".join(part for part in parts if part), doi if plain else "")


def _component(run: RunFiles, kind: str) -> str:
    return _string(_mapping(run.config.get(kind)).get("name"))


def _share(size: object, total: int) -> str:
    return percent(size / total) if isinstance(size, int) and total else ABSENT


def _with_noun(value: object, noun: str) -> str | None:
    return f"{count(value)} {noun}" if isinstance(value, int) else None


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _string(value: object) -> str:
    return "" if value is None else str(value)
