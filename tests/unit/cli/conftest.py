"""The command line is run within the tests."""

from __future__ import annotations

from typing import Any

import pytest

from matsciml_cli.testing import cli

__all__ = ["cli"]


@pytest.fixture
def readers(plugin_folder: Any) -> None:
    """The readers of this repository, beside the plugins of ``plugin_folder``."""
    for name in ("ase", "pymatgen", "tables"):
        source = f"from matsciml_reader_{name}.plugin import matsciml_readers\n"
        plugin_folder.add(f"matsciml-reader-{name}", f'{source}\n__all__ = ["matsciml_readers"]\n')
