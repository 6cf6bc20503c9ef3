"""The reference of hooks: signature and docstring of each, and the records they exchange."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from typing import Any, get_args, get_type_hints

from markdown_tables import inline, record_table
from plugin_reference import registry

import matsciml_core
from matsciml_core.registry.hooks import MatSciMLSpecs
from matsciml_core.registry.specs import Spec

_REGISTRATION = "## Registration"
_LIFECYCLE = "## Lifecycle"
_TOOLS = "## Hooks of tools"
RECORDS = {
    "What every record holds": ("Spec",),
    "Records of components": (
        "DatasetSpec",
        "EncoderSpec",
        "EncoderCapabilities",
        "TaskHeadSpec",
        "StrategySpec",
        "ReaderSpec",
        "CommandSpec",
        "CallbackSpec",
        "LoggerSpec",
        "BaselineSpec",
        "PretrainedSpec",
        "EnvironmentSpec",
        "CheckSpec",
    ),
    "Records within records": (
        "TargetInfo",
        "Grid",
        "Reference",
        "BenchmarkTask",
        "PublishedNumber",
        "Inventory",
        "OfferedComponent",
    ),
    "What functions that records name return": ("Check",),
    "What lifecycle hooks receive": ("RunInfo", "RunResult"),
}


def hooks() -> Iterator[tuple[str, Callable[..., Any]]]:
    """Yield the name and specification of each hook, in the order of the code."""
    for name, function in vars(MatSciMLSpecs).items():
        if name.startswith("matsciml_"):
            yield name, function


def tool_hooks() -> Iterator[tuple[str, str, Callable[..., Any]]]:
    """Yield distribution, name and specification of each hook that a plugin here brings."""
    plugins = registry()
    for record in plugins.plugins:
        for name in record.hookspecs:
            yield record.distribution, name, getattr(plugins.hook, name).spec.function


def signature(name: str, function: Callable[..., Any]) -> str:
    """Return a hook's signature as a plugin writes it, without ``self``.

    >>> signature("matsciml_before_fit", MatSciMLSpecs.matsciml_before_fit)
    'matsciml_before_fit(run: RunInfo) -> None'
    """
    whole = inspect.signature(function)
    parameters = [one for key, one in whole.parameters.items() if key != "self"]
    # Annotations are text here (PEP 563), and would be shown in quotation marks.
    given = ", ".join(f"{one.name}: {one.annotation}" for one in parameters)
    return f"{name}({given}) -> {whole.return_annotation}"


def hooks_markdown() -> str:
    """Return the reference of all hooks, in MyST Markdown."""
    registration = [_section(*hook) for hook in hooks() if not _is_lifecycle(hook[0])]
    lifecycle = [_section(*hook) for hook in hooks() if _is_lifecycle(hook[0])]
    tools = [_tool_section(*hook) for hook in tool_hooks()]
    records = [f"### {title}\n\n{_records(names)}" for title, names in RECORDS.items()]
    parts = [_REGISTRATION, *registration, _LIFECYCLE, *lifecycle, _TOOLS, *tools]
    parts += ["## Records", *records]
    return "\n\n".join(parts) + "\n"


def _is_lifecycle(name: str) -> bool:
    return name.startswith(("matsciml_before_", "matsciml_after_"))


def _section(name: str, function: Callable[..., Any]) -> str:
    text = inspect.cleandoc(function.__doc__ or "")
    return f"({name})=\n### `{signature(name, function)}`\n\n{_restructured(text)}"


def _tool_section(distribution: str, name: str, function: Callable[..., Any]) -> str:
    text = f"{_section(name, function)}\n\nBrought by `{distribution}`."
    items = get_args(get_type_hints(function).get("return"))
    records = [item for item in items if isinstance(item, type) and issubclass(item, Spec)]
    return "\n\n".join([text, *map(_record, records)])


def _records(names: tuple[str, ...]) -> str:
    return "\n\n".join(_record(getattr(matsciml_core, name)) for name in names)


def _record(record: type) -> str:
    text = inline(inspect.cleandoc(record.__doc__ or "").partition("\n\n")[0])
    return f"#### `{record.__name__}`\n\n{text}\n\n{record_table(record)}"


def _restructured(text: str) -> str:
    """Set text in the markup of docstrings, reStructuredText, within Markdown."""
    return f"```{{eval-rst}}\n{text}\n```"
