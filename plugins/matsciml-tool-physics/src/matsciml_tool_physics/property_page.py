"""The page of a computed property, and the structures beside it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from ase.io.extxyz import write_extxyz

from matsciml_core.files import open_whole_text
from matsciml_core.training.run_folder import command_line
from matsciml_tool_physics.inputs import Computation
from matsciml_util_pages.pages import Page, Section
from matsciml_util_pages.views import facts


class PropertyPage(Protocol):
    """The module with the page of a property."""

    EYEBROW: str
    """Name of the property."""

    def sections(self, result: Any, /) -> Sequence[Section]:
        """Return the sections of the page, plots and tables."""

    def records(self, result: Any, /) -> Sequence[Mapping[str, Any]]:
        """Return the rows of the CSV file."""

    def as_data(self, result: Any, computation: Computation, /) -> Mapping[str, Any]:
        """Return the content of the JSON file."""

    def summary(self, result: Any, /) -> Sequence[tuple[str, str]]:
        """Return names and values of what was computed."""


def make_page(module: PropertyPage, result: Any, computation: Computation) -> Page:
    """Return the page of a computed property.

    Args:
        module: The module with the page of the property.
        result: What was computed.
        computation: Model, structure and settings.
    """
    model = computation.model_name
    return Page(
        eyebrow=module.EYEBROW,
        title=f"{computation.formula}, computed with {model}",
        notices=result.notices,
        facts=facts(*module.summary(result), ("Model", model), ("File", computation.file)),
        sections=module.sections(result),
        command=command_line(),
        citations=computation.citations,
    )


def write_structures(frames: Iterable[Any], file: Path) -> None:
    """Write structures as extended XYZ, each with its own cell and labels.

    Args:
        frames: ASE Atoms.
        file: Written whole or not at all.
    """
    with open_whole_text(file) as stream:
        for frame in frames:
            write_extxyz(stream, [frame])
