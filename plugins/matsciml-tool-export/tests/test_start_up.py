"""Help comes fast: the module of the command loads nothing heavy."""

from __future__ import annotations

import json
import subprocess
import sys

PROBE = """
import json, sys
import matsciml_tool_export.plugin, matsciml_tool_export.commands
print(json.dumps(sorted({name.partition(".")[0] for name in sys.modules})))
"""


def test_the_command_loads_no_torch():
    output = subprocess.run(
        [sys.executable, "-c", PROBE], capture_output=True, text=True, check=True
    ).stdout
    assert not {"torch", "numpy", "yaml"} & set(json.loads(output))
