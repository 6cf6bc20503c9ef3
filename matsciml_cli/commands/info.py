"""``matsciml info``: everything that is known about a component, or the settings of a run."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

import typer

from matsciml_cli._completion import complete_kinds, complete_names
from matsciml_cli._component_info import (
    component_data,
    component_sections,
    plain,
    setting_row,
)
from matsciml_cli.console import Row, warn, write_heading, write_json, write_table
from matsciml_cli.options import Json
from matsciml_cli.state import registry_of
from matsciml_core.registry.environments import EnvironmentSpec

SCHEMA = 1
"""Grows when a key of the JSON output changes its meaning or goes away."""


def info(
    context: typer.Context,
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME",
            help="A component; training; or a setting of a run.",
            autocompletion=complete_names(),
        ),
    ],
    kind: Annotated[
        str | None,
        typer.Option(
            help="Its kind, where several kinds have something of that name.",
            autocompletion=complete_kinds,
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Show everything that is known about a component: labels, promises, settings, citations.

    'matsciml info training' lists the settings of a run, and 'matsciml info SETTING' finds one,
    also by the name that other frameworks have for it, such as lr.

    The JSON has the keys `schema` (1) and `components`. A component has `kind`, `distribution`,
    `version`, `environment` (null: the main one), `state` and `reason`, the fields of its record,
    and `settings` and `presets`; a setting has `name`, `type`, `default` and `description`. Where
    the name is not that of a component, the JSON has `schema`, `settings` and `remark`.
    """
    registry = registry_of(context)
    # All of that name, duplicates included: info is how one finds out which is which.
    components = [item for item in registry.components(kind) if item.spec.name == name]
    there = [item for item in registry.elsewhere(kind) if item.offer.name == name]
    # What cannot be used here is looked at there. An environment is often called like what it was
    # made for, which is what one asks for.
    elsewhere = {EnvironmentSpec.kind, *(item.offer.kind for item in there)}
    if there and all(item.spec.kind in elsewhere for item in components):
        raise registry.unknown(name, kind)
    for offer, environment in there:
        option = f"'--kind {offer.kind}'"
        warn(f"The {offer.kind} '{name}' of the environment '{environment.name}' needs {option}.")
    if not components and kind is None and _show_run_settings(name, as_json):
        return
    if not components:
        raise registry.unknown(name, kind)
    if as_json:
        data = [component_data(component, registry) for component in components]
        write_json({"schema": SCHEMA, "components": data})
        return
    for component in components:
        _write_sections(component_sections(component, registry))


def _show_run_settings(name: str, as_json: bool) -> bool:
    """Show settings of a run; return whether the name leads to any."""
    from matsciml_cli._run_settings import SettingMatch, find_settings, run_settings

    sections = run_settings()
    if name in sections:
        # The section that was asked for comes first, and the others follow.
        sections = {name: sections[name], **sections}
        match: SettingMatch | None = SettingMatch(settings=sum(sections.values(), ()))
    else:
        match = find_settings(name)
        sections = {} if match is None else {"settings": match.settings}
    if match is None:
        return False
    if as_json:
        data = {"settings": plain(match.settings), "remark": match.remark}
        write_json({"schema": SCHEMA, **data})
        return True
    _write_sections(
        (title, [setting_row(setting) for setting in settings])
        for title, settings in sections.items()
    )
    if match.remark:
        warn(match.remark)
    return True


def _write_sections(sections: Iterable[tuple[str, list[Row]]]) -> None:
    for title, rows in sections:
        if rows:
            write_heading(title)
            write_table(rows, indent=2)
