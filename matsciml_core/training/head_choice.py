"""Which head predicts which labels of a run, with which settings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from matsciml_core.errors import ConfigError
from matsciml_core.registry.specs import TaskHeadSpec
from matsciml_core.registry.targets import TargetInfo

if TYPE_CHECKING:
    from matsciml_core.registry.manager import Registry


def group_labels(
    registry: Registry,
    name: str | None,
    infos: Sequence[TargetInfo],
    *,
    closed_form: bool = False,
) -> list[tuple[TaskHeadSpec, tuple[TargetInfo, ...]]]:
    """Say which labels of a dataset one head predicts together.

    A head whose spec is ``joint`` takes at most one label of each of its kinds, in the order in
    which it lists the kinds; every other head takes one label.

    Args:
        registry: Where heads are looked up.
        name: The head that the user named; None: the default for each label.
        infos: The labels, in the order in which the user named them.
        closed_form: Whether the default heads are those that need no gradient steps.

    Returns:
        A head with its labels for each task.

    Raises:
        ConfigError: See :func:`head_spec`.
    """
    groups: list[tuple[TaskHeadSpec, list[TargetInfo]]] = []
    for info in infos:
        spec = head_spec(registry, name, info, closed_form=closed_form)
        for other, members in groups:
            taken = {member.kind for member in members}
            if spec.joint and other.name == spec.name and info.kind not in taken:
                members.append(info)
                break
        else:
            groups.append((spec, [info]))
    return [
        (spec, tuple(sorted(members, key=lambda one: spec.target_kinds.index(one.kind))))
        for spec, members in groups
    ]


def head_options(
    head: Mapping[str, Any], spec: TaskHeadSpec, specs: Mapping[str, TaskHeadSpec]
) -> dict[str, Any]:
    """Return the settings of one head of a run.

    A setting reaches every head that has it. Under a head's name it reaches that head only, and
    wins: ``{"dropout": 0.1, "quantile": {"hidden": [128]}}``.

    Args:
        head: The section ``head`` of the configuration.
        spec: The head.
        specs: All heads of the run by name.

    Returns:
        Settings; one that no head has is handed to all of them, so that it is refused.
    """
    fields: dict[str, set[str]] = {}
    for name, other in specs.items():
        model = other.load_config()
        preset = ["preset"] if model is not None and model.presets else []
        fields[name] = set() if model is None else {*model.model_fields, *preset}
    all_fields = set().union(*fields.values())
    own = head.get(spec.name) if isinstance(head.get(spec.name), Mapping) else None
    shared = {
        key: value
        for key, value in head.items()
        if key != "name" and not (key in specs and isinstance(value, Mapping))
    }
    options = {
        key: value
        for key, value in shared.items()
        if key in fields[spec.name] or key not in all_fields
    }
    return {**options, **(own or {})}


def head_spec(
    registry: Registry, name: str | None, info: TargetInfo, *, closed_form: bool = False
) -> TaskHeadSpec:
    """Return the head for a label: the one named, or the default one for its kind.

    Args:
        registry: Where heads are looked up.
        name: The head that the user named; None: the default.
        info: The label.
        closed_form: Whether the default is one that needs no gradient steps.

    Raises:
        ConfigError: The head cannot train this kind of label, no head can, or several could.
        RegistryError: There is no head of that name.
    """
    if name is not None:
        spec: TaskHeadSpec = registry.get("task-head", name)
        if info.kind not in spec.target_kinds:
            raise ConfigError(
                f"The head '{name}' trains {', '.join(spec.target_kinds)} labels, but "
                f"'{info.name}' is {info.kind}; leave 'head.name' away or choose another head."
            )
        return spec
    able = [
        spec
        for spec in registry.specs("task-head")
        if info.kind in spec.target_kinds and spec.closed_form == closed_form
    ]
    chosen = [spec for spec in able if spec.default] or able
    if len(chosen) == 1:
        return chosen[0]
    if chosen:
        names = ", ".join(spec.name for spec in chosen)
        raise ConfigError(
            f"Several heads can train {info.kind} labels such as '{info.name}' ({names}); pick one "
            "with --set head.name=NAME."
        )
    others = [spec.name for spec in registry.specs("task-head") if info.kind in spec.target_kinds]
    if others:
        fitted, trained = "fitted in closed form", "trained by gradient steps"
        own, other = (fitted, trained) if closed_form else (trained, fitted)
        raise ConfigError(
            f"Labels of kind {info.kind} such as '{info.name}' need a head that is {other} "
            f"({', '.join(others)}), and models of this encoder are {own}; choose another encoder "
            "or another target."
        )
    raise ConfigError(
        f"No installed head trains {info.kind} labels such as '{info.name}'; install one, see "
        "'matsciml list-plugins --kind task-head', or choose another target."
    )
