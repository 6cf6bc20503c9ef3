"""Tables that grow line by line on stdout while a command computes."""

from __future__ import annotations

import math
from collections.abc import Mapping


class LiveTable:
    """A table of numbers.

    Args:
        columns: Title → width and format of its numbers, such as ``(12, ".3f")``.
    """

    def __init__(self, columns: Mapping[str, tuple[int, str]]) -> None:
        """Print the titles."""
        self._columns = tuple(columns.values())
        print("  ".join(f"{title:>{width}}" for title, (width, _) in columns.items()))

    def add(self, *values: float) -> None:
        """Print a line.

        Args:
            *values: One number per column; NaN leaves its column empty.
        """
        texts = [
            " " * width if math.isnan(value) else f"{value:>{width}{form}}"
            for value, (width, form) in zip(values, self._columns, strict=True)
        ]
        # Flushed, because the next line may be minutes away, and stdout may be a file.
        print("  ".join(texts), flush=True)
