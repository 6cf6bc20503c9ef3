"""``matsciml list-plugins``: what the installed plugins offer."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

import typer

from matsciml_cli._completion import complete_kinds
from matsciml_cli._listings import Listing, listings
from matsciml_cli.console import STYLES, Row, warn, write_json, write_table
from matsciml_cli.options import Json
from matsciml_cli.state import registry_of
from matsciml_core.registry.manager import Registry

SCHEMA = 1
"""Grows when a key of the JSON output changes its meaning or goes away."""


def list_plugins(
    context: typer.Context,
    kind: Annotated[
        str | None,
        typer.Option(
            help="Only this kind: dataset, encoder, task-head, strategy, reader, command, "
            "callback, or one that a tool brings.",
            autocompletion=complete_kinds,
        ),
    ] = None,
    as_json: Json = False,
    strict: Annotated[
        bool, typer.Option("--strict", help="Fail where a plugin cannot be loaded.")
    ] = False,
) -> None:
    """List what the installed plugins offer, and the plugins that are not in use.

    The JSON has the keys `schema` (1), `components` and `plugins`. A component has `kind`,
    `name`, `summary`, `distribution`, `version`, `state` and `reason`; a plugin has
    `entry_point`, `distribution`, `version`, `module`, `state`, `reason`, `fix` and
    `components` (pairs of `kind` and `name`).
    """
    registry = registry_of(context, strict=strict or None)
    rows = listings(registry, kind)
    if as_json:
        write_json(_as_data(registry, rows))
        return
    write_table(
        [_as_row(row) for row in rows],
        header=("kind", "name", "state", "distribution", "summary"),
    )
    _remark(rows)


def _as_row(row: Listing) -> Row:
    owner = f"{row.distribution} {row.version}".rstrip()
    remark = "; ".join(filter(None, (row.summary, row.reason)))
    style = "" if row.state == "ok" else STYLES[row.state]
    return Row((row.kind, row.name, row.state, owner, remark), style)


def _as_data(registry: Registry, rows: list[Listing]) -> dict[str, Any]:
    return {
        "schema": SCHEMA,
        "components": [asdict(row) for row in rows if row.kind != "plugin"],
        "plugins": [
            {
                "entry_point": record.entry_point,
                "distribution": record.distribution,
                "version": record.version,
                "module": record.module,
                "state": record.state,
                "reason": record.reason,
                "fix": record.fix,
                "components": [{"kind": spec.kind, "name": spec.name} for spec in record.specs],
            }
            for record in registry.plugins
        ],
    }


def _remark(rows: list[Listing]) -> None:
    if not rows:
        warn("No plugin is installed; 'pip install' the ones you need.")
    elif any(row.state not in ("ok", "blocked") for row in rows):
        warn("Not everything can be used; 'matsciml doctor' says how to fix it.")
