"""``matsciml list-plugins``: what the installed plugins offer, or what can be installed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated, Any

import typer

from matsciml_cli._completion import complete_kinds
from matsciml_cli._listings import Listing, available_listings, listings
from matsciml_cli.console import STYLES, Row, warn, write_json, write_line, write_table
from matsciml_cli.options import Json
from matsciml_cli.state import registry_of
from matsciml_core.errors import ConfigError
from matsciml_core.registry.manager import Registry

SCHEMA = 1
"""Grows when a key of the JSON output changes its meaning or goes away."""


def list_plugins(
    context: typer.Context,
    kind: Annotated[
        str | None,
        typer.Option(
            help="Only this kind: dataset, encoder, task-head, strategy, reader, command, "
            "callback, logger, baseline, pretrained, environment, check, or a kind that a tool "
            "brings.",
            autocompletion=complete_kinds,
        ),
    ] = None,
    available: Annotated[
        bool,
        typer.Option(
            "--available", help="List the known plugins, those that are not installed included."
        ),
    ] = False,
    requirements: Annotated[
        bool,
        typer.Option(
            "--requirements", help="Write the installed plugins as lines for 'pip install -r'."
        ),
    ] = False,
    as_json: Json = False,
    strict: Annotated[
        bool, typer.Option("--strict", help="Fail where a plugin cannot be loaded.")
    ] = False,
) -> None:
    """List what the installed plugins offer, and the plugins that are not in use.

    The JSON has the keys `schema` (1), `components` and `plugins`. A component has `kind`,
    `name`, `summary`, `distribution`, `version`, `state` (`available` where it is not installed),
    `reason` and `environment` (the one that offers it, null: this one); a plugin has
    `entry_point`, `distribution`, `version`, `module`, `state`, `reason`, `fix` and `components`
    (pairs of `kind` and `name`).
    """
    # None leaves the decision to MATSCIML_STRICT.
    registry = registry_of(context, strict=strict or None)
    if requirements:
        if available or as_json or kind is not None:
            raise ConfigError(
                "'--requirements' writes lines for pip, of all that is installed; leave the other "
                "options away."
            )
        from matsciml_cli._requirements import requirement_lines

        write_line("\n".join(requirement_lines(registry)))
        return
    rows = available_listings(registry, kind) if available else listings(registry, kind)
    if as_json:
        write_json(_as_data(registry, rows))
        return
    lines = []
    for row in rows:
        owner = f"{row.distribution} {row.version}".rstrip()
        owner += f" (environment {row.environment})" if row.environment else ""
        remark = f"{row.summary} ({row.reason})" if row.reason else row.summary
        style = "" if row.state == "ok" else STYLES[row.state]
        lines.append(Row((row.kind, row.name, row.state, owner, remark.lstrip()), style))
    write_table(lines, header=("kind", "name", "state", "distribution", "summary"))
    # On stderr, where a program that reads the table does not see it.
    if not any(row.distribution != "matsciml" for row in rows):
        warn("No plugin is installed; 'matsciml list-plugins --available' shows known ones.")
    elif any(row.state not in ("ok", "blocked", "available") for row in rows):
        warn("Not everything can be used; 'matsciml doctor' says how to fix it.")


def _as_data(registry: Registry, rows: Sequence[Listing]) -> dict[str, Any]:
    return {
        "schema": SCHEMA,
        "components": [asdict(row) for row in rows if row.kind != "plugin"],
        "plugins": [
            {
                "entry_point": plugin.entry_point,
                "distribution": plugin.distribution,
                "version": plugin.version,
                "module": plugin.module,
                "state": plugin.state,
                "reason": plugin.reason,
                "fix": plugin.fix,
                "components": [{"kind": spec.kind, "name": spec.name} for spec in plugin.specs],
            }
            for plugin in registry.plugins
        ],
    }
