"""The environment variables that steer the registry."""

from __future__ import annotations

import pytest

from matsciml_core.registry.environment import flag, names


@pytest.mark.parametrize(
    ("value", "expected"),
    [("1", True), ("yes", True), ("0", False), ("", False), ("False", False), (" off ", False)],
)
def test_flag(monkeypatch: pytest.MonkeyPatch, value: str, expected: bool) -> None:
    monkeypatch.setenv("SOME_FLAG", value)
    assert flag("SOME_FLAG") is expected


def test_names_tell_unset_from_empty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SOME_NAMES", raising=False)
    assert names("SOME_NAMES") is None
    monkeypatch.setenv("SOME_NAMES", "")
    assert names("SOME_NAMES") == ()
