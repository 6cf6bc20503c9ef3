"""Tables by name: those that come with this tool, those of plugins, and files of the user."""

from __future__ import annotations

from collections.abc import Callable
from importlib.resources import as_file, files
from pathlib import Path

from matsciml_core.errors import MatSciMLError, UnknownNameError, did_you_mean
from matsciml_core.registry.manager import Registry
from matsciml_tool_benchmark.hooks import BenchmarkSpec
from matsciml_tool_benchmark.request import TableRequest
from matsciml_tool_benchmark.table import DEFAULT_BUDGETS, BenchmarkTable, add_rows, read_table

_PUBLISHED = files("matsciml_tool_benchmark").joinpath("tables")


def find_table(
    request: TableRequest, registry: Registry, warn: Callable[[str], object]
) -> BenchmarkTable:
    """Return the table that a request names, with the rows of plugins and of the user's files.

    Args:
        request: The table's name or file, and files with further rows.
        registry: Where plugins' rows are looked up.
        warn: Receives a sentence where rows of a plugin are faulty; they are left out, so that
            they spoil no other plugin's table.

    Returns:
        The table.

    Raises:
        ConfigError: A file cannot be read, or its content is not valid.
        UnknownNameError: There is no table of that name.
    """
    path = Path(request.table)
    if path.suffix in (".yaml", ".yml"):
        table = read_table(path)
    else:
        table = _named_table(request.table, registry, warn)
    if not table.budgets:
        table = table.model_copy(update={"budgets": DEFAULT_BUDGETS})
    for file in request.rows:
        table = add_rows(table, file)
    return table


def _named_table(name: str, registry: Registry, warn: Callable[[str], object]) -> BenchmarkTable:
    specs = [spec for spec in registry.specs("benchmark") if isinstance(spec, BenchmarkSpec)]
    own = {spec.name: spec for spec in specs if not spec.table}
    published = [file.name.removesuffix(".yaml") for file in _PUBLISHED.iterdir()]
    if name in published:
        with as_file(_PUBLISHED.joinpath(f"{name}.yaml")) as path:
            table = read_table(path)
    elif name in own:
        table = BenchmarkTable(name=name, title=own[name].summary, budgets=DEFAULT_BUDGETS)
    else:
        names = sorted([*published, *own])
        raise UnknownNameError(
            f"There is no table '{name}'.{did_you_mean(name, names)} Tables: {', '.join(names)}; "
            "or name the YAML file of one."
        )
    # A set: two plugins may offer rows under one name, and get() says so once.
    for offer in sorted({spec.name for spec in specs if (spec.table or spec.name) == name}):
        try:
            spec = registry.get("benchmark", offer)
            origin = registry.record_of(spec).distribution
            rows = [row.model_copy(update={"origin": origin}) for row in spec.load()()]
            table = table.with_rows(rows)
        except MatSciMLError as error:
            warn(f"The rows of the benchmark '{offer}' are left out: {error}")
    return table
