"""Options that several commands share, as records: written once, and taken whole.

A record is a frozen dataclass whose fields have typer's annotations and defaults. Nothing here
imports torch, so that a misspelt option is answered at once.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from functools import wraps
from typing import Any, get_type_hints


def takes_options(command: Callable[..., None]) -> Callable[..., None]:
    """Let a command take the fields of records as options, in the place of its parameters for them.

    An option that the command has itself, such as minutes that are not those of one run, is its own
    and none of a record, which then keeps its default.

    Args:
        command: A function with typer's annotations, and with a record as the annotation of one
            parameter or more.

    Returns:
        A function that typer makes a command of.
    """
    hints = get_type_hints(command, include_extras=True)
    own = inspect.signature(command).parameters
    records = {name: hints[name] for name in own if is_dataclass(hints[name])}
    taken = {
        name: [item.name for item in fields(record) if item.name not in own]
        for name, record in records.items()
    }
    parameters: list[inspect.Parameter] = []
    for name, parameter in own.items():
        # By keyword: after the options, which have defaults, one without may follow.
        if name not in records:
            parameters.append(
                parameter.replace(annotation=hints[name], kind=parameter.KEYWORD_ONLY)
            )
            continue
        shared = get_type_hints(records[name], include_extras=True)
        parameters += [
            inspect.Parameter(
                item.name,
                inspect.Parameter.KEYWORD_ONLY,
                default=item.default,
                annotation=shared[item.name],
            )
            for item in fields(records[name])
            if item.name in taken[name]
        ]

    @wraps(command)
    def with_options(**values: Any) -> None:
        for name, record in records.items():
            values[name] = record(**{item: values.pop(item) for item in taken[name]})
        command(**values)

    # What typer reads, of which the one or the other depends on its version.
    vars(with_options)["__signature__"] = inspect.Signature(parameters)
    with_options.__annotations__ = {one.name: one.annotation for one in parameters}
    return with_options
