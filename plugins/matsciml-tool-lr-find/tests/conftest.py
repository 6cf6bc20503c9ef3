"""The plugin beside example components."""

from __future__ import annotations

import pytest

from matsciml_cli.testing import cli
from matsciml_core.testing.plugin_folder import PluginFolder

__all__ = ["cli"]


@pytest.fixture
def plugin_folder(plugin_folder: PluginFolder) -> PluginFolder:
    """Give a folder of plugins with the examples and the finder."""
    plugin_folder.add_examples()
    plugin_folder.add("matsciml-tool-lr-find", "from matsciml_tool_lr_find.plugin import *")
    return plugin_folder
