"""The index of known plugins is what the plugins of this repository offer."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from matsciml_core.registry.known_plugins import known_plugins

SCRIPT = "scripts/known_plugins.py"


def test_the_index_is_fresh(root: Path) -> None:
    done = subprocess.run(
        [sys.executable, SCRIPT, "--check"], cwd=root, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_every_distribution_is_in_the_index(plugins) -> None:
    assert [plugin.distribution for plugin in known_plugins()] == [one.name for one in plugins]
