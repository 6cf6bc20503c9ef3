"""Plain data of configurations: read from files and ``key=value`` pairs, and merged."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from matsciml_core.errors import ConfigError
from matsciml_core.guarded import BoundsError, parse_yaml, read_text


def parse_overrides(pairs: Sequence[str]) -> dict[str, Any]:
    """Turn ``key=value`` pairs with dotted keys into nested plain data.

    Values are read as YAML: numbers, ``true``, ``null`` and lists mean what they say.

    Args:
        pairs: For example ``["encoder.cutoff=5", "head.hidden=[64,32]"]``.

    Returns:
        For example ``{"encoder": {"cutoff": 5}, "head": {"hidden": [64, 32]}}``.

    Raises:
        ConfigError: A pair has no ``=``, a value is not valid YAML, or a key contradicts another.
    """
    result: dict[str, Any] = {}
    for pair in pairs:
        key, separator, text = pair.partition("=")
        if not separator or not key.strip():
            raise ConfigError(f"'--set {pair}' is not KEY=VALUE, for example encoder.cutoff=5.")
        try:
            value = parse_yaml(text) if text else None
        except (yaml.YAMLError, ValueError) as error:
            raise ConfigError(f"The value in '--set {pair}' is not valid YAML.") from error
        _require_text_keys(value, f"'--set {pair}'")
        first, *rest = key.strip().split(".")
        for name in reversed(rest):
            value = {name: value}
        merge(result, {first: value}, where=key)
    return result


def read_config_file(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Read a configuration file.

    Raises:
        ConfigError: It cannot be read, or is not a YAML mapping.
    """
    try:
        data = parse_yaml(read_text(Path(path)))
    except OSError as error:
        raise ConfigError(
            f"The configuration file '{path}' cannot be read ({error.strerror}); name a YAML file "
            "with settings, for example runs/latest/config.yaml."
        ) from error
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        # Not str(error), which has an excerpt of the file and takes several lines.
        problem = f"{where}{error.problem or error.context}"
        raise ConfigError(
            f"The configuration file '{path}' is not valid YAML: {problem}."
        ) from error
    except BoundsError as error:
        raise ConfigError(
            f"The configuration file '{path}' is none that matsciml writes or takes: {error}."
        ) from error
    except UnicodeDecodeError as error:
        raise ConfigError(
            f"The configuration file '{path}' is not text in UTF-8; name a YAML file with settings."
        ) from error
    except ValueError as error:  # a date or a number that does not exist
        raise ConfigError(
            f"The configuration file '{path}' has an impossible value: {error}."
        ) from error
    except yaml.YAMLError as error:
        raise ConfigError(
            f"The configuration file '{path}' is not text in UTF-8; name a YAML file with settings."
        ) from error
    if not isinstance(data, dict):
        raise ConfigError(
            f"The configuration file '{path}' must be a mapping of settings, with lines such as "
            "'dataset: mine'."
        )
    _require_text_keys(data, f"the configuration file '{path}'")
    return data


def merge(base: dict[str, Any], update: Mapping[str, Any], *, where: str = "") -> dict[str, Any]:
    """Merge nested plain data into ``base``, later values winning, and return it.

    Raises:
        ConfigError: A mapping and a plain value meet under one key.
    """
    for key, value in update.items():
        old = base.get(key)
        if isinstance(value, Mapping) and old is not None and not isinstance(old, dict):
            raise ConfigError(
                f"'{key}' is {old!r} and has settings of its own beside it; write it as a section."
            )
        if isinstance(old, dict) and isinstance(value, Mapping):
            merge(old, value, where=f"{where}.{key}" if where else key)
        elif isinstance(old, dict) and value is not None:
            raise ConfigError(
                f"'{key}' is a section with settings of its own; set one of them, for example "
                f"--set {key}.{next(iter(old), 'name')}=VALUE."
            )
        else:
            base[key] = dict(value) if isinstance(value, Mapping) else value
    return base


def _require_text_keys(value: Any, where: str) -> None:
    """Refuse keys that YAML reads as numbers, truth values or dates."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            if not isinstance(key, str):
                raise ConfigError(
                    f"A key in {where} is {key!r}, which is no text; name a setting there."
                )
            _require_text_keys(item, where)
    elif isinstance(value, list):
        for item in value:
            _require_text_keys(item, where)
