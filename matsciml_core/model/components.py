"""From a component's record and settings to the component."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matsciml_core.errors import ConfigError
from matsciml_core.interfaces.encoder import Encoder
from matsciml_core.interfaces.head import TaskHead, TensorHead
from matsciml_core.registry.manager import Registry
from matsciml_core.registry.specs import Spec, TaskHeadSpec
from matsciml_core.registry.targets import TargetInfo


def build_component(spec: Spec, options: Mapping[str, Any], where: str) -> Any:
    """Build a dataset, encoder or strategy from its spec and settings."""
    return spec.load()(component_config(spec, options, where))


def component_config(spec: Spec, options: Mapping[str, Any], where: str) -> Any | None:
    """Return the component's validated settings, or None where it has none.

    Raises:
        ConfigError: A setting is unknown or wrong.
    """
    model = spec.load_config()
    if model is not None:
        return model.from_options(options, where=where)
    if options:
        raise ConfigError(
            f"The {spec.kind} '{spec.name}' has no settings; leave "
            f"'{where}.{next(iter(options))}' away."
        )
    return None


def build_head(
    registry: Registry,
    spec: TaskHeadSpec,
    targets: Sequence[TargetInfo],
    encoder: Encoder,
    options: Mapping[str, Any],
) -> TaskHead:
    """Build a task head that reads an encoder's embedding.

    Args:
        registry: Where encoders that a message may name are looked up.
        spec: The head.
        targets: The labels to predict.
        encoder: The encoder.
        options: Settings of the head.

    Raises:
        ConfigError: A setting is wrong, or the head needs vectors and matrices that the encoder
            does not give.
    """
    head_class: type[TaskHead] = spec.load()
    config = component_config(spec, options, "head")
    widths = encoder.atom_width, encoder.crystal_width
    if not issubclass(head_class, TensorHead):
        return head_class(targets, *widths, config)
    if not encoder.vector_width and not encoder.matrix_width:
        able = [one.name for one in registry.specs("encoder") if one.capabilities.tensors]
        examples = f" ({', '.join(able)})" if able else ""
        raise ConfigError(
            f"The head '{spec.name}' predicts {', '.join(info.name for info in targets)}, which "
            "turns with the crystal, and the encoder gives features that do not; choose an encoder "
            f"with vectors and matrices{examples}."
        )
    return head_class(
        targets,
        *widths,
        config,
        vector_width=encoder.vector_width,
        matrix_width=encoder.matrix_width,
    )
