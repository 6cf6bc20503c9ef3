"""Whether what is to be varied exists, and takes the values, before anything is trained."""

from __future__ import annotations

import types
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, Union, get_args, get_origin

from matsciml_core.errors import ConfigError
from matsciml_core.registry.manager import Registry
from matsciml_core.registry.setting_names import suggest_setting
from matsciml_core.training.config import RunConfig
from matsciml_tool_sweep.space import Axis, Range, configured, whole_numbers

LookUp = Callable[[Mapping[str, Any], Registry], object]
"""Checks names and settings of a run as ``matsciml run`` does."""
_FIXED = ("dataset", "datasets", "split", "target", "targets")
"""Sections that say which crystals, and what of them, a trial is validated on."""


def settle(
    axes: Sequence[Axis], data: Mapping[str, Any], registry: Registry, look_up: LookUp
) -> list[Axis]:
    """Check what is varied, and make ranges of settings that take whole numbers whole.

    Args:
        axes: What is varied.
        data: The configuration of the runs but for that.
        registry: Where components are looked up.
        look_up: What ``--set`` is checked by.

    Raises:
        ConfigError: A setting does not exist, may not be varied, or does not take a value.
        RegistryError: A component does not exist.
    """
    keys = [axis.key for axis in axes]
    for key in keys:
        if keys.count(key) > 1:
            raise ConfigError(f"'{key}' is varied twice; name all its values in one --vary.")
        if key.partition(".")[0] in _FIXED:
            raise ConfigError(
                f"'{key}' decides what a trial is validated on, so that trials which differ in it "
                "cannot be compared; vary settings of encoder, head, strategy or training."
            )
        if key == "output":
            raise ConfigError("'output' cannot be varied; --output names the folder of the sweep.")
    # Settings of a component are those of the first choice, where the component is varied, too.
    components = {
        axis.key: axis.ends[0]
        for axis in axes
        if axis.key in ("encoder", "strategy") or axis.key.endswith(".name")
    }
    first = configured(data, components)
    settled = [
        whole_numbers(axis)
        if isinstance(axis, Range) and not axis.whole and _is_whole(axis.key, first, registry)
        else axis
        for axis in axes
    ]
    start = configured(data, {axis.key: axis.ends[0] for axis in settled})
    for axis in settled:
        for value in axis.ends:
            changed = configured(start, {axis.key: value})
            look_up(changed, registry)
            if axis.key.startswith("head."):
                _check_head(axis.key, value, changed, registry)
    return settled


def _is_whole(key: str, data: Mapping[str, Any], registry: Registry) -> bool:
    """Return whether a setting takes whole numbers only; of one that nobody knows it is not."""
    section, _, name = key.partition(".")
    types_of_setting = [
        model.model_fields[name].annotation
        for model in _models(section, data, registry)
        if name in model.model_fields
    ]
    return bool(types_of_setting) and all(_takes_integers(one) for one in types_of_setting)


def _models(section: str, data: Mapping[str, Any], registry: Registry) -> list[Any]:
    """Return the classes that hold the settings of a section of a run."""
    if section in ("encoder", "strategy"):
        name = (data.get(section) or {}).get("name")
        model = None if name is None else registry.get(section, name).load_config()
        return [] if model is None else [model]
    if section == "head":
        return [model for _, model in _heads(data, registry)]
    field = RunConfig.model_fields.get(section)
    model = None if field is None else field.annotation
    return [model] if hasattr(model, "model_fields") else []


def _heads(data: Mapping[str, Any], registry: Registry) -> list[tuple[str, Any]]:
    """Return the heads that a run may have, each with the class of its settings."""
    name = (data.get("head") or {}).get("name")
    specs = registry.specs("task-head") if name is None else [registry.get("task-head", name)]
    return [(spec.name, model) for spec in specs if (model := spec.load_config()) is not None]


def _check_head(key: str, value: Any, data: Mapping[str, Any], registry: Registry) -> None:
    """Check a setting of heads, of which a run finds out only when it knows its labels."""
    name = key.removeprefix("head.")
    heads = _heads(data, registry)
    if name in ("name", "preset") or name.partition(".")[0] in dict(heads):
        return
    models = [model for _, model in heads if name in model.model_fields]
    if not models:
        known = {field for _, model in heads for field in model.model_fields}
        raise ConfigError(
            f"'{key}' is not a setting of a head.{suggest_setting(name, known, section='head')}"
            " 'matsciml info NAME' lists those of a head."
        )
    problems = []
    for model in models:
        try:
            model.from_options({name: value}, where="head")
        except ConfigError as error:
            problems.append(error)
    if len(problems) == len(models):
        raise problems[0]


def _takes_integers(annotation: Any) -> bool:
    """Return whether a type is that of whole numbers, or of nothing.

    >>> _takes_integers(int | None), _takes_integers(float), _takes_integers(bool)
    (True, False, False)
    """
    if get_origin(annotation) is Annotated:
        return _takes_integers(get_args(annotation)[0])
    if get_origin(annotation) in (Union, types.UnionType):
        kinds = [one for one in get_args(annotation) if one is not type(None)]
        return bool(kinds) and all(map(_takes_integers, kinds))
    return annotation is int
