"""Base class of every component's settings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Self, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, ValidationError

from matsciml_core.errors import SettingError, did_you_mean
from matsciml_core.registry.setting_names import suggest_setting

Model = TypeVar("Model", bound=BaseModel)


class Config(BaseModel):
    """Settings of a component: typed, immutable, unknown keys rejected.

    A subclass lists its fields with a default and a docstring each; the documentation, the
    command line's help and the JSON schema are made from them.

    >>> class MineConfig(Config):
    ...     width: int = 64
    ...     '''Width of the hidden layers, dimensionless.'''
    >>> MineConfig.from_options({"width": "128"}, where="encoder").width
    128
    """

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        use_attribute_docstrings=True,
        validate_default=True,
        allow_inf_nan=False,
    )

    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {}
    """Named sets of values; ``preset=NAME`` picks one, other options override it."""

    @classmethod
    def from_options(cls, options: Mapping[str, Any], *, where: str) -> Self:
        """Build the settings from plain data.

        Args:
            options: Values by field name; ``preset`` picks a named set to start from, and where
                it is absent the first preset, if there is one, is used.
            where: The section of the run's configuration, for error messages.

        Returns:
            The validated settings.

        Raises:
            SettingError: A key is unknown or a value has the wrong type.
        """
        values = dict(options)
        preset = values.pop("preset", next(iter(cls.presets), None))
        if preset is not None:
            if not isinstance(preset, str) or preset not in cls.presets:
                raise SettingError(
                    f"{where}.preset",
                    f"is '{preset}', which does not exist."
                    f"{did_you_mean(str(preset), cls.presets)}"
                    f" Presets: {', '.join(cls.presets) or 'none'}.",
                )
            values = {**cls.presets[preset], **values}
        return validate(cls, values, where=where)


def validate(model: type[Model], values: Mapping[str, Any], *, where: str) -> Model:
    """Build a pydantic model, turning its errors into one clear sentence.

    Raises:
        SettingError: The first thing that is wrong, with its key and what was expected.
    """
    for name, field in model.model_fields.items():
        # pydantic reads a truth value as 1 or 0: ``batch_size: yes`` would be batches of one.
        if _has_truth_value(values.get(name)) and not _admits_truth(field.annotation):
            key = f"{where}.{name}" if where else name
            raise SettingError(
                key,
                f"is {values[name]!r}, which YAML reads yes, no, on and off as too; it takes no "
                "truth value.",
            )
    try:
        return model(**values)
    except ValidationError as error:
        raise _explain(error, model, where) from error


def _has_truth_value(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return any(map(_has_truth_value, value))
    return isinstance(value, bool)


def _admits_truth(annotation: Any) -> bool:
    """Return whether a field's type has a truth value in it."""
    if annotation in (bool, Any, object, None):
        return annotation is not None
    if isinstance(annotation, type) and issubclass(annotation, BaseModel | Mapping):
        return True  # a section or a mapping is checked by itself
    parts = get_args(annotation)
    return any(_admits_truth(part) or isinstance(part, bool) for part in parts)


def _explain(error: ValidationError, model: type[BaseModel], where: str) -> SettingError:
    first = error.errors(include_url=False)[0]
    key = ".".join(str(part) for part in (where, *first["loc"]) if part != "")
    if first["type"] == "extra_forbidden":
        name = str(first["loc"][-1])
        fields = sorted(model.model_fields)
        return SettingError(
            key,
            f"is not a setting.{suggest_setting(name, fields, section=where)}"
            f" Settings of '{where or 'the run'}': {', '.join(fields) or 'none'}.",
        )
    if first["type"] == "missing":
        return SettingError(
            key, f"is missing; give it with '--set {key}=VALUE' or in the configuration file."
        )
    if first["type"] in ("int_parsing", "int_from_float"):
        return SettingError(key, f"is {first['input']!r}; give a whole number, such as 3.")
    if first["type"] == "float_parsing":
        return SettingError(key, f"is {first['input']!r}; give a number, such as 0.5.")
    message = first["msg"].removeprefix("Value error, ")
    return SettingError(key, f"is {first['input']!r}: {message[0].lower()}{message[1:]}.")
