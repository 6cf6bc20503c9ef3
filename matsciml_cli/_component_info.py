"""A component as ``matsciml info`` shows it: as sections of rows, or as data for JSON."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import Any

from matsciml_cli._listings import state_of
from matsciml_cli._settings import Setting, Settings, read_settings
from matsciml_cli.console import Row
from matsciml_core.registry.environments import EnvironmentSpec, current_environment
from matsciml_core.registry.manager import Component, Registry
from matsciml_core.registry.pretrained import PretrainedSpec
from matsciml_core.registry.published_tasks import each_size
from matsciml_core.registry.specs import DatasetSpec, Spec
from matsciml_core.registry.targets import TargetInfo

_COMMON = tuple(field.name for field in fields(Spec))
_SECTIONS = ("targets", "splits", "tasks", "known_problems", "limits", "offers")
"""Fields that are shown in sections of their own."""


def component_sections(component: Component, registry: Registry) -> Iterator[tuple[str, list[Row]]]:
    """Yield the sections about a component, each with its title; some may have no rows."""
    spec = component.spec
    settings = settings_of(spec)
    presets = settings.presets
    yield f"{spec.kind} {spec.name}", _overview(component, registry)
    if isinstance(spec, EnvironmentSpec):
        offers = [(item.kind, item.name, item.distribution, item.summary) for item in spec.offers]
        yield "offers", [Row(entries) for entries in offers]
    if isinstance(spec, DatasetSpec):
        labels = []
        for target in spec.targets:
            per = "per atom" if target.per_atom else "per crystal"
            labels.append(Row((target.name, target.unit, target.form, per, target.description)))
        tasks = []
        for task in spec.tasks:
            metric = f"{task.metric} ({task.unit})" if task.unit else task.metric
            sizes = f"published on {' / '.join(each_size(task.published_sizes))}"
            tasks.append(Row((task.title, task.target, metric, sizes)))
        yield "labels", labels
        yield "splits", [Row(item) for item in spec.splits.items()]
        yield "tasks of the benchmark", tasks
        yield "known problems", [Row((problem,)) for problem in spec.known_problems]
    if isinstance(spec, PretrainedSpec):
        yield "limits", [Row((limit,)) for limit in spec.limits]
    yield "presets", [Row((name, "default" if name == presets[0] else "")) for name in presets]
    yield "settings", [setting_row(setting) for setting in settings.fields]
    dois = [f", doi:{reference.doi}" if reference.doi else "" for reference in spec.references]
    cited = zip(spec.references, dois, strict=True)
    yield "references", [Row((f"{reference.citation}{doi}",)) for reference, doi in cited]


def component_data(component: Component, registry: Registry) -> dict[str, Any]:
    """Return everything about a component as plain data."""
    spec, plugin = component
    state, reason = state_of(component, registry)
    settings = settings_of(spec)
    return {
        "kind": spec.kind,
        "distribution": plugin.distribution,
        "version": plugin.version,
        "environment": current_environment(),
        "state": state,
        "reason": reason,
        **plain(spec),
        "settings": plain(settings.fields),
        "presets": list(settings.presets),
    }


def settings_of(spec: Spec) -> Settings:
    """Return the settings of a component, read without importing them."""
    return Settings() if spec.config is None else read_settings(spec.config)


def setting_row(setting: Setting) -> Row:
    """Return name, type, default and meaning of a setting."""
    # An empty collection is shown as Python writes it, because nothing would look like no default.
    value = "" if setting.default is None else _text(setting.default) or repr(setting.default)
    default = f"= {value}" if value else ""
    # A terminal cannot set text as code.
    return Row((setting.name, setting.type, default, setting.description.replace("``", "")))


def plain(value: Any) -> Any:
    """Turn records into what JSON knows."""
    if isinstance(value, TargetInfo):
        return value.as_data()
    if is_dataclass(value):
        return {field.name: plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return value if isinstance(value, (str, int, float, bool, type(None))) else str(value)


def _overview(component: Component, registry: Registry) -> list[Row]:
    spec, plugin = component
    state, reason = state_of(component, registry)
    lines = {
        "summary": spec.summary,
        "state": f"{state}: {reason}" if reason else state,
        "distribution": plugin.label,
        "environment": current_environment(),
        "class path": spec.class_path,
        "config": spec.config,
        "requires": ", ".join(spec.requires),
        "licence": spec.licence,
    }
    # What only this kind of record has follows; the fields of records within it stand flat.
    for field in fields(spec):
        value = getattr(spec, field.name)
        if field.name not in (*_COMMON, *_SECTIONS):
            nested = plain(value) if is_dataclass(value) else {field.name: value}
            lines |= {key.replace("_", " "): _text(item) for key, item in nested.items()}
    return [Row((key, _text(value))) for key, value in lines.items() if value not in (None, "")]


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):
        separator = "; " if any(isinstance(item, Mapping) for item in value.values()) else ", "
        return separator.join(
            f"{key}: {_text(item)}" if isinstance(item, Mapping) else f"{key}={_text(item)}"
            for key, item in value.items()
        )
    if isinstance(value, (list, tuple)):
        return ", ".join(map(_text, value))
    return str(value)
