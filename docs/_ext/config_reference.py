"""The reference of configs: every setting of a run and of each component, from the classes."""

from __future__ import annotations

import inspect
import types
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from markdown_tables import code, inline, markdown_table
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from matsciml_core.training.config import (
    ComponentConfig,
    InitConfig,
    RunConfig,
    SplitConfig,
    TrainingConfig,
)

_CORE: dict[str, type[BaseModel]] = {
    "The whole run": RunConfig,
    "A component: `datasets`, `encoder`, `strategy`": ComponentConfig,
    "`training`": TrainingConfig,
    "`split`": SplitConfig,
    "`init`": InitConfig,
}
_BOUNDS = {"gt": "> {}", "ge": "≥ {}", "lt": "< {}", "le": "≤ {}", "min_length": "(at least {})"}
_WORDS = {int: "integer", float: "number", str: "text", bool: "true or false", type(None): "null"}


def configs_markdown() -> str:
    """Return the reference of the sections of a run's configuration, in MyST Markdown."""
    return "\n\n".join(_section(title, model) for title, model in _CORE.items()) + "\n"


def run_config_schema() -> dict[str, Any]:
    """Return the JSON schema of a run's configuration, for editors and other programs."""
    return RunConfig.model_json_schema()


def config_table(model: type[BaseModel]) -> str:
    """Return the fields of a config as a table."""
    rows = [
        (f"`{name}`", type_text(field), default_text(field), inline(field.description or ""))
        for name, field in model.model_fields.items()
    ]
    return markdown_table(("setting", "type", "default", "what it does"), rows)


def presets_table(model: type[BaseModel]) -> str:
    """Return the named sets of values of a config as a table; empty where there are none."""
    presets: Mapping[str, Mapping[str, Any]] = getattr(model, "presets", {})
    rows = [
        (f"`{name}`", ", ".join(f"`{key}` {code(value)}" for key, value in values.items()))
        for name, values in presets.items()
    ]
    if not rows:
        return ""
    rows[0] = (f"{rows[0][0]} (default)", rows[0][1])
    return markdown_table(("preset", "sets"), [(a, b or "nothing: the defaults") for a, b in rows])


def type_text(field: FieldInfo) -> str:
    """Return what values a field takes, in words and with its bounds."""
    first, *others = _type(field.annotation).split(" or ")
    bounded = " ".join([first, *_bounds(field.metadata)])  # the bounds never concern null
    return " or ".join([bounded, *others])


def default_text(field: FieldInfo) -> str:
    """Return a field's default as it is written in YAML."""
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True)
    if isinstance(value, ComponentConfig):
        return code(value.name)
    return "as in its section" if isinstance(value, BaseModel) else code(value)


def _section(title: str, model: type[BaseModel]) -> str:
    text = inline(inspect.cleandoc(model.__doc__ or "").partition("\n\n")[0])
    return f"## {title}\n\n{text}\n\n{config_table(model)}"


def _type(annotation: Any) -> str:
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return " ".join([_type(inner[0]), *_bounds(inner[1:])])
    if origin is Literal:
        return ", ".join(code(value) for value in inner)
    if origin in (Union, types.UnionType):
        return " or ".join(_type(one) for one in inner)
    if origin is tuple:
        return f"list of {_type(inner[0])}"
    if inspect.isclass(origin) and issubclass(origin, Mapping):
        return "mapping"
    if inspect.isclass(annotation) and issubclass(annotation, BaseModel):
        return "component" if annotation is ComponentConfig else "section"
    return _WORDS.get(annotation, str(annotation))


def _bounds(metadata: Any) -> Iterator[str]:
    for bound in metadata:
        for name, words in _BOUNDS.items():
            value = getattr(bound, name, None)
            if value is not None:
                yield words.format(f"{value:g}")
