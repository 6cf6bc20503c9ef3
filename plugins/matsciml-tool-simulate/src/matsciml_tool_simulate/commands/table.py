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
        """Keep the columns; their titles are printed with the first line."""
        self._columns = tuple(columns.values())
        self._titles = "  ".join(f"{title:>{width}}" for title, (width, _) in columns.items())

    def add(self, *values: float) -> None:
        """Print a line, and the titles before the first one.

        Args:
            *values: One number per column; NaN leaves its column empty.
        """
        if self._titles:  # not before there are numbers: an error needs no table
            print(self._titles)
            self._titles = ""
        texts = [
            " " * width if math.isnan(value) else f"{value:>{width}{form}}"
            for value, (width, form) in zip(values, self._columns, strict=True)
        ]
        # Flushed, because the next line may be minutes away, and stdout may be a file.
        print("  ".join(texts), flush=True)
