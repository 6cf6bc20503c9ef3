"""``matsciml list-tasks``: the tasks of the published benchmark, and which can be trained here."""

from __future__ import annotations

from dataclasses import asdict

import typer

from matsciml_cli.console import Row, warn, write_json, write_table
from matsciml_cli.options import Json
from matsciml_cli.state import registry_of
from matsciml_core.registry.published_tasks import SOURCE, each_size, task_rows

SCHEMA = 1
"""Grows when a key of the JSON output changes its meaning or goes away."""
_STYLES = {"not installed": "dim", "no data": "yellow", "no label": "yellow", "failed": "red"}


def list_tasks(
    context: typer.Context,
    as_json: Json = False,
) -> None:
    """List the tasks of the published benchmark, and which of them can be trained here.

    Sizes are crystals for training / validation / test. The JSON has the keys `schema` (1),
    `source` and `tasks`; a task has `dataset`, `target`, `title`, `metric`, `unit`, `published`
    and `here` (sizes, null where there is none), `state` (`ok`, `no data`, `no label`,
    `not installed` or `failed`) and `remark`.
    """
    rows = task_rows(registry_of(context))
    if as_json:
        tasks = [asdict(row) for row in rows]
        write_json({"schema": SCHEMA, "source": SOURCE, "tasks": tasks})
        return
    lines = []
    for row in rows:
        published, here = " / ".join(each_size(row.published)), " / ".join(each_size(row.here))
        facts = (row.dataset, row.target, row.metric, row.unit or "-")
        lines.append(Row((*facts, published, here or "-", row.remark), _STYLES.get(row.state, "")))
    header = ("dataset", "target", "metric", "unit", "published sizes", "sizes here", "data")
    write_table(lines, header=header)
    # A remark, not a row: programs read the rows.
    ready = sum(row.state == "ok" for row in rows)
    warn(f"{ready} of {len(rows)} tasks can be trained with the data on this machine.")
