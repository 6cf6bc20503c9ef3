"""Some three hundred strange inputs: each is read or refused, and nothing else happens."""

from __future__ import annotations

import random
import re
import sys
import time
from collections import Counter
from itertools import islice
from pathlib import Path

import pytest

from matsciml_core.errors import MatSciMLError

sys.path.append(str(Path(__file__).parent))
from strange_inputs import KINDS, SEED

PAGE = Path(__file__).parents[2] / "docs" / "explanation" / "robustness.md"
LONGEST = 30.0
"""Seconds for one input."""
MOST = 2 << 30
"""Bytes that the inputs of a kind need, beside what the process held before."""


def memory(entry):
    """Return what the system says of this process, in bytes: VmRSS now, or VmHWM at most."""
    for line in Path("/proc/self/status").read_text("utf-8").splitlines():
        if line.startswith(f"{entry}:"):
            return 1024 * int(line.split()[1])
    raise AssertionError(f"there is no {entry}")


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name.replace(" ", "-"))
def test_each_is_read_or_refused(kind, tmp_path):
    forget = Path("/proc/self/clear_refs")
    if not forget.exists():
        pytest.skip("this system cannot forget the peak of what ran before in this process")
    outside = tmp_path / "outside"
    outside.write_text("mine")
    outcomes: Counter[str] = Counter()
    longest = 0.0
    forget.write_text("5", "utf-8")
    before = memory("VmRSS")
    for index, data in enumerate(islice(kind.make(random.Random(SEED)), kind.count)):
        folder = tmp_path / "inputs" / f"{index}"
        folder.mkdir(parents=True)
        start = time.perf_counter()
        try:
            kind.attempt(data, folder)
            outcomes["read"] += 1
        except MatSciMLError:
            outcomes["refused"] += 1
        longest = max(longest, time.perf_counter() - start)
    assert outcomes.total() == kind.count
    assert longest <= LONGEST
    assert memory("VmHWM") - before <= MOST
    assert outside.read_text() == "mine"
    assert {path.name for path in tmp_path.iterdir()} == {"outside", "inputs"}
    print(f"| {kind.name} | {kind.count} | {outcomes['refused']} | {longest:.2f} |")


def test_the_page_says_what_is_tested():
    files = PAGE.read_text("utf-8").partition("## Commands")[0]
    rows = re.findall(r"^\| ([^|]+?) +\| +(\d+) \|", files, re.MULTILINE)
    listed = {name: int(count) for name, count in rows}
    total = listed.pop("all", None)
    assert listed == {kind.name: kind.count for kind in KINDS}
    assert total == sum(listed.values()) >= 300
