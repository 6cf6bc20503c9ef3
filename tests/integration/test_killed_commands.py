"""Commands that are killed 108 times at random moments end as if nothing had happened."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parent / "killed_commands.py"
KILLS = {"import": 20, "fetch": 16, "md": 20, "generate": 14, "benchmark": 10}
KILLS |= {"matbench": 14, "folds": 14}
"""``test_killed_run.py`` counts twenty more, of a run."""


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("what", KILLS)
def test_nothing_is_lost_and_the_result_is_the_same(what, tmp_path):
    """The script compares by digests whatever the command has made."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}
    command = [sys.executable, str(SCRIPT), what, str(tmp_path), str(KILLS[what])]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=900)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    assert re.search(rf"^{KILLS[what]} kills$", done.stdout, re.MULTILINE)
