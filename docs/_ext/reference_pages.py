"""Sphinx extension: writes the parts of the reference that are made from the code.

The pages of ``docs/reference`` include what is written to ``docs/reference/generated``; those in
``docs/reference/commands`` are written whole. No one edits these folders, and neither is under
version control.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmark_reference import benchmark_markdown
from command_line_reference import FOLDER, command_line_markdown, command_pages
from config_reference import configs_markdown, run_config_schema
from dataset_reference import datasets_markdown
from hook_reference import hooks_markdown
from plugin_reference import plugins_markdown
from unit_reference import units_markdown

from matsciml_core.testing.scorecard import reference_markdown

PARTS: dict[str, Callable[[], str]] = {
    "hooks.md": hooks_markdown,
    "configs.md": configs_markdown,
    "cli.md": command_line_markdown,
    "benchmark.md": benchmark_markdown,
    "plugins.md": plugins_markdown,
    "datasets.md": datasets_markdown,
    "conformance.md": reference_markdown,
    "units.md": units_markdown,
}
"""File in ``generated/parts`` → the function that writes its Markdown."""
SCHEMA = "run-config.schema.json"


def write_parts(folder: Path) -> None:
    """Write all generated parts of the reference.

    Args:
        folder: ``docs/reference/generated``; what is there is replaced.
    """
    shutil.rmtree(folder, ignore_errors=True)
    for part in ("parts", "schema"):
        (folder / part).mkdir(parents=True)
    for name, make in PARTS.items():
        (folder / "parts" / name).write_text(make(), encoding="utf-8")
    schema = json.dumps(run_config_schema(), indent=2, ensure_ascii=False)
    (folder / "schema" / SCHEMA).write_text(schema + "\n", encoding="utf-8")


def write_pages(folder: Path) -> None:
    """Write the pages that are made from the code as a whole.

    Args:
        folder: ``docs/reference/commands``; what is there is replaced.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name, text in command_pages().items():
        (folder / name).write_text(text, encoding="utf-8")


def setup(app: Any) -> dict[str, bool]:
    """Write parts and pages before Sphinx looks for its sources."""
    reference = Path(app.srcdir) / "reference"
    write_parts(reference / "generated")
    write_pages(reference / FOLDER)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
