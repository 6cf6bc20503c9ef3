"""The hook by which other plugins offer rows, and the record that it collects.

Public, and as light as a plugin module: nothing here imports torch or pydantic.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

from matsciml_core import Spec, hookspec


@dataclass(frozen=True, kw_only=True)
class BenchmarkSpec(Spec):
    """Rows of a benchmark; ``class_path`` names a function that returns ``BenchmarkRow``s."""

    kind: ClassVar[str] = "benchmark"

    table: str = ""
    """The table that the rows join, for example ``table2``; empty: they are a table of their own,
    under ``name``."""


class BenchmarkHooks:
    """Hook specifications of this tool."""

    @hookspec
    def matsciml_benchmarks(self) -> Iterable[BenchmarkSpec]:
        """Offer rows for the tables of ``matsciml benchmark``, or a table of one's own.

        Called once per process, when the registry is built. The function that a record names is
        imported when its table is asked for; it returns records of
        ``matsciml_tool_benchmark.rows.BenchmarkRow``::

            @hookimpl(optionalhook=True)
            def matsciml_benchmarks():
                from matsciml_tool_benchmark.hooks import BenchmarkSpec

                yield BenchmarkSpec(
                    name="mine",
                    summary="My encoder on the tasks of table 2.",
                    class_path="matsciml_model_mine.rows:rows",
                    table="table2",
                )

        .. versionadded:: 0.1
        """
        raise NotImplementedError
