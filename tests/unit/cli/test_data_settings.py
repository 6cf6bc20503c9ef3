"""``matsciml data``: settings of a source, settings of a dataset, and the stores that are here."""

from __future__ import annotations

import pytest

from matsciml_core.errors import RegistryError
from matsciml_core.registry.specs import DatasetSpec

PLUGIN = """
    from matsciml_core import DatasetSpec, TargetInfo, hookimpl

    @hookimpl
    def matsciml_datasets():
        yield DatasetSpec(
            name="ladder",
            summary="Chains of atoms.",
            class_path="{package}.work:Ladder",
            config="{package}.config:LadderConfig",
            targets=(TargetInfo(name="gap", kind="scalar", unit="eV"),),
            fetch="{package}.work:fetch",
            fetch_config="{package}.config:FetchConfig",
        )
        yield DatasetSpec(
            name="plain", summary="Chains.", class_path="{package}.work:Plain",
            fetch="{package}.work:fetch",
        )
"""
CONFIG = """
    from matsciml_core import Config

    class LadderConfig(Config):
        release: str = "first"
        '''Which store to serve.'''

    class FetchConfig(Config):
        rungs: int = 4
        '''Crystals to make.'''
"""
WORK = """
    import numpy as np
    from matsciml_core import Crystal, TargetInfo
    from matsciml_core.data import StoreDataset, ingest
    from matsciml_core.data.fetch import fetched_stores
    from matsciml_core.data.ingestion.conversion import from_iterable
    from matsciml_core.interfaces.dataset import Provenance

    TARGETS = (TargetInfo(name="gap", kind="scalar", unit="eV"),)

    class Ladder(StoreDataset):
        def __init__(self, config=None):
            super().__init__(fetched_stores("ladder")[config.release], config)

    class Plain(StoreDataset):
        def __init__(self, config=None):
            super().__init__(fetched_stores("plain")["default"], config)

    def fetch(request):
        rungs = 2 if request.options is None else request.options.rungs
        crystals = [
            Crystal(
                id=f"c{k}", atomic_numbers=[6], positions=[[0, 0, 0]],
                cell=(2.5 + 0.1 * k) * np.eye(3), labels={"gap": 0.5 * k},
            )
            for k in range(rungs)
        ]
        ingest(
            from_iterable(lambda: crystals), request.folder / "store", targets=TARGETS,
            provenance=Provenance(source="here", release=f"v-{request.release}", licence="CC0"),
        )
        return request.folder / "store"
"""


@pytest.fixture
def plugin(cli, tmp_path, monkeypatch, plugin_folder):
    monkeypatch.setenv("MATSCIML_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("MATSCIML_CONFIG", str(tmp_path / "no-config.toml"))
    modules = {"work": WORK, "config": CONFIG}
    plugin_folder.add("matsciml-data-ladder", PLUGIN, modules=modules)
    return cli


def test_a_fetch_is_told_what_was_set(plugin):
    assert "4 crystals of 4" in plugin("data", "fetch", "ladder", "--release", "first").out
    arguments = ("--release", "second", "--set", "rungs=7")
    assert "7 crystals of 7" in plugin("data", "fetch", "ladder", *arguments).out


@pytest.mark.parametrize(
    ("name", "setting", "words"),
    [
        ("ladder", "rung=7", "Did you mean 'rungs'"),
        ("ladder", "rungs=many", "'ladder.rungs' is 'many'"),
        ("ladder", "rungs", "not KEY=VALUE"),
        ("plain", "rungs=7", "nothing to set here; leave '--set rungs=7' away"),
    ],
)
def test_a_setting_that_a_source_does_not_have_is_refused(plugin, name, setting, words):
    assert words in plugin("data", "fetch", name, "--set", setting).error


def test_a_source_without_settings_gets_none(plugin):
    assert "2 crystals of 2" in plugin("data", "fetch", "plain").out


@pytest.mark.parametrize("key", ["release", "dataset.release"])
def test_info_shows_what_is_set_and_lists_what_is_here(plugin, key):
    plugin("data", "fetch", "ladder", "--release", "first")
    plugin("data", "fetch", "ladder", "--release", "second", "--set", "rungs=7")
    facts = plugin("data", "info", "ladder", "--json").data
    assert facts["crystals"] == 4
    listed = [(one["key"], one["release"], one["crystals"]) for one in facts["fetched"]]
    assert listed == [("first", "v-first", 4), ("second", "v-second", 7)]
    facts = plugin("data", "info", "ladder", "--set", f"{key}=second", "--json").data
    assert (facts["crystals"], facts["release"]) == (7, "v-second")
    out = plugin("data", "info", "ladder").out
    assert "fetched, on this machine" in out
    assert "7 crystals" in out


def test_a_store_that_is_gone_is_not_listed(plugin, tmp_path):
    plugin("data", "fetch", "ladder", "--release", "first")
    plugin("data", "fetch", "ladder", "--release", "second")
    (tmp_path / "data" / "datasets" / "ladder" / "second" / "store" / "index.json").unlink()
    facts = plugin("data", "info", "ladder", "--json").data
    assert [one["key"] for one in facts["fetched"]] == ["first"]


def test_a_setting_that_a_dataset_does_not_have_is_refused(plugin):
    plugin("data", "fetch", "ladder", "--release", "first")
    for verb in ("info", "split"):
        assert "'ladder.relaese'" in plugin("data", verb, "ladder", "--set", "relaese=x").error


def test_a_record_that_misspells_where_its_settings_are_is_refused():
    with pytest.raises(RegistryError, match=r'write it as "package\.module:Class"'):
        DatasetSpec(name="mine", summary="", class_path="a:B", fetch_config="a.B")
