"""The client is paced and patient, goes to mirrors, and keeps secrets."""

from __future__ import annotations

import logging
from datetime import UTC, datetime

import pytest

from matsciml_core.errors import ConfigError, FetchError
from matsciml_util_sources.addresses import Addresses, safe_url
from matsciml_util_sources.client import Client
from matsciml_util_sources.fake_server import Answer, FaultServer
from matsciml_util_sources.pacing import Retry, TokenBucket, retry_after

SECRET = "abcdef0123456789"


def test_json_is_fetched_through_faults(client, server, pauses):
    server.handlers["/api"] = lambda asked: Answer(b'{"page": %s}' % asked.query["page"].encode())
    server.faults["/api"] = ["503", "html", "drop:3", "ok"]
    client.retry = Retry(attempts=5)
    assert client.get_json(f"{server.url}/api", {"page": 7}) == {"page": 7}
    assert len(pauses) == 3


def test_a_long_question_is_sent_by_post_through_faults(client, server, pauses):
    server.handlers["/api"] = lambda asked: Answer(asked.body)
    server.faults["/api"] = ["503", "reset"]
    assert client.post_json(f"{server.url}/api", {"size": [1, 2]}) == {"size": [1, 2]}
    assert [asked.method for asked in server.requests] == ["POST"] * 3
    assert server.requests[-1].headers["content-type"] == "application/json"
    assert len(pauses) == 2


def test_broken_json_is_an_error(client, server):
    server.files["/bad"] = b'{"cut": '
    with pytest.raises(FetchError, match="no valid JSON"):
        client.get_json(f"{server.url}/bad")


def test_a_host_is_replaced_by_its_mirror(server, tmp_path):
    server.files["/mirror/v1/x"] = b'"here"'
    variables = {
        "MATSCIML_MIRROR_API_EXAMPLE_ORG": f"{server.url}/mirror",
        "MATSCIML_CONFIG": str(tmp_path / "absent.toml"),
    }
    client = Client(Addresses.read(variables))
    assert client.get_json("https://api.example.org/v1/x") == "here"


def test_the_configuration_file_names_mirrors_and_rates(tmp_path):
    file = tmp_path / "config.toml"
    file.write_text('[mirrors]\n"a.org" = "http://b/c/"\n[rates]\n"a.org" = 0.5\n')
    addresses = Addresses.read({}, file)
    assert addresses.resolve("https://a.org/d?e=f") == "http://b/c/d?e=f"
    assert addresses.rates == {"a.org": 0.5}
    win = Addresses.read({"MATSCIML_MIRROR_A_ORG": "http://z"}, file)
    assert win.resolve("https://a.org/d") == "http://z/d"


@pytest.mark.parametrize("text", ["mirrors = 3", "[mirrors", '[mirrors]\n"a" = "ftp://b"'])
def test_a_wrong_configuration_is_one_sentence(tmp_path, text):
    file = tmp_path / "config.toml"
    file.write_text(text)
    with pytest.raises(ConfigError, match=r"mirror|cannot be read"):
        Addresses.read({}, file)


def test_a_secret_reaches_its_host_and_no_other(server):
    with FaultServer() as other:
        other.files["/file"] = b"data"
        redirect = Answer(status=302, headers={"Location": f"{other.url}/file"})
        server.handlers["/away"] = lambda asked: redirect
        client = Client(Addresses())
        assert client.get_bytes(f"{server.url}/away", secrets={"X-API-KEY": SECRET}) == b"data"
        assert server.requests[0].headers["x-api-key"] == SECRET
        assert "x-api-key" not in other.requests[0].headers


def test_a_redirect_within_the_host_keeps_the_secret(server):
    server.files["/file"] = b"data"
    server.handlers["/away"] = lambda asked: Answer(status=307, headers={"Location": "/file"})
    Client(Addresses()).get_bytes(f"{server.url}/away", secrets={"X-API-KEY": SECRET})
    assert server.requests[1].headers["x-api-key"] == SECRET


def test_redirects_in_a_circle_end(server):
    server.handlers["/away"] = lambda asked: Answer(status=302, headers={"Location": "/away"})
    with pytest.raises(FetchError, match="circle"):
        Client(Addresses()).get_bytes(f"{server.url}/away")


@pytest.mark.parametrize("fault", ["503", "403", "reset", "html", "waf", "404", "429:9999"])
def test_nothing_secret_is_said(client, server, fault, caplog):
    caplog.set_level(logging.DEBUG, logger="matsciml.fetch")
    server.files["/x"] = b"{"
    server.faults["/x"] = [fault] * 4
    address = server.url.replace("http://", f"http://user:{SECRET}@")
    with pytest.raises(FetchError) as caught:
        client.get_json(f"{address}/x", {"api_key": SECRET}, secrets={"X-API-KEY": SECRET})
    error: BaseException | None = caught.value
    assert SECRET not in str(error)
    assert error.__cause__ is None
    assert SECRET not in caplog.text
    assert safe_url(f"{address}/x?k={SECRET}#{SECRET}").count(SECRET) == 0


def test_the_password_of_a_proxy_is_not_said(client, monkeypatch):
    monkeypatch.setenv("http_proxy", f"http://me:{SECRET}@127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    with pytest.raises(FetchError, match="proxy") as caught:
        client.get_bytes("http://example.invalid/x")
    assert SECRET not in str(caught.value)


def test_a_proxy_is_honoured(server, monkeypatch):
    seen = []
    server.handlers["http://"] = lambda asked: Answer(b"by proxy")
    server.handlers["/"] = lambda asked: seen.append(asked) or Answer(b"by proxy")
    monkeypatch.setenv("http_proxy", server.url)
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    assert Client(Addresses()).get_bytes("http://example.invalid/x") == b"by proxy"


def test_a_netrc_file_is_not_read(client, server, monkeypatch, tmp_path):
    (tmp_path / ".netrc").write_text(f"machine 127.0.0.1 login me password {SECRET}\n")
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    server.files["/x"] = b"1"
    client.get_bytes(f"{server.url}/x", secrets={"Authorization": "Bearer mine"})
    assert server.requests[0].headers["authorization"] == "Bearer mine"


def test_other_schemes_are_refused(client):
    with pytest.raises(FetchError, match="no http address"):
        client.get_bytes("file:///etc/passwd")


def test_requests_to_a_host_are_paced(server):
    server.files["/x"] = b"1"
    waits = []
    client = Client(Addresses(), rates={"127.0.0.1": 0.2}, sleep=waits.append)
    for _ in range(3):
        client.get_bytes(f"{server.url}/x")
    assert waits == pytest.approx([5, 10], abs=1)  # the clock stands still: the debt adds up


def test_the_users_rate_wins_over_the_plugins():
    client = Client(Addresses(rates={"a.org": 1.0}), rates={"a.org": 5.0, "b.org": 2.0})
    assert client._bucket("a.org").rate == 1.0
    assert client._bucket("b.org").rate == 2.0


def test_a_token_bucket_allows_a_burst_and_then_its_rate():
    now, waits = [0.0], []
    bucket = TokenBucket(2.0, burst=3, clock=lambda: now[0], sleep=waits.append)
    for _ in range(5):
        bucket.take()
    assert waits == [0.5, 1.0]
    now[0] = 100.0
    bucket.take()
    assert len(waits) == 2


def test_back_off_doubles_under_a_bound_and_is_jittered():
    retry = Retry(first=1.0, longest=8.0)
    for attempt in range(10):
        pauses = [retry.pause(attempt) for _ in range(200)]
        bound = min(8.0, 2.0**attempt)
        assert max(pauses) <= bound
        assert max(pauses) > 0.8 * bound
        assert min(pauses) < 0.2 * bound
        assert all(retry.pause(attempt, 20.0) >= 20.0 for _ in range(10))


def test_retry_after_reads_seconds_and_dates():
    now = datetime(2026, 1, 1, tzinfo=UTC)
    assert retry_after("30") == 30
    assert retry_after("Thu, 01 Jan 2026 00:01:00 GMT", now=now) == 60
    assert retry_after("Thu, 01 Jan 2020 00:01:00 GMT", now=now) == 0
    assert retry_after("soon") is None
    assert retry_after(None) is None
