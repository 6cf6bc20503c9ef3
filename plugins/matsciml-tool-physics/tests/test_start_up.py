"""Help comes fast: the modules of commands load nothing heavy."""

from __future__ import annotations

import json
import subprocess
import sys

PROBE = """
import json, sys
import matsciml_tool_physics.plugin
import matsciml_tool_physics.commands.barrier
import matsciml_tool_physics.commands.elastic
import matsciml_tool_physics.commands.eos
import matsciml_tool_physics.commands.phonons
import matsciml_tool_physics.commands.surface
import matsciml_tool_physics.commands.vacancy
print(json.dumps(sorted({name.partition(".")[0] for name in sys.modules})))
"""


def test_commands_load_neither_torch_nor_ase_nor_phonopy():
    output = subprocess.run(
        [sys.executable, "-c", PROBE], capture_output=True, text=True, check=True
    ).stdout
    heavy = {"torch", "ase", "numpy", "phonopy", "scipy", "matplotlib", "pymatgen"}
    assert not heavy & set(json.loads(output))
