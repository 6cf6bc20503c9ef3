"""``matsciml info``: everything that is known about a component."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Annotated, Any

import typer

from matsciml_cli._completion import complete_kinds, complete_names
from matsciml_cli._listings import state_of
from matsciml_cli._settings import Settings, read_settings
from matsciml_cli.console import Row, write_heading, write_json, write_table
from matsciml_cli.options import Json
from matsciml_cli.state import registry_of
from matsciml_core.registry.manager import Component, Registry
from matsciml_core.registry.published_tasks import each_size
from matsciml_core.registry.specs import BenchmarkTask, Reference, Spec
from matsciml_core.registry.targets import TargetInfo

SCHEMA = 1
"""Grows when a key of the JSON output changes its meaning or goes away."""

_COMMON = tuple(field.name for field in fields(Spec))
_SECTIONS = ("targets", "splits", "tasks", "known_problems")
"""Fields that are shown in sections of their own."""


def info(
    context: typer.Context,
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="Its name.", autocompletion=complete_names())
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

    The JSON has the keys `schema` (1) and `components`. A component has `kind`, `distribution`,
    `version`, `state` and `reason`, the fields of its record, and `settings` and `presets`; a
    setting has `name`, `type`, `default` and `description`.
    """
    registry = registry_of(context)
    components = [item for item in registry.components(kind) if item.spec.name == name]
    if not components:
        raise registry.unknown(name, kind)
    if as_json:
        data = [_as_data(component, registry) for component in components]
        write_json({"schema": SCHEMA, "components": data})
        return
    for component in components:
        _show(component, registry)


def _settings(spec: Spec) -> Settings:
    return Settings() if spec.config is None else read_settings(spec.config)


def _as_data(component: Component, registry: Registry) -> dict[str, Any]:
    spec, record = component
    state, reason = state_of(component, registry)
    settings = _settings(spec)
    return {
        "kind": spec.kind,
        "distribution": record.distribution,
        "version": record.version,
        "state": state,
        "reason": reason,
        **_plain(spec),
        "settings": _plain(settings.fields),
        "presets": list(settings.presets),
    }


def _plain(value: Any) -> Any:
    """Turn records into what JSON knows."""
    if isinstance(value, TargetInfo):
        return value.as_data()
    if is_dataclass(value):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value if isinstance(value, (str, int, float, bool, type(None))) else str(value)


def _show(component: Component, registry: Registry) -> None:
    spec, _ = component
    _section(f"{spec.kind} {spec.name}", _overview(component, registry))
    targets: tuple[TargetInfo, ...] = getattr(spec, "targets", ())
    _section("labels", [_label(target) for target in targets])
    splits: Mapping[str, str] = getattr(spec, "splits", {})
    _section("splits", [Row(item) for item in splits.items()])
    tasks: tuple[BenchmarkTask, ...] = getattr(spec, "tasks", ())
    _section("tasks of the benchmark", [_task(task) for task in tasks])
    problems: tuple[str, ...] = getattr(spec, "known_problems", ())
    _section("known problems", [Row((problem,)) for problem in problems])
    settings = _settings(spec)
    _section("presets", [_preset(name, settings) for name in settings.presets])
    _section("settings", [_setting(setting) for setting in _plain(settings.fields)])
    _section("references", [Row((_citation(one),)) for one in spec.references])


def _section(title: str, rows: list[Row]) -> None:
    if rows:
        write_heading(title)
        write_table(rows, indent=2)


def _overview(component: Component, registry: Registry) -> list[Row]:
    spec, record = component
    state, reason = state_of(component, registry)
    lines = {
        "summary": spec.summary,
        "state": f"{state}: {reason}" if reason else state,
        "distribution": record.label,
        "class path": spec.class_path,
        "config": spec.config,
        "requires": ", ".join(spec.requires),
        "licence": spec.licence,
        **_specific(spec),
    }
    return [Row((key, _text(value))) for key, value in lines.items() if value not in (None, "")]


def _specific(spec: Spec) -> dict[str, str]:
    """Return the fields that only this kind of record has; those of nested records, flat."""
    lines: dict[str, str] = {}
    for field in fields(spec):
        value = getattr(spec, field.name)
        if field.name in (*_COMMON, *_SECTIONS):
            continue
        nested = _plain(value) if is_dataclass(value) else {field.name: value}
        lines.update({_words(key): _text(item) for key, item in nested.items()})
    return lines


def _words(name: str) -> str:
    return name.replace("_", " ")


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):
        return ", ".join(f"{key}={_text(item)}" for key, item in value.items())
    if isinstance(value, (list, tuple)):
        return ", ".join(map(_text, value))
    return str(value)


def _label(target: TargetInfo) -> Row:
    per = "per atom" if target.per_atom else "per crystal"
    return Row((target.name, target.unit, target.form, per, target.description))


def _task(task: BenchmarkTask) -> Row:
    unit = f" ({task.unit})" if task.unit else ""
    sizes = " / ".join(each_size(task.published_sizes))
    return Row((task.title, task.target, f"{task.metric}{unit}", f"published on {sizes}"))


def _preset(name: str, settings: Settings) -> Row:
    return Row((name, "default" if name == settings.presets[0] else ""))


def _setting(setting: Mapping[str, Any]) -> Row:
    default = "" if setting["default"] is None else f"= {_value(setting['default'])}"
    return Row((setting["name"], setting["type"], default, _unmarked(setting["description"])))


def _unmarked(text: str) -> str:
    """Return a docstring without the marks of code, which a terminal cannot set."""
    return text.replace("``", "")


def _value(default: Any) -> str:
    """Return a default as text; an empty collection as Python writes it."""
    return _text(default) or repr(default)


def _citation(reference: Reference) -> str:
    doi = f", doi:{reference.doi}" if reference.doi else ""
    authors = reference.authors.replace(" and ", "; ")
    return f"{authors}: {reference.title}. {reference.venue} ({reference.year}){doi}"
