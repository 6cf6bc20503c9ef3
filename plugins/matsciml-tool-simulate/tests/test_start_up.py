"""Help comes fast: the modules of commands load nothing heavy."""

from __future__ import annotations

import json
import subprocess
import sys

import matsciml_tool_simulate

PROBE = """
import json, sys
import matsciml_tool_simulate.plugin
import matsciml_tool_simulate.commands.md
import matsciml_tool_simulate.commands.relax
print(json.dumps(sorted({name.partition(".")[0] for name in sys.modules})))
"""


def test_commands_load_neither_torch_nor_ase():
    output = subprocess.run(
        [sys.executable, "-c", PROBE], capture_output=True, text=True, check=True
    ).stdout
    assert not {"torch", "ase", "numpy", "torch_sim"} & set(json.loads(output))


def test_public_names_exist():
    for name in matsciml_tool_simulate.__all__:
        assert getattr(matsciml_tool_simulate, name).__name__ == name
    assert set(matsciml_tool_simulate.__all__) < set(dir(matsciml_tool_simulate))
