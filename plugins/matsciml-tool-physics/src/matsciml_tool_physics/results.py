"""What every command writes: JSON, CSV and a page, together or not at all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matsciml_core.files import delivering
from matsciml_core.training.run_folder import command_line
from matsciml_tool_physics.inputs import Computation
from matsciml_util_pages.pages import Page, Section, write_page_files
from matsciml_util_pages.views import facts

ENDINGS = ("html", "json", "csv", "md")
"""Of the files that every command writes."""


def result_files(folder: Path, name: str, others: Sequence[str] = ()) -> list[Path]:
    """Return the files that a command writes.

    Args:
        folder: Their folder.
        name: Their name without ending, such as ``eos``.
        others: Further files.
    """
    return [folder / f"{name}.{ending}" for ending in ENDINGS] + [folder / one for one in others]


def make_page(
    computation: Computation,
    *,
    eyebrow: str,
    summary: Sequence[tuple[str, str]],
    notices: Sequence[str],
    sections: Sequence[Section],
) -> Page:
    """Return the page of a computed property.

    Args:
        computation: Model, structure and settings.
        eyebrow: Name of the property.
        summary: Names and values of what was computed.
        notices: What a reader must know before believing the numbers.
        sections: Plots and tables.
    """
    return Page(
        eyebrow=eyebrow,
        title=f"{computation.formula}, computed with {computation.model_name}",
        notices=notices,
        facts=facts(*summary, ("Model", computation.model_name), ("File", computation.file)),
        sections=sections,
        command=command_line(),
        citations=computation.citations,
    )


def write_results(
    folder: Path,
    name: str,
    page: Page,
    records: Sequence[Mapping[str, Any]],
    data: Mapping[str, Any],
    others: Mapping[str, Any] | None = None,
) -> Path:
    """Write a property as JSON, CSV and a page; other files of the folder are left alone.

    Args:
        folder: The folder; made where it is missing.
        name: Name of the files, without their ending.
        page: The page.
        records: Rows of the CSV file.
        data: Content of the JSON file.
        others: Name of a further file → a function that writes it to the path it is given.

    Returns:
        Path of the page.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with delivering(folder) as part:
        for file, write in (others or {}).items():
            write(part / file)
        write_page_files(page, records, part, name, data)
    return folder / f"{name}.html"
