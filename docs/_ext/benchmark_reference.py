"""The reference of the files that describe tables of benchmarks, from their classes."""

from __future__ import annotations

import inspect

from config_reference import config_table
from markdown_tables import inline
from pydantic import BaseModel

from matsciml_tool_benchmark import rows, table

_PARTS: dict[str, type[BaseModel]] = {
    "A table": table.BenchmarkTable,
    "`rows`": rows.BenchmarkRow,
    "`published`": rows.PublishedNumber,
    "`budgets`": table.Budget,
    "`generation`": table.Generation,
    "A file of rows, for `--rows`": table.RowsFile,
}


def benchmark_markdown() -> str:
    """Return the reference of tables and rows, in MyST Markdown."""
    return "\n\n".join(_section(title, model) for title, model in _PARTS.items()) + "\n"


def _section(title: str, model: type[BaseModel]) -> str:
    text = inline(inspect.cleandoc(model.__doc__ or "").partition("\n\n")[0])
    return f"## {title}\n\n{text}\n\n{config_table(model)}"
