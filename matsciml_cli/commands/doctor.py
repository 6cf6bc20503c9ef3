"""``matsciml doctor``: check the installation, and say how to fix it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from itertools import groupby
from typing import Annotated

import typer

from matsciml_cli._checks import all_checks
from matsciml_cli.console import STYLES, Row, write_heading, write_json, write_line, write_table
from matsciml_cli.options import Json
from matsciml_cli.state import registry_of
from matsciml_core.errors import ConfigError
from matsciml_core.registry.checks import Check

SCHEMA = 1
"""Grows when a key of the JSON output changes its meaning or goes away."""


def doctor(
    context: typer.Context,
    report: Annotated[
        bool, typer.Option("--report", help="Write one block of text for the report of a bug.")
    ] = False,
    import_torch: Annotated[
        bool,
        typer.Option("--import-torch", help="With --report: import torch and show its build."),
    ] = False,
    as_json: Json = False,
) -> None:
    """Check Python, packages, plugins and folders; exit with 1 where something has failed.

    The JSON has the keys `schema` (1), `ok` and `checks`. A check has `area`, `name`, `state`
    (`ok`, `warning` or `failed`), `detail` and `fix`.
    """
    # Never strict: one broken plugin must not hide what is wrong with the next.
    registry = registry_of(context, strict=False)
    if report:
        if as_json:
            raise ConfigError("'--report' writes text; leave '--json' away.")
        from matsciml_cli._bug_report import bug_report

        write_line(bug_report(registry, import_torch=import_torch))
        return
    checks = list(all_checks(registry))
    # Warnings do not fail: a plugin that is left out on purpose is no fault of the installation.
    failed = [check for check in checks if check.state == "failed"]
    if as_json:
        data = [asdict(check) for check in checks]
        write_json({"schema": SCHEMA, "ok": not failed, "checks": data})
    else:
        _show(checks, len(failed))
    if failed:
        raise typer.Exit(1)


def _show(checks: Sequence[Check], failed: int) -> None:
    for area, members in groupby(checks, key=lambda check: check.area):
        rows = []
        for check in members:
            style = "" if check.state == "ok" else STYLES[check.state]
            rows.append(Row((check.state, check.name, check.detail), style))
            if check.fix:
                rows.append(Row(("", "", check.fix)))
        write_heading(area)
        write_table(rows, indent=2)
    if failed:
        write_heading(f"{failed} of {len(checks)} checks failed.")
    else:
        write_heading("Everything that is needed works.")
