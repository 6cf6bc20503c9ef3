"""JSON and YAML of others, read with bounds: of size, of depth, and of what aliases unfold to.

The parsers themselves have none. A few kilobytes of brackets exhaust the stack of whoever walks
through what they describe, and twenty lines with aliases describe more than any memory holds.
"""

from __future__ import annotations

import gzip
import io
import json
import zlib
from pathlib import Path
from typing import Any

LARGEST_TEXT = 4 << 20
"""Bytes of a configuration, a description or a note. Ours have some kilobytes."""
DEEPEST = 64
"""Containers within containers; ours stay below ten."""
_SMALL = 1 << 16
"""Characters of a YAML text that somebody may have written by hand."""
_MOST_VALUES = 1_000_000
"""Values of a YAML text with its aliases unfolded."""


class BoundsError(ValueError):
    """A text is larger, deeper, or unfolds to more than any that is meant well."""


class DoubledKeyError(ValueError):
    """An object of JSON has two values for one key, of which Python's reader keeps the last."""


def unambiguous(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return the members of an object of JSON; an ``object_pairs_hook`` of Python's decoder.

    Args:
        pairs: Keys and values, in the order of the text.

    Raises:
        DoubledKeyError: A key has two values, and nobody knows which energy, say, is meant.
    """
    members = dict(pairs)
    if len(members) < len(pairs):
        for key, value in pairs:
            if members[key] != value:
                raise DoubledKeyError(f"it has two values of '{key}' in one object")
    return members


def parse_json(text: str | bytes, *, largest: int | None = LARGEST_TEXT) -> Any:
    """Return what a JSON text says.

    Args:
        text: The text.
        largest: Most bytes, and with them most containers within containers; None: both as many as
            memory and Python allow, for data.

    Raises:
        ValueError: It is no JSON, a :class:`DoubledKeyError`, or a :class:`BoundsError`.
    """
    _check_size(len(text), largest)
    try:
        data = json.loads(text, object_pairs_hook=unambiguous)
    except RecursionError:
        raise BoundsError("it is nested too deeply") from None
    if largest is not None:
        _check_depth(data)
    return data


def read_json(path: Path, *, largest: int | None = LARGEST_TEXT) -> Any:
    """Return what a JSON file says.

    Args:
        path: The file.
        largest: As for :func:`parse_json`.

    Raises:
        OSError: It cannot be read.
        ValueError: It is no JSON, or a :class:`BoundsError`.
    """
    return parse_json(read_text(path, largest=largest), largest=largest)


def read_text(path: Path, *, largest: int | None = LARGEST_TEXT) -> str:
    """Return the text of a file in UTF-8.

    Args:
        path: The file.
        largest: Most bytes; None: as many as there are.

    Raises:
        OSError: It cannot be read.
        ValueError: It is not UTF-8, or a :class:`BoundsError`.
    """
    with path.open("rb") as stream:
        data = stream.read(-1 if largest is None else largest + 1)
    _check_size(len(data), largest)
    return data.decode("utf-8")


def parse_yaml(text: str, *, largest: int = LARGEST_TEXT, plain: bool = False) -> Any:
    """Return what a YAML text says; a tag that names anything of Python is an error.

    Args:
        text: The text.
        largest: Most characters.
        plain: Whether every scalar stays text, as ids such as ``1e5`` must.

    Raises:
        yaml.YAMLError: It is no YAML, or has a key twice in one mapping.
        ValueError: A value is impossible, or a :class:`BoundsError`.
    """
    import yaml  # noqa: PLC0415 - most commands read none

    _check_size(len(text), largest)
    # libyaml's parser is ten times as fast; the other one says better where a mistake is.
    compiled = yaml.__with_libyaml__ and (plain or len(text) > _SMALL)
    kind = ("C" if compiled else "") + ("BaseLoader" if plain else "SafeLoader")
    loader: Any = type("_Loader", (_OneKey, getattr(yaml, kind)), {})
    _check_events(text, loader)
    parser = loader(text)
    try:
        return parser.get_single_data()
    finally:
        parser.dispose()


class _OneKey:
    """Refuses mappings with a key twice, of which YAML's readers keep the last in silence."""

    def construct_mapping(self, node: Any, deep: bool = False) -> Any:
        """Return a mapping whose keys differ."""
        from yaml.constructor import ConstructorError  # noqa: PLC0415 - most commands read none

        # Before merge keys are expanded, which may say again what they bring along.
        seen: set[tuple[str, str]] = set()
        for key, _ in getattr(node, "value", ()):
            if not isinstance(key.value, str) or key.tag == "tag:yaml.org,2002:merge":
                continue
            if (key.tag, key.value) in seen:
                raise ConstructorError(
                    None, None, f"the key '{key.value}' stands twice", key.start_mark
                )
            seen.add((key.tag, key.value))
        return super().construct_mapping(node, deep)  # type: ignore[misc] # of the reader beside


def unpack_gzip(data: bytes, largest: int) -> bytes:
    """Return what gzip has packed.

    Args:
        data: Packed bytes.
        largest: Most bytes of the content; no more are unpacked.

    Raises:
        OSError: It is damaged, or not packed.
        BoundsError: It unpacks to more.
    """
    stream = gzip.GzipFile(fileobj=io.BytesIO(data))
    try:
        content = stream.read(largest + 1)
    except (EOFError, zlib.error) as error:
        raise OSError(f"it is damaged: {error}") from error
    _check_size(len(content), largest)
    return content


def _check_size(size: int, largest: int | None) -> None:
    if largest is not None and size > largest:
        raise BoundsError(f"it is larger than {largest >> 10:,} KiB")


def _check_depth(data: Any) -> None:
    level = [data]
    for _ in range(DEEPEST):
        # Level by level, without recursion: the values of all containers of this depth.
        level = [
            item
            for value in level
            if isinstance(value, dict | list)
            for item in (value.values() if isinstance(value, dict) else value)
        ]
        if not level:
            return
    raise BoundsError(f"it has more than {DEEPEST} containers within one another")


def _check_events(text: str, loader: Any) -> None:
    """Go through a YAML text without building anything, and count what it would become."""
    import yaml  # noqa: PLC0415 - see above

    sizes: dict[str, int] = {}
    """Values of what an anchor names, with its aliases unfolded."""
    open_nodes: list[tuple[str | None, int]] = []
    total = 0  # values so far, aliases unfolded
    for event in yaml.parse(text, Loader=loader):
        if isinstance(event, yaml.AliasEvent):
            if event.anchor not in sizes:
                raise BoundsError(f"the alias '{event.anchor}' names nothing that ends before")
            total += sizes[event.anchor]
        elif isinstance(event, yaml.ScalarEvent):
            total += 1
            if event.anchor is not None:
                sizes[event.anchor] = 1
        elif isinstance(event, yaml.CollectionStartEvent):
            total += 1
            open_nodes.append((event.anchor, total - 1))
            if len(open_nodes) > DEEPEST:
                raise BoundsError(f"it has more than {DEEPEST} containers within one another")
        elif isinstance(event, yaml.CollectionEndEvent):
            anchor, before = open_nodes.pop()
            if anchor is not None:
                sizes[anchor] = total - before
        if total > _MOST_VALUES and sizes:
            raise BoundsError("its aliases unfold to too many values")
