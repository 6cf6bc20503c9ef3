"""The page of a computed property, and the structures beside it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from ase.io.extxyz import write_extxyz

from matsciml_core.files import open_whole_text
from matsciml_core.training.run_folder import command_line
from matsciml_tool_physics.inputs import Computation
from matsciml_util_pages.pages import Page, Section
from matsciml_util_pages.views import facts


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


def write_structures(frames: Iterable[Any], file: Path) -> None:
    """Write structures as extended XYZ, each with its own cell and labels.

    Args:
        frames: ASE Atoms.
        file: Written whole or not at all.
    """
    with open_whole_text(file) as stream:
        for frame in frames:
            write_extxyz(stream, [frame])
