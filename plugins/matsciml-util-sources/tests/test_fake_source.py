"""Fake sources are found by path, and say under which variables they are the source."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager

import pytest

from matsciml_util_sources.fake_server import FaultServer
from matsciml_util_sources.fake_source import FakeSource, Sample, load_module


@contextmanager
def serve():
    with FaultServer() as server:
        yield server


def test_variables_name_the_mirrors_and_what_else_is_needed():
    sample = Sample(id="a", atomic_numbers=[1], positions=[[0, 0, 0]], cell=[[1]], labels={})
    source = FakeSource(
        serve=serve,
        mirrors=("api.example.org", "b.example"),
        sample=sample,
        environment={"EXAMPLE_KEY": "x"},
    )
    with source.serve() as server:
        assert source.variables(server) == {
            "MATSCIML_MIRROR_API_EXAMPLE_ORG": server.url,
            "MATSCIML_MIRROR_B_EXAMPLE": server.url,
            "EXAMPLE_KEY": "x",
        }


def test_within_a_block_the_fake_takes_the_place_of_the_source(tmp_path, monkeypatch):
    monkeypatch.setenv("MATSCIML_DATA", "mine")
    sample = Sample(id="a", atomic_numbers=[1], positions=[[0, 0, 0]], cell=[[1]], labels={})
    source = FakeSource(serve=serve, mirrors=("api.example.org",), sample=sample)
    with source.installed(tmp_path) as server:
        assert os.environ["MATSCIML_MIRROR_API_EXAMPLE_ORG"] == server.url
        assert os.environ["MATSCIML_DATA"] == str(tmp_path)
    assert os.environ["MATSCIML_DATA"] == "mine"
    assert "MATSCIML_MIRROR_API_EXAMPLE_ORG" not in os.environ


def test_a_module_is_loaded_once_and_may_have_dataclasses(tmp_path):
    folder = tmp_path / "matsciml-data-mine" / "tests"
    folder.mkdir(parents=True)
    file = folder / "fake_source.py"
    file.write_text(
        "from __future__ import annotations\n"
        "from dataclasses import dataclass, field\n\n\n"
        "@dataclass\n"
        "class Row:\n"
        "    values: list[int] = field(default_factory=list)\n"
    )
    module = load_module(file)
    try:
        assert module.Row().values == []
        assert load_module(file) is module
        assert module.__name__ == "_fake_source_of_matsciml_data_mine"
    finally:
        del sys.modules[module.__name__]


def test_a_module_that_fails_fails_every_time(tmp_path):
    file = tmp_path / "fake_source.py"
    file.write_text("import no_such_package\n")
    for _ in range(2):
        with pytest.raises(ModuleNotFoundError):
            load_module(file)
