"""The sections of what a run used, what it cost, how to repeat it, and what to cite."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from matsciml_tool_report.data_section import card
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
from matsciml_util_pages.run_json import nested
from matsciml_util_pages.views import (
    Absent,
    Copyable,
    Details,
    Fact,
    Facts,
    Heading,
    Lead,
    Table,
    Tables,
    View,
    facts,
)


@dataclass(frozen=True)
class Citation:
    """A BibTeX entry, and what is read of it."""

    bibtex: str
    text: str
    doi: str
    """Empty where the entry has none that could be a link."""


@dataclass(frozen=True)
class Citations(View):
    """Citations as text, with links."""

    template: ClassVar[str] = "matsciml_tool_report/assets/citations.html.j2"

    citations: Sequence[Citation]


_OPTIMISERS = {"adamw": "AdamW", "muon": "Muon for matrices, AdamW for the rest"}


def model(run: RunFiles) -> list[View]:
    """Describe the model: components, parameters, and the constants fitted before training."""
    training = nested(run.config, "training")
    decay, last = training.get("average_decay"), training.get("average_last")
    batch_size = training.get("batch_size")
    mean = f"mean over the last {percent(last)} of the steps" if isinstance(last, float) else None
    epochs = None
    if len(run.epochs):
        epochs = f"{len(run.epochs):,}"
        if run.best_epoch is not None:
            epochs += _tested(run.best_epoch, run.tested_epochs)
    encoder, strategy = (nested(run.config, kind).get("name") for kind in ("encoder", "strategy"))
    entries = facts(
        Fact("Encoder", str(encoder or ""), code=True),
        Fact("Strategy", str(strategy or ""), code=True),
        ("Optimiser", _OPTIMISERS.get(str(training.get("optimiser", "adamw")))),
        ("Peak learning rate", number(training.get("learning_rate"))),
        ("Schedule", training.get("schedule")),
        ("Batch size", f"{count(batch_size)} crystals" if isinstance(batch_size, int) else None),
        ("Weight average", mean),
        ("Weight average, decay per step", number(decay) if decay and mean is None else None),
        ("Precision", training.get("precision")),
        ("Epochs", epochs),
    )
    sizes, heads = run.entry("parameters"), run.entry("parameters", "heads")
    rows = [["Encoder", count(sizes.get("encoder"))]]
    for task, size in heads.items():
        rows.append([f"Head of {words(task)}" if len(heads) > 1 else "Head", count(size)])
    rows.append(["Total", count(sizes.get("total"))])
    parameters = Table(caption="Trainable parameters", columns=["Part", "Parameters"], rows=rows)
    return card(entries, [parameters, *_constants(run)])


def _tested(best: int, tested: Sequence[int]) -> str:
    """Return which weights were tested, as it goes on after the number of epochs."""
    if list(tested) == [best]:
        return f"; the weights of epoch {best}, the lowest validation loss, were tested"
    if len(tested) > 1:
        numbers = ", ".join(map(str, tested))
        return f"; the mean of the weights of epochs {numbers} was tested"
    return (
        f"; the weights of epoch {tested[0]} were tested, the lowest validation loss is of {best}"
    )


def _constants(run: RunFiles) -> list[Table]:
    """Return the constants that each head fitted on the training set."""
    # A head that fits nothing, such as one for classes, has no constants.
    tasks = [task for task in run.entry("heads") if run.entry("heads", task)]
    tables = []
    for task in tasks:
        dataset, _, label = task.partition("/")
        unit = run.entry("datasets", dataset, "labels", label).get("unit", "")
        of_task = f", {words(task)}" if len(tasks) > 1 else ""
        labels = "" if unit in UNITLESS else f" (labels in {unit})"
        constants = run.entry("heads", task)
        tables.append(
            Table(
                caption=f"Constants fitted on the training set{of_task}{labels}",
                columns=["Constant", "Value"],
                rows=[[name, number(value)] for name, value in constants.items()],
                identifiers=True,
            )
        )
    return tables


def cost(run: RunFiles) -> list[View]:
    """Say what the run cost, and on what."""
    hardware = run.entry("hardware")
    seconds, datasets = run.history.get("seconds", np.empty(0)), list(run.entry("datasets"))
    speed = ABSENT
    # Of several datasets an epoch does not visit every crystal once, so that nothing can be said.
    if len(seconds) > 1 and len(datasets) == 1 and seconds[-1] > seconds[0]:
        size = run.entry("datasets", datasets[0], "split", "sizes").get("train")
        if isinstance(size, int):
            # The first epoch warms caches, and compiles where something is compiled.
            rate = size * (len(seconds) - 1) / float(seconds[-1] - seconds[0])
            unit = "structures/s"
            speed = f"{quantity(rate, unit)} (validation included, first epoch excluded)"
    entries = facts(
        ("Wall time", duration(run.summary.get("wall_seconds"))),
        ("Training, with validation", duration(float(seconds[-1]) if len(seconds) else None)),
        ("Training speed", speed),
        ("Device", hardware.get("device")),
        ("GPU", hardware.get("gpu") or ("none used" if hardware else None)),
        ("CPU", hardware.get("cpu")),
        ("Cores", count(hardware.get("cores"))),
        ("Threads", count(hardware.get("threads"))),
        ("Memory", quantity(hardware.get("memory_gib"), "GiB")),
        ("Platform", hardware.get("platform")),
    )
    return card(entries, [])


def provenance(run: RunFiles) -> list[View]:
    """Say what it takes to repeat the run."""
    started = run.summary.get("started")
    entries = facts(
        ("Started", moment(started) if started else None),
        ("Status", run.summary.get("status")),
        ("Seed", count(run.summary.get("seed"))),
        Fact("Run folder", run.name, code=True),
    )
    views: list[View] = [Facts(entries)]
    if command := str(run.summary.get("command") or ""):
        views.append(Heading("Command"))
        views.append(Copyable(name="command", what="the command", text=command))
    if run.config_text:
        config = Copyable(name="config", what="the configuration", text=run.config_text)
        views.append(Details("Full configuration (config.yaml)", [config]))
    tables = [
        Table(
            caption=caption,
            columns=["Name", "Version"],
            rows=[[str(name), str(version)] for name, version in run.entry(key).items()],
            identifiers=True,
        )
        for key, caption in (("versions", "Software"), ("plugins", "Plugins"))
    ]
    return [*views, Tables([table for table in tables if table.rows])]


def citation(run: RunFiles) -> list[View]:
    """Return what to cite, in the order of ``run.json``."""
    listed = run.summary.get("citations")
    citations = [read_citation(str(text)) for text in listed] if isinstance(listed, list) else []
    if not citations:
        return [Absent("The components of this run name no publication.")]
    bibtex = "\n\n".join(entry.bibtex for entry in citations)
    return [
        Lead("Cite these works with the numbers of this run."),
        Citations(citations),
        Details("BibTeX", [Copyable(name="bibtex", what="the BibTeX entries", text=bibtex)]),
    ]


def read_citation(bibtex: str) -> Citation:
    r"""Return what is read of a BibTeX entry.

    >>> read_citation("@misc{a,\n  author = {Li, A and Wu, B},\n  title = {{X}}\n}").text
    'Li et al., X'
    """
    fields = {
        name.lower(): value.replace("{", "").replace("}", "")
        for name, value in re.findall(r"^\s*(\w+)\s*=\s*\{(.*)\},?\s*$", bibtex, re.MULTILINE)
    }
    authors = fields.get("author", "").split(" and ")
    names = authors[0].partition(",")[0] + (" et al." if len(authors) > 1 else "")
    parts = [names, fields.get("title", ""), fields.get("journal", ""), fields.get("year", "")]
    doi = fields.get("doi", "")
    # It becomes an address, so that nothing but a DOI may stand there.
    is_doi = re.fullmatch(r"10\.\d{4,9}/[-.;()/:\w<>\[\]]+", doi)
    return Citation(bibtex, ", ".join(part for part in parts if part), doi if is_doi else "")
