"""What must not stand in any file of the repository."""

from __future__ import annotations

import re

import pytest

FORBIDDEN = {
    r"(?<![\w.])/(?:work|root|home|Users)/\w": "a path of one machine",
    r"(?<![\w.])/tmp/\w/": "a path of one machine",
    r"(?i)\bC:\\Users\b": "a path of one machine",
    r"(?i)\bclaude\b|\banthropic\b|\bchatgpt\b|\bcopilot\b": "a tool that wrote code",
    r"(?i)\bas an ai\b|\bsub-?agent": "a tool that wrote code",
    r"(?i)\bissues? (?:no\.? ?|#)\d": "a reference to a tracker that readers do not have",
    r"(?i)\blorem ipsum\b": "placeholder text",
    r"\bTODO\b|\bFIXME\b|\bXXX\b": "work that is left over",
    r"^<{7} |^>{7} ": "a merge conflict",
    r"@{2}[A-Z]+@{2}": "a number that is still to be measured",
}
"""Pattern → what it betrays."""
EXCEPTIONS = ("tests/repo/test_text.py",)
OUTSIDE = "sha" + "red/"
"""The folder beside the repository, with data that is not part of it."""
MAY_READ_OUTSIDE = re.compile(r"(?:^|/)(?:tests|benchmarks)/")


@pytest.mark.parametrize("pattern", FORBIDDEN)
def test_no_file_holds(own_text, pattern):
    found = [
        f"{path}: {match.group()}"
        for path, text in own_text.items()
        if path not in EXCEPTIONS
        for match in re.finditer(pattern, text, re.MULTILINE)
    ]
    assert not found, f"{FORBIDDEN[pattern]}: {found[:5]}"


def test_only_tests_and_benchmarks_read_data_beside_the_repository(own_text):
    found = [
        path
        for path, text in own_text.items()
        if re.search(rf"(?<![\w-]){OUTSIDE}", text) and not MAY_READ_OUTSIDE.search(path)
    ]
    assert not found


def test_files_end_with_one_line_break(own_text):
    wrong = [
        path
        for path, text in own_text.items()
        if text and (not text.endswith("\n") or text.endswith("\n\n")) and path[-4:] != ".svg"
    ]
    assert not wrong


def test_no_line_ends_with_a_blank(own_text):
    wrong = [
        f"{path}:{number}"
        for path, text in own_text.items()
        if path.endswith((".py", ".md", ".toml", ".j2", ".txt"))
        for number, line in enumerate(text.splitlines(), 1)
        if line != line.rstrip()
    ]
    assert not wrong, wrong[:5]


def test_there_is_text_to_look_at(own_text):
    assert {"README.md", "pyproject.toml", "matsciml_core/__init__.py"} <= own_text.keys()
