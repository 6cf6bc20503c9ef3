"""A run leaves the cores that others use to them, unless the user says how many to take."""

import os

import pytest

from matsciml_cli import threads
from matsciml_cli.threads import leave_room


@pytest.fixture
def machine(monkeypatch):
    """Return a function that sets how many cores there are and how many are in use."""

    def describe(cores: int, load: float) -> None:
        monkeypatch.setattr(os, "getloadavg", lambda: (load, 0.0, 0.0), raising=False)
        monkeypatch.setattr(threads, "available_cores", lambda: cores)

    return describe


def test_an_idle_machine_is_used_whole(machine):
    machine(cores=2, load=0.2)
    environment: dict[str, str] = {}
    leave_room(environment)
    assert environment == {}


@pytest.mark.parametrize(
    ("cores", "load", "threads"), [(2, 0.7, "1"), (2, 9.0, "1"), (8, 2.6, "5"), (1, 1.0, "1")]
)
def test_cores_in_use_are_left_alone(machine, cores, load, threads):
    machine(cores, load)
    environment: dict[str, str] = {}
    leave_room(environment)
    assert environment["OMP_NUM_THREADS"] == threads
    assert int(environment["GOMP_SPINCOUNT"]) > 0


@pytest.mark.parametrize("name", ["OMP_NUM_THREADS", "OMP_WAIT_POLICY", "GOMP_SPINCOUNT"])
def test_the_user_decides(machine, name):
    machine(cores=2, load=2.0)
    environment = {name: "7"}
    leave_room(environment)
    assert environment == {name: "7"}


def test_systems_that_know_no_load_are_used_whole(monkeypatch):
    monkeypatch.delattr(os, "getloadavg", raising=False)
    environment: dict[str, str] = {}
    leave_room(environment)
    assert environment == {}
