"""Every source, from a killed fetch to four workers that read the same crystals."""

from __future__ import annotations

import copy
import json
import os
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from matsciml_core import build_registry
from matsciml_core.data.fetch import fetched_stores
from matsciml_core.data.ingestion.geometry import check_geometry
from matsciml_core.data.store.crystal_store import INDEX_FILE
from matsciml_core.errors import SplitError
from matsciml_core.interfaces.dataset import Dataset
from matsciml_core.interfaces.split import Split
from matsciml_core.testing.dataset.subject import first_difference
from matsciml_util_sources.fake_server import FaultServer
from matsciml_util_sources.fake_source import FakeSource, Sample, load_module

PLUGINS = Path(__file__).parents[2] / "plugins"
SOURCES: dict[str, FakeSource] = {
    name: source
    for file in sorted(PLUGINS.glob("*/tests/fake_source.py"))
    for name, source in load_module(file).SOURCES.items()
}
OFFERED = {spec.name: spec for spec in build_registry().specs("dataset")}
NAMES = [
    pytest.param(
        name,
        marks=() if name in OFFERED else pytest.mark.skip(reason="its plugin is not installed"),
    )
    for name in SOURCES
]
PATIENCE = 60.0
"""Longest wait for something that takes a few seconds, s."""


@dataclass
class World:
    """A source on loopback, and a machine with nothing on it."""

    name: str
    source: FakeSource
    server: FaultServer
    variables: dict[str, str]

    def start(self, *arguments: str, **variables: str) -> subprocess.Popen[str]:
        """Start ``matsciml`` with some arguments."""
        return subprocess.Popen(
            [sys.executable, "-m", "matsciml_cli", *arguments],
            env={**os.environ, **self.variables, **variables},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, *arguments: str, code: int = 0, **variables: str) -> str:
        """Run ``matsciml`` and return what it wrote."""
        process = self.start(*arguments, **variables)
        output, _ = process.communicate(timeout=10 * PATIENCE)
        assert process.returncode == code, output
        return output

    def fetch(self, **variables: str) -> str:
        """Run ``matsciml data fetch``."""
        return self.run(*self.fetching, **variables)

    @property
    def fetching(self) -> tuple[str, ...]:
        """Arguments that fetch the dataset."""
        return ("data", "fetch", self.name, *self.source.arguments)

    @property
    def showing(self) -> tuple[str, ...]:
        """Arguments that show what was fetched."""
        pairs = (("--set", f"{key}={value}") for key, value in self.source.settings.items())
        return ("data", "info", self.name, *(argument for pair in pairs for argument in pair))


@pytest.fixture
def world(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """Give a source, and an empty data folder."""
    source = SOURCES[name]
    config = tmp_path / "config.toml"
    config.write_text('[rates]\n"127.0.0.1" = 1000.0\n', encoding="utf-8")
    with source.serve() as server:
        variables = source.variables(server) | {
            "MATSCIML_DATA": str(tmp_path / "data"),
            "MATSCIML_CONFIG": str(config),
        }
        for variable, value in variables.items():
            monkeypatch.setenv(variable, value)
        yield World(name, source, server, variables)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_from_a_killed_fetch_to_four_workers(world: World, tmp_path: Path) -> None:
    world.fetch(MATSCIML_DATA=str(tmp_path / "undisturbed"))
    kill_a_fetch(world)
    world.fetch()
    store = list(fetched_stores(world.name).values())[-1]
    need_the_same_store(store, tmp_path / "data", tmp_path / "undisturbed")

    dataset = open_dataset(world)
    need_sample(dataset, world.source.sample)
    need_what_the_plugin_declares(dataset, world)
    need_a_split_that_cannot_change(dataset, tmp_path)

    before = len(world.server.requests)
    world.fetch()
    assert world.server.requests[before:] == []

    need_equal_workers(dataset, "spawn")
    need_equal_workers(dataset, "fork")
    flip_a_byte(store, dataset)
    assert "is damaged" in world.run(*world.showing, "--verify", code=2)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_an_epoch_is_trained(world: World, tmp_path: Path) -> None:
    pytest.importorskip("matsciml_model_egnn")
    world.fetch()
    small = ["encoder.width=16", "encoder.num_layers=1", "encoder.cutoff=6"]
    small += [f"dataset.{key}={value}" for key, value in world.source.settings.items()]
    world.run(
        *("run", "--dataset", world.name, "--encoder", "egnn", "--epochs", "1"),
        *("--batch-size", "4", "--output", str(tmp_path / "runs")),
        *(argument for setting in small for argument in ("--set", setting)),
    )
    summary = json.loads((tmp_path / "runs" / "latest" / "run.json").read_text(encoding="utf-8"))
    tested = summary["metrics"]["test"]
    assert list(tested) == [f"{world.name}/{OFFERED[world.name].targets[0].name}"]


def test_every_dataset_that_can_be_fetched_has_a_stand_in() -> None:
    own = {
        spec.name
        for spec, record in build_registry().components("dataset")
        if (PLUGINS / record.distribution).is_dir() and spec.fetch is not None
    }
    assert own <= SOURCES.keys()


def kill_a_fetch(world: World) -> None:
    """Start a fetch, and kill it while it waits for the slowest answer of some path."""
    world.server.faults = {path: list(faults) for path, faults in world.source.slow.items()}
    process = world.start(*world.fetching)
    started = time.monotonic()
    while all(world.server.faults.values()) and process.poll() is None:
        assert time.monotonic() - started < PATIENCE, "the source was not asked"
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    output, _ = process.communicate()
    assert process.returncode == -signal.SIGKILL, output
    world.server.faults = {}


def need_the_same_store(store: Path, data: Path, undisturbed: Path) -> None:
    """Need the killed and continued fetch to have made what one that was left alone makes."""
    other = undisturbed / store.relative_to(data)
    for file in sorted(store.glob("*.lmdb")):
        assert file.read_bytes() == (other / file.name).read_bytes(), file.name
    for file in (INDEX_FILE, "manifest.json"):
        found, expected = (json.loads((place / file).read_text()) for place in (store, other))
        found.pop("fingerprint", None)  # has the dates of the files that were fetched
        expected.pop("fingerprint", None)
        assert found == expected, file


def open_dataset(world: World) -> Dataset:
    """Open what was fetched."""
    spec = OFFERED[world.name]
    model = spec.load_config()
    dataset: Dataset = spec.load()(None if model is None else model(**world.source.settings))
    return dataset


def need_sample(dataset: Dataset, sample: Sample) -> None:
    """Need one crystal to be what was computed by hand, in Å and the labels' units."""
    crystal = dataset[dataset.ids.index(sample.id)]
    assert crystal.atomic_numbers.tolist() == list(sample.atomic_numbers)
    assert crystal.positions == pytest.approx(np.array(sample.positions), abs=1e-6)
    assert crystal.cell == pytest.approx(np.array(sample.cell), abs=1e-6)
    for name, value in sample.labels.items():
        assert np.asarray(crystal.labels[name]) == pytest.approx(np.asarray(value)), name
    assert not set(sample.missing) & crystal.labels.keys()


def need_what_the_plugin_declares(dataset: Dataset, world: World) -> None:
    """Need labels, licence and citations in the store, and crystals that can be some.

    What is declared holds for the default settings; of others, labels of the same name agree.
    """
    declared = {info.name: replace(info, description="") for info in OFFERED[world.name].targets}
    found = {name: replace(info, description="") for name, info in dataset.targets.items()}
    assert world.source.settings or found.keys() <= declared.keys()
    assert {name: found[name] for name in found.keys() & declared.keys()} == {
        name: declared[name] for name in found.keys() & declared.keys()
    }
    provenance = dataset.provenance
    assert provenance.licence
    assert provenance.references
    assert provenance.source
    assert provenance.release
    for crystal in dataset.__getitems__(range(len(dataset))).crystals():
        check_geometry(crystal)


def need_a_split_that_cannot_change(dataset: Dataset, folder: Path) -> None:
    """Need the default split to be the same each time, and a changed file to be refused."""
    split = dataset.split()
    assert split.hash == dataset.split().hash
    assert sum(map(len, split.indices(dataset.ids).values())) == len(dataset)
    file = folder / "split.json"
    split.save(file)
    assert Split.load(file) == split
    data = json.loads(file.read_text(encoding="utf-8"))
    data["subsets"]["train"].append(data["subsets"]["test"].pop())
    file.write_text(json.dumps(data), encoding="utf-8")
    with pytest.raises(SplitError, match="its hash does not match"):
        Split.load(file)


def need_equal_workers(dataset: Dataset, method: str) -> None:
    """Need each of four workers to read every crystal as this process does."""
    everything = list(range(len(dataset)))
    expected = dataset.__getitems__(everything)
    with warnings.catch_warnings():
        # Torch warns of more workers than cores, Python of a fork in a process with threads.
        warnings.simplefilter("ignore")
        loader = DataLoader(
            dataset,
            batch_sampler=[everything] * 4,
            num_workers=4,
            collate_fn=copy.copy,  # keeps a batch as it is, and a spawned process can import it
            multiprocessing_context=method,
            timeout=PATIENCE,
        )
        batches = list(loader)
    assert len(batches) == 4
    for batch in batches:
        assert torch.equal(batch.positions, expected.positions)
        assert first_difference(batch, expected) is None


def flip_a_byte(store: Path, dataset: Dataset) -> None:
    """Change one bit of a stored cell; the new file gets the old one's name, not its place."""
    wanted = bytes(dataset[0].cell.astype("<f8").tobytes())
    contents = {path: bytearray(path.read_bytes()) for path in store.glob("*.lmdb")}
    shard, content = next((path, text) for path, text in contents.items() if wanted in text)
    place = content.find(wanted)
    while place >= 0:  # a page may keep a stale copy of a record that was moved
        content[place] ^= 1
        place = content.find(wanted, place + 1)
    changed = shard.with_suffix(".changed")
    changed.write_bytes(content)
    changed.replace(shard)
