"""The table of tasks and data: what was published, and what of it is on this machine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from matsciml_core.registry.manager import Registry
from matsciml_core.registry.published_tasks import Sizes, TaskRow, each_size, task_rows
from matsciml_tool_benchmark.request import TableRequest
from matsciml_tool_benchmark.table import BenchmarkTable
from matsciml_tool_benchmark.table_page import SCHEMA
from matsciml_util_pages.numbers import ABSENT
from matsciml_util_pages.pages import Page, Section, write_page_files
from matsciml_util_pages.sheets import Column, Sheet, Value
from matsciml_util_pages.views import facts

_SUBSETS = ("train", "validation", "test")
_TONES = {"ok": "good", "failed": "bad"}


def write_data_table(table: BenchmarkTable, request: TableRequest, registry: Registry) -> Path:
    """Write the table of tasks and data; return the path of its page.

    Args:
        table: Its title, words and footnotes; a footnote belongs to the dataset of its name.
        request: The folder to write to, and the command to show.
        registry: Where datasets are looked up.
    """
    rows = task_rows(registry)
    sheet = Sheet(
        caption="Crystals by task and subset",
        columns=[
            Column(key="task", title="Task"),
            Column(key="dataset", title="Dataset", facet=True),
            Column(key="label", title="Label"),
            Column(key="metric", title="Metric", facet=True),
            *_size_columns("published"),
            *_size_columns("here"),
            Column(key="state", title="Data", facet=True),
        ],
        rows=[_row(row, table.notes) for row in rows],
    )
    # Footnotes of datasets that no row is about would be numbered, and never named.
    named = {row.dataset for row in rows}
    ready = sum(row.state == "ok" for row in rows)
    page = Page(
        eyebrow=f"MatSciML benchmark · {table.name}",
        title=table.title,
        lead=table.about,
        facts=facts(
            ("Tasks", f"{ready} of {len(rows)} can be trained with the data on this machine"),
            ("Published numbers", table.source),
        ),
        sections=[Section(anchor="table", title="Tasks", views=[sheet])],
        notes={name: text for name, text in table.notes.items() if name in named},
        command=request.command,
    )
    data = {
        "schema": SCHEMA,
        "table": table.name,
        "title": table.title,
        "source": table.source,
        "notes": dict(page.notes),
        "tasks": [asdict(row) for row in rows],
    }
    folder = (request.output / table.name).resolve()
    return write_page_files(page, [_record(row) for row in rows], folder, "table", data)


def _size_columns(source: str) -> list[Column]:
    """Return the columns with the sizes of all subsets, in the publication or on this machine."""
    return [
        Column(key=f"{source}-{subset}", title=subset.capitalize(), unit=source, numeric=True)
        for subset in _SUBSETS
    ]


def _row(row: TaskRow, notes: Mapping[str, str]) -> dict[str, Value]:
    return {
        "task": Value(f"{row.title[:1].upper()}{row.title[1:]}"),
        "dataset": Value(row.dataset, notes=(row.dataset,) if row.dataset in notes else ()),
        "label": Value(row.target),
        "metric": Value(row.metric, below=row.unit),
        **_sizes("published", row.published),
        **_sizes("here", row.here),
        "state": Value(row.state, below=row.remark, tone=_TONES.get(row.state, "quiet")),
    }


def _sizes(source: str, sizes: Sizes | None) -> dict[str, Value]:
    """Return the values of the columns of :func:`_size_columns`."""
    known = sizes or (None, None, None)
    texts = [ABSENT if text == "-" else text for text in each_size(known)]
    return {
        f"{source}-{subset}": Value(text, order=size, tone="" if size is not None else "quiet")
        for subset, text, size in zip(_SUBSETS, texts, known, strict=True)
    }


def _record(row: TaskRow) -> dict[str, object]:
    here = row.here or (None, None, None)
    sizes = {
        f"published_{subset}": size for subset, size in zip(_SUBSETS, row.published, strict=True)
    }
    sizes |= {f"here_{subset}": size for subset, size in zip(_SUBSETS, here, strict=True)}
    return {
        "dataset": row.dataset,
        "label": row.target,
        "title": row.title,
        "metric": row.metric,
        "unit": row.unit,
        **sizes,
        "state": row.state,
        "remark": row.remark,
    }
