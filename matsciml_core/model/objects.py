"""Components that a program hands over as objects, rather than by a name of the registry.

A registry that includes them treats them as any other component: a record says what they are, and
its ``load`` returns the object. Nothing here imports torch.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

from matsciml_core.errors import ConfigError
from matsciml_core.interfaces.config import Config
from matsciml_core.registry.records import PluginRecord
from matsciml_core.registry.specs import DatasetSpec, EncoderSpec, Spec

if TYPE_CHECKING:
    from matsciml_core.interfaces.dataset import Dataset
    from matsciml_core.interfaces.encoder import Encoder
    from matsciml_core.registry.manager import Registry

OBJECT = "object"
"""The setting that stands for an object whose class no plugin offers."""


class ObjectConfig(Config):
    """What a configuration can say of an object whose class no plugin offers."""

    object: str
    """Import path of its class, ``module:Class``."""


@dataclass(frozen=True, kw_only=True)
class ObjectDatasetSpec(DatasetSpec):
    """The record of a dataset that was handed over."""

    instance: Dataset = field(repr=False, compare=False)

    def load(self) -> Callable[[Config | None], Dataset]:
        """Return a function that returns the dataset, whatever its settings."""
        return lambda config: self.instance


@dataclass(frozen=True, kw_only=True)
class ObjectEncoderSpec(EncoderSpec):
    """The record of an encoder that was handed over."""

    instance: Encoder = field(repr=False, compare=False)

    def load(self) -> Callable[[Config | None], Encoder]:
        """Return a function that returns the encoder, whatever its settings."""
        return lambda config: self.instance


ObjectSpec = ObjectDatasetSpec | ObjectEncoderSpec


def record_object(
    instance: Any, kind: type[ObjectSpec], registry: Registry
) -> tuple[ObjectSpec, dict[str, Any]]:
    """Return the record of an object, and what a configuration says of it.

    An object of a class that a plugin offers goes by that plugin's name and has its own settings,
    so that the configuration builds it again. Of any other object the class is recorded.

    Args:
        instance: A dataset or an encoder.
        kind: The class of its record.
        registry: Where plugins offer theirs.

    Returns:
        The record, and a name with settings.
    """
    path = class_path_of(instance)
    offered = _offered(instance, registry.specs(kind.kind))
    if offered is not None:
        common = [item.name for item in fields(kind) if item.name != "instance"]
        settings = {} if instance.config is None else instance.config.model_dump(mode="json")
        spec = kind(**{name: getattr(offered, name) for name in common}, instance=instance)
        return spec, {"name": offered.name, **settings}
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", type(instance).__name__).lower()
    name = words.strip("_") or "unnamed"
    if any(spec.name == name for spec in registry.specs(kind.kind)):
        name = f"{name}-object"  # a run must not be taken for one with the plugin's component
    spec = kind(
        name=name,
        summary=f"An object of the class '{path}'.",
        class_path=path,
        config="matsciml_core.model.objects:ObjectConfig",
        instance=instance,
    )
    return spec, {"name": name, OBJECT: path}


def objects_record(specs: tuple[Spec, ...]) -> PluginRecord:
    """Return what :meth:`Registry.including` takes, of records of objects."""
    return PluginRecord(
        entry_point="objects",
        distribution="this program",
        version="",
        module="",
        state="ok",
        specs=specs,
    )


def require_object(kind: str, name: str, settings: Mapping[str, Any], registry: Registry) -> None:
    """Reject a component that was an object and has not been handed over again.

    Args:
        kind: ``dataset`` or ``encoder``.
        name: What the configuration calls it.
        settings: Its settings there.
        registry: With the objects that were handed over.

    Raises:
        ConfigError: It cannot be built by name.
    """
    path = settings.get(OBJECT)
    if path is None:
        return
    present = [spec for spec in registry.specs(kind) if spec.name == name]
    if not present:
        raise ConfigError(
            f"The {kind} '{name}' was an object of the class '{path}', which no plugin offers, so "
            f"that it cannot be built by its name; hand it over again as {kind}=… in Python, or "
            "let a plugin offer its class."
        )
    if present[0].class_path != path:
        raise ConfigError(
            f"The {kind} '{name}' was an object of the class '{path}', and one of the class "
            f"'{present[0].class_path}' was handed over; hand over the former."
        )


def class_path_of(instance: Any) -> str:
    """Return the import path of an object's class, ``module:Class``."""
    return f"{type(instance).__module__}:{type(instance).__qualname__.rpartition('.')[2]}"


def _offered(instance: Any, specs: list[Any]) -> Any | None:
    """Return the record of the component whose class and settings an object has, if any."""
    path = class_path_of(instance)
    for spec in specs:
        # An imported dataset's class serves every imported dataset, and load() binds the folder.
        if spec.class_path == path and spec.load() is type(instance):
            model = spec.load_config()
            settings = instance.config
            if settings is None or (model is not None and type(settings) is model):
                return spec
    return None
