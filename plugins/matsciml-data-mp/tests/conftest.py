"""The fake bucket and interface, and a client that does not wait for long."""

from __future__ import annotations

from pathlib import Path

import pytest

from matsciml_core.data.fetch import FetchRequest
from matsciml_util_sources.addresses import Addresses
from matsciml_util_sources.client import Client
from matsciml_util_sources.fake_server import FaultServer
from matsciml_util_sources.fake_source import load_module
from matsciml_util_sources.pacing import Retry

FAKE = load_module(Path(__file__).with_name("fake_source.py"))


@pytest.fixture
def materials():
    """What the bucket and the interface have; a test may change it."""
    return FAKE.FakeProject()


@pytest.fixture
def server(materials, tmp_path, monkeypatch):
    """A machine with nothing on it, and the fake sources."""
    with FaultServer() as running:
        materials.install(running)
        for name, value in FAKE.SOURCES["mp"].variables(running).items():
            monkeypatch.setenv(name, value)
        config = tmp_path / "config.toml"
        config.write_text('[rates]\n"127.0.0.1" = 1000.0\n', encoding="utf-8")
        monkeypatch.setenv("MATSCIML_CONFIG", str(config))
        monkeypatch.setenv("MATSCIML_DATA", str(tmp_path / "data"))
        monkeypatch.delenv("MP_API_KEY", raising=False)
        yield running


@pytest.fixture
def ask(server, tmp_path):
    """Return a function that makes requests for the default release."""
    client = Client(Addresses.read(), retry=Retry(attempts=4), sleep=lambda seconds: None)

    def make(release: str | None = FAKE.RELEASE, **changes) -> FetchRequest:
        folder = tmp_path / "mp" / (release or "default")
        folder.mkdir(parents=True, exist_ok=True)
        return FetchRequest(folder=folder, release=release, client=client, **changes)

    return make
