"""What is varied: ranges and choices of settings, as ``--vary`` words them."""

from __future__ import annotations

import copy
import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from matsciml_core.errors import ConfigError
from matsciml_core.guarded import parse_yaml
from matsciml_core.training.config import override
from matsciml_core.training.config_data import merge

_RANGE = re.compile(r"([^\s,]+?)\.\.([^\s,]+?)((?::\w+)*)")
_MARKS = ("log", "int")
EXAMPLE = (
    "encoder.cutoff=4..8, training.learning_rate=1e-4..1e-2:log or encoder.elements=learnt,both"
)


@dataclass(frozen=True, kw_only=True)
class Range:
    """Numbers from one to another, both included."""

    key: str
    """The setting with its section: ``encoder.cutoff``."""
    low: float
    high: float
    log: bool = False
    """Whether equal ratios, rather than equal differences, are equally likely at first."""
    whole: bool = False
    """Whether only whole numbers are tried."""

    @property
    def ends(self) -> tuple[Any, ...]:
        """Values of the setting without which none of the others can be right."""
        kind = int if self.whole else float
        return kind(self.low), kind(self.high)

    @property
    def size(self) -> float:
        """How many values there are."""
        return self.high - self.low + 1 if self.whole else math.inf

    @property
    def text(self) -> str:
        """The range as ``--vary`` takes it."""
        marks = (":log" if self.log else "") + (":int" if self.whole else "")
        return f"{self.low:g}..{self.high:g}{marks}"


@dataclass(frozen=True, kw_only=True)
class Choices:
    """A few values, of whatever kind the setting has."""

    key: str
    """The setting with its section: ``encoder.elements``."""
    values: Mapping[str, Any]
    """Values by how they are written."""

    @property
    def ends(self) -> tuple[Any, ...]:
        """All values: each may be wrong by itself."""
        return tuple(self.values.values())

    @property
    def size(self) -> float:
        """How many values there are."""
        return len(self.values)

    @property
    def text(self) -> str:
        """The choices as ``--vary`` takes them."""
        return ",".join(self.values)


Axis = Range | Choices
"""A setting that is varied."""


def parse_axis(text: str) -> Axis:
    """Read what the user varies.

    Args:
        text: ``KEY=LOW..HIGH``, with ``:log`` or ``:int`` behind it, or ``KEY=A,B,…``.

    Raises:
        ConfigError: It is neither.

    >>> parse_axis("training.learning_rate=1e-4..1e-2:log").log
    True
    >>> parse_axis("head.hidden=[64],[64,32]").ends
    ([64], [64, 32])
    """
    key, separator, values = (part.strip() for part in text.partition("="))
    if not separator or not key or not values:
        raise ConfigError(
            f"'--vary {text}' is neither KEY=LOW..HIGH nor KEY=A,B,…; write for example {EXAMPLE}."
        )
    match = _RANGE.fullmatch(values)
    return _choices(text, key, values) if match is None else _range(text, key, *match.groups())


def _range(text: str, key: str, low: str, high: str, marks: str) -> Range:
    """Read a range."""
    try:
        first, last = float(low), float(high)
    except ValueError:
        first = last = math.nan
    if not (math.isfinite(first) and math.isfinite(last)):
        raise ConfigError(
            f"'--vary {text}' does not range from one number to another; write for example "
            f"{key}=4..8, or choices as {key}=A,B."
        )
    if first >= last:
        raise ConfigError(
            f"'--vary {text}' does not rise; write the smaller number first, and the larger behind "
            "the two dots."
        )
    chosen = marks.split(":")[1:]
    unknown = [mark for mark in chosen if mark not in _MARKS]
    if unknown:
        raise ConfigError(
            f"'--vary {text}' ends with ':{unknown[0]}'; a range may end with ':log', for equal "
            "ratios, and ':int', for whole numbers."
        )
    if "log" in chosen and first <= 0:
        raise ConfigError(
            f"'--vary {text}' is logarithmic and does not begin above zero; begin above zero, or "
            "leave ':log' away."
        )
    axis = Range(key=key, low=first, high=last, log="log" in chosen)
    return whole_numbers(axis) if "int" in chosen else axis


def whole_numbers(axis: Range) -> Range:
    """Return a range of whole numbers only.

    Raises:
        ConfigError: It begins or ends at another number.
    """
    if not (axis.low.is_integer() and axis.high.is_integer()):
        raise ConfigError(
            f"'{axis.key}' takes whole numbers, but '--vary {axis.key}={axis.text}' begins or ends "
            "between two; write whole numbers."
        )
    return Range(key=axis.key, low=axis.low, high=axis.high, log=axis.log, whole=True)


def _choices(text: str, key: str, values: str) -> Choices:
    """Read choices, as the entries of a list in YAML."""
    try:
        entries = parse_yaml(f"[{values}]")
    except (yaml.YAMLError, ValueError) as error:
        raise ConfigError(
            f"The choices in '--vary {text}' are not values separated by commas; write for example "
            f"{EXAMPLE}."
        ) from error
    written = {written_as(value): value for value in entries}
    if len(written) < 2 or len(written) < len(entries):
        raise ConfigError(
            f"'--vary {text}' does not name two or more different values; write for example "
            f"{EXAMPLE}, or --set {text} for a single one."
        )
    return Choices(key=key, values=written)


def written_as(value: Any) -> str:
    """Return a value of a setting as a person writes it.

    >>> written_as([64, 32]), written_as(None), written_as(0.25), written_as("both")
    ('[64, 32]', 'null', '0.25', 'both')
    """
    return value if isinstance(value, str) else json.dumps(value, default=str, ensure_ascii=False)


def shown(value: Any) -> str:
    """Return a value of a setting with as many digits as a person reads.

    >>> shown(0.0012345678), shown(5), shown("both")
    ('0.001235', '5', 'both')
    """
    return f"{value:.4g}" if isinstance(value, float) else written_as(value)


def nested(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings with dotted names as sections of a configuration.

    Raises:
        ConfigError: One contradicts another.

    >>> nested({"encoder.cutoff": 5.0, "training.epochs": 3})
    {'encoder': {'cutoff': 5.0}, 'training': {'epochs': 3}}
    """
    result: dict[str, Any] = {}
    for key, value in settings.items():
        first, *rest = key.split(".")
        section: Any = value
        for name in reversed(rest):
            section = {name: section}
        merge(result, {first: section}, where=key)
    return result


def configured(data: Mapping[str, Any], settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return a configuration with some of its settings changed; it stays as it is itself.

    Args:
        data: A configuration as plain data.
        settings: Values by their names with sections.
    """
    return override(copy.deepcopy(dict(data)), nested(settings))


def combinations(axes: Sequence[Axis]) -> float:
    """Return how many combinations of values there are."""
    return math.prod(axis.size for axis in axes)
