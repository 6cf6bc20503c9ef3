"""The reference of the datasets: size, licence, citation, labels, splits, and what is wrong."""

from __future__ import annotations

from collections.abc import Iterator

from markdown_tables import inline, markdown_table
from plugin_reference import citation, labels_table, registry

from matsciml_core.registry.published import BenchmarkTask
from matsciml_core.registry.specs import DatasetSpec


def datasets_markdown() -> str:
    """Return the reference of this repository's datasets, in MyST Markdown."""
    offers = [
        (spec, record.distribution)
        for spec, record in registry().components("dataset")
        if isinstance(spec, DatasetSpec)
    ]
    sections = ["\n\n".join(_section(spec, owner)) for spec, owner in offers]
    return "\n\n".join([_overview([spec for spec, _ in offers]), *sections]) + "\n"


def _overview(specs: list[DatasetSpec]) -> str:
    header = ("dataset", "how much", "labels", "licence")
    rows = [
        (f"[`{spec.name}`](#{_anchor(spec)})", _extent(spec), _names(spec), spec.licence)
        for spec in specs
    ]
    return markdown_table(header, rows)


def _section(spec: DatasetSpec, distribution: str) -> Iterator[str]:
    yield f"({_anchor(spec)})=\n## `{spec.name}`"
    yield spec.summary
    yield markdown_table(("", ""), _facts(spec, distribution))
    yield "**Labels**"
    yield labels_table(spec)
    if spec.splits:
        yield "**Splits**"
        rows = [(f"`{name}`", inline(text)) for name, text in spec.splits.items()]
        yield markdown_table(("split", "how it is made"), rows)
    if spec.tasks:
        yield "**Published benchmark**"
        yield _tasks(spec.tasks)
    if spec.known_problems:
        yield "**Known problems**"
        yield "\n".join(f"- {inline(problem)}" for problem in spec.known_problems)


def _facts(spec: DatasetSpec, distribution: str) -> list[tuple[str, str]]:
    fetch = f"`matsciml data fetch {spec.name}`" if spec.fetch else "nothing to fetch"
    convert = [
        f"`matsciml data convert FILE --from {form} --dataset {spec.name}`" for form in spec.readers
    ]
    facts = {
        "plugin": f"`{distribution}`",
        "source": spec.source,
        "size": _extent(spec),
        "licence": spec.licence,
        "fetch": fetch,
        "convert": "<br>".join(convert),
        "to cite": "<br>".join(map(citation, spec.references)),
    }
    return [(f"**{name}**", text) for name, text in facts.items() if text]


def _extent(spec: DatasetSpec) -> str:
    parts = [f"{spec.size:,} crystals with the plugin" if spec.size else "", spec.extent]
    return "; ".join(filter(None, parts))


def _names(spec: DatasetSpec) -> str:
    return ", ".join(f"`{info.name}` ({info.unit})" for info in spec.targets)


def _tasks(tasks: tuple[BenchmarkTask, ...]) -> str:
    header = ("task", "label", "metric", "training", "validation", "test")
    rows = [
        (
            task.title,
            f"`{task.target}`",
            " ".join(filter(None, (task.metric, task.unit))),
            *("–" if size is None else f"{size:,}" for size in task.published_sizes),
        )
        for task in tasks
    ]
    return markdown_table(header, rows)


def _anchor(spec: DatasetSpec) -> str:
    return f"dataset-{spec.name}"
