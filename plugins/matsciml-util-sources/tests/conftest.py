"""A server that misbehaves, and a client that does not wait for long."""

from __future__ import annotations

import pytest

from matsciml_util_sources.addresses import Addresses
from matsciml_util_sources.client import Client
from matsciml_util_sources.fake_server import FaultServer
from matsciml_util_sources.pacing import Retry


@pytest.fixture
def server():
    with FaultServer() as running:
        yield running


@pytest.fixture
def pauses() -> list[float]:
    """What the client waited, s."""
    return []


@pytest.fixture
def client(pauses) -> Client:
    return Client(Addresses(), retry=Retry(attempts=4), timeout=(5, 5), sleep=pauses.append)
