"""Data lie where the user says, or where the platform keeps such things."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from matsciml_core.data.fetch import fetched_stores, note_store, store_key
from matsciml_core.registry import folders


def test_the_variables_win():
    variables = {"MATSCIML_DATA": "/big/disk", "MATSCIML_CONFIG": "/etc/m.toml"}
    assert folders.data_folder(variables) == Path("/big/disk")
    assert folders.dataset_folder("mp", variables) == Path("/big/disk/datasets/mp")
    assert folders.config_file(variables) == Path("/etc/m.toml")


@pytest.mark.parametrize(
    ("platform", "variables", "data", "config"),
    [
        ("linux", {}, ".local/share/matsciml", ".config/matsciml/config.toml"),
        (
            "linux",
            {"XDG_DATA_HOME": "relative", "MATSCIML_DATA": " "},
            ".local/share/matsciml",
            ".config/matsciml/config.toml",
        ),
        (
            "darwin",
            {"XDG_DATA_HOME": "/x"},
            "Library/Application Support/matsciml",
            "Library/Application Support/matsciml/config.toml",
        ),
        ("win32", {}, "AppData/Local/matsciml", "AppData/Local/matsciml/config.toml"),
    ],
)
def test_each_platform_has_its_place(monkeypatch, platform, variables, data, config):
    monkeypatch.setattr(folders.sys, "platform", platform)
    assert folders.data_folder(variables) == Path.home() / data
    assert folders.config_file(variables) == Path.home() / config


def test_xdg_folders_are_honoured(monkeypatch):
    monkeypatch.setattr(folders.sys, "platform", "linux")
    variables = {"XDG_DATA_HOME": "/d", "XDG_CONFIG_HOME": "/c"}
    assert folders.data_folder(variables) == Path("/d/matsciml")
    assert folders.config_file(variables) == Path("/c/matsciml/config.toml")


def test_fetched_stores_are_found_again_the_last_one_last(tmp_path, monkeypatch):
    monkeypatch.setenv("MATSCIML_DATA", str(tmp_path / "data"))
    assert fetched_stores("mp") == {}
    inside = tmp_path / "data" / "datasets" / "mp" / "2022" / "store"
    for key, store in (("2022", inside), ("2023", tmp_path / "big"), ("2022", inside)):
        note_store("mp", key, store)
    assert list(fetched_stores("mp").items()) == [("2023", tmp_path / "big"), ("2022", inside)]
    listed = json.loads((tmp_path / "data" / "datasets" / "mp" / "fetched.json").read_text())
    assert listed["2022"] == "2022/store"  # the data folder may be moved


def test_a_key_names_release_and_subset():
    assert store_key("2022", "train") == "2022/train"
    assert store_key(None, "2M") == "2M"
    assert store_key(None, None) == "default"
