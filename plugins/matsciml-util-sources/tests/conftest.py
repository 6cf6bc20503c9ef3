"""A server that misbehaves, and a client that does not wait for long."""

from __future__ import annotations

import pytest

from matsciml_core.data.fetch import Addresses, Client, Retry
from matsciml_core.testing.server import FaultServer


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
