"""Commands whose parameters are read without pydantic where there is nothing to convert.

typer, from 0.29 on, imports pydantic to convert the value of every option that is not a flag,
absent values and plain text included, which doubles the time that a light command takes. Other
versions of typer are left as they are.
"""

from __future__ import annotations

import math
from typing import Any

from typer.core import TyperCommand, TyperGroup

from matsciml_core.errors import ConfigError

_TOO_LARGE = 2**63
"""What libraries in C cannot hold as a whole number."""


class _Conversion:
    """Converts the values of one parameter in place of the object that typer makes for that."""

    def __init__(self, parameter: Any) -> None:
        self._build = parameter.get_runtime_param
        descriptor = parameter.type_descriptor
        parser = getattr(descriptor.parameter_info, "parser", None)
        self._is_text = descriptor.annotation is str and parser is None

    def __call__(self) -> _Conversion:
        return self

    def coerce(self, value: Any, param: Any, ctx: Any) -> Any:
        """Return what typer's own conversion returns, without it in the two plain cases."""
        # Several values are a list, in which each must be converted.
        several = getattr(param, "multiple", False) or param.nargs != 1
        if value is None and not several:
            return None
        if self._is_text and isinstance(value, str) and not several:
            return value
        return self._build().coerce(value, param=param, ctx=ctx)


def _lighten(parameter: Any) -> Any:
    # Releases of typer that have no such method import no pydantic here either.
    current = getattr(parameter, "get_runtime_param", None)
    if current is not None and not isinstance(current, _Conversion):
        parameter.get_runtime_param = _Conversion(parameter)
    return parameter


class LightCommand(TyperCommand):
    """A command that takes plain text and absent values as they are."""

    def get_params(self, ctx: Any) -> list[Any]:
        """Return the parameters, ``--help`` included."""
        return [_lighten(parameter) for parameter in super().get_params(ctx)]

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read the arguments; a number that is not finite passes every ``min`` and ``max``.

        So does a whole number that libraries cannot hold.

        Raises:
            ConfigError: There is one.
        """
        rest: list[str] = super().parse_args(ctx, args)
        for parameter in self.get_params(ctx):
            given = ctx.params.get(parameter.name)
            option = max(parameter.opts, key=len)  # its long name, where it has a short one
            for value in given if isinstance(given, list | tuple) else [given]:
                if isinstance(value, float) and not math.isfinite(value):
                    raise ConfigError(f"'{option}' is {value}; give a finite number.")
                if isinstance(value, int) and abs(value) >= _TOO_LARGE:
                    raise ConfigError(f"'{option}' is {value}; give a number below 2^63.")
        return rest


class LightGroup(TyperGroup):
    """A group of commands that takes plain text and absent values as they are."""

    def get_params(self, ctx: Any) -> list[Any]:
        """Return the parameters, ``--help`` included."""
        return [_lighten(parameter) for parameter in super().get_params(ctx)]
