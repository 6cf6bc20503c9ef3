"""What a server refuses for good is told with its status, so that a source can explain it."""

from __future__ import annotations

import pytest

from matsciml_core.errors import FetchError
from matsciml_util_sources.client import RefusedError


@pytest.mark.parametrize("status", [202, 204, 400, 401, 403, 404, 410, 414, 422])
def test_the_status_is_kept_and_nothing_is_repeated(server, client, status):
    server.faults["/x"] = [str(status)]
    with pytest.raises(RefusedError, match=f"status {status}") as raised:
        client.get_bytes(f"{server.url}/x")
    assert raised.value.status == status
    assert len(server.requests) == 1


def test_what_may_pass_is_no_refusal(server, client):
    server.faults["/x"] = ["503"] * 4
    with pytest.raises(FetchError) as raised:
        client.get_bytes(f"{server.url}/x")
    assert not isinstance(raised.value, RefusedError)
