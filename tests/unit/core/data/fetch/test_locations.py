"""No name of a release makes a folder elsewhere."""

from __future__ import annotations

import json

import pytest

from matsciml_core.data.fetch import fetched_stores, store_key
from matsciml_core.errors import ConfigError
from matsciml_core.registry.folders import dataset_folder


@pytest.mark.parametrize(
    ("release", "subset"),
    [("..", None), ("../x", None), ("/tmp", None), ("a", "../.."), ("a/", "b"), ("a\\b", None),
     (".", None), ("a\x1b", None)],
)  # fmt: skip
def test_names_that_lead_elsewhere_are_refused(release, subset):
    with pytest.raises(ConfigError, match="would lie elsewhere"):
        store_key(release, subset)


def test_ordinary_names():
    assert store_key(None, None) == "default"
    assert store_key("2022-10-28", "all+val_id") == "2022-10-28/all+val_id"


def test_a_note_that_is_none_is_passed_over(tmp_path, monkeypatch):
    monkeypatch.setenv("MATSCIML_DATA", str(tmp_path))
    folder = dataset_folder("mine")
    folder.mkdir(parents=True)
    (folder / "fetched.json").write_text(json.dumps({"a": 1, "b": "store"}))
    assert list(fetched_stores("mine")) == ["b"]
