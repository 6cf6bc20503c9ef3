"""The hook by which plugins add sections to the report, and the record that it collects.

Public, and as light as a plugin module: nothing here imports torch or matplotlib.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

from matsciml_core import Spec, hookspec


@dataclass(frozen=True, kw_only=True)
class ReportSectionSpec(Spec):
    """A section of the report; ``class_path`` names a function.

    The function takes a ``matsciml_util_pages.run_files.RunFiles``, what the run folder holds, and
    returns the views of ``matsciml_util_pages.views`` that the section consists of; where there are
    none, the report has no such section. What it raises
    costs the report this section, in whose place a sentence stands.
    """

    kind: ClassVar[str] = "report-section"

    title: str
    """Heading of the section, and its entry in the list of contents."""
    # Behind what the reader came for, before what documents the run.
    order: int = 40
    """Where it stands among the sections, which ascend. Those of this plugin are metrics 10,
    learning 20, predictions 30, uncertainty 35, data 50, model 60, cost 70, provenance 80 and
    citation 90."""


class ReportHooks:
    """Hook specifications of this tool."""

    @hookspec
    def matsciml_report_sections(self) -> Iterable[ReportSectionSpec]:
        """Offer sections of the report of a run.

        Called once per process, when the registry is built. The function that a record names is
        imported when a report is written, and called once for each::

            @hookimpl(optionalhook=True)
            def matsciml_report_sections():
                from matsciml_tool_report.hooks import ReportSectionSpec

                yield ReportSectionSpec(
                    name="mine",
                    title="Errors by size",
                    summary="The error against the number of atoms.",
                    class_path="matsciml_model_mine.report:errors_by_size",
                )

        .. versionadded:: 0.1
        """
        raise NotImplementedError
