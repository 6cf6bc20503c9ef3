"""The cores of a process are those that the system grants it."""

import os

import pytest

from matsciml_core.cores import available_cores


def test_at_most_those_of_the_machine():
    assert 1 <= available_cores() <= (os.cpu_count() or 1)


def test_granted_ones_alone_count(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {2, 5}, raising=False)
    assert available_cores() == 2


@pytest.mark.parametrize(("machine", "expected"), [(6, 6), (None, 1)])
def test_systems_without_affinity(monkeypatch, machine, expected):
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: machine)
    assert available_cores() == expected
