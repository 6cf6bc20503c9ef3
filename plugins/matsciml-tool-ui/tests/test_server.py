"""Whom the server answers, and what it never gives away."""

from __future__ import annotations

import pytest

from matsciml_core.errors import ConfigError
from matsciml_tool_ui.server import HOST, listen

SECRET = "a secret of the machine"
NO_PAGES = (
    "/page/report/../outside",
    "/page/report/..",
    "/../outside/config.yaml",
    "/page/report/%2e%2e%2foutside",
    "/page/report/done/../../outside",
    "/page/report//etc",
    "/page/report/done/",
    "/page/report/done/report.html",
    "/page/report/done%00",
    "/page/report/",
    "/page/unknown/done",
    "/page/all/done",
    "/done/report.html",
    "/runs/done/config.yaml",
    "/favicon.ico",
    "/docs",
)


def test_without_the_token_nothing_is_shown(server):
    for path in ("/", "/page/report/done", "/nothing", "/?token=", "/?token=wrong", "/?token=%C3"):
        answer = server.ask(path, cookie=False)
        assert answer.status == 403
        assert answer.body == "Open the address that 'matsciml ui' has printed, with its token.\n"
    wrong = server.ask("/", cookie=False, Cookie=f"matsciml-ui-{server.port}=wrong")
    assert wrong.status == 403


def test_the_token_is_taken_out_of_the_address_and_kept_in_a_cookie(server):
    answer = server.ask(f"/?token={server.access.token}", cookie=False)
    assert (answer.status, answer.headers["Location"]) == (303, "/")
    cookie, *attributes = answer.headers["Set-Cookie"].split("; ")
    assert cookie == f"matsciml-ui-{server.port}={server.access.token}"
    assert {"HttpOnly", "SameSite=strict"} <= set(attributes)
    assert server.ask("/", cookie=False, Cookie=cookie).status == 200


def test_the_token_of_an_address_leads_nowhere_else(server):
    answer = server.ask(f"//elsewhere.example/?token={server.access.token}", cookie=False)
    assert answer.headers["Location"] == "/"


def test_what_a_browser_is_started_with_opens_once(server):
    ticket = server.access.new_ticket()
    assert server.ask(f"/?token={ticket}", cookie=False).status == 303
    assert server.ask(f"/?token={ticket}", cookie=False).status == 403


def test_nothing_but_reading_is_answered(server):
    for method in ("POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"):
        answer = server.ask("/", method=method)
        assert (answer.status, answer.headers["Allow"]) == (405, "GET, HEAD"), method


def test_head_has_no_body(server):
    answer = server.ask("/", method="HEAD")
    assert (answer.status, answer.body) == (200, "")


def test_a_name_of_a_stranger_is_refused(server):
    for host in ("evil.example", "127.0.0.1.evil.example", "evil.example:8765", "localhost@e", ""):
        answer = server.ask("/", Host=host)
        assert answer.status == 403, host
        assert answer.body.startswith("This server answers to 127.0.0.1 and localhost")


def test_names_of_this_machine_are_answered_whatever_the_port(server):
    for host in ("localhost", "LOCALHOST:1234", "[::1]:99999"):
        answer = server.ask(f"/?token={server.access.token}", Host=host, cookie=False)
        assert answer.status == 303, host


def test_what_is_no_page_of_the_folder_is_not_found(server, root):
    outside = root.parent / "outside"
    outside.mkdir()
    (outside / "config.yaml").write_text(SECRET)
    (outside / "metrics.csv").write_text(SECRET)
    (root / "done" / "report.html").write_text(SECRET)
    for path in NO_PAGES:
        answer = server.ask(path)
        assert answer.status == 404, path
        assert SECRET not in answer.body


def test_pages_are_not_for_other_sites_to_hold(server):
    for path in ("/", "/nothing", "/page/report/done"):
        headers = server.ask(path).headers
        assert headers["Content-Security-Policy"] == "frame-ancestors 'none'"
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
        assert headers["Cache-Control"] == "no-store"
        assert headers["Referrer-Policy"] == "no-referrer"
        assert "Server" not in headers
        assert "Access-Control-Allow-Origin" not in headers


def test_a_page_may_ask_this_server_only(server):
    body = server.ask("/").body
    assert "default-src &#39;none&#39;" in body or "default-src 'none'" in body
    assert "connect-src 'self';" in body
    assert body.count("<script>") == 1


def test_a_page_that_has_not_changed_is_not_sent_again(server, root):
    first = server.ask("/page/report/live")
    again = server.ask("/page/report/live", If_None_Match=first.headers["ETag"])
    assert (again.status, again.body) == (304, "")
    assert f'data-mark="{first.headers["ETag"][1:-1]}"' in first.body
    (root / "live" / "notes.txt").write_text("another epoch")
    changed = server.ask("/page/report/live", If_None_Match=first.headers["ETag"])
    assert changed.status == 200
    assert "another epoch" in changed.body


def test_only_this_machine_can_connect():
    with listen(0) as listener:
        assert listener.getsockname()[0] == HOST == "127.0.0.1"


def test_a_port_in_use_is_one_sentence():
    with listen(0) as listener:
        port = listener.getsockname()[1]
        with pytest.raises(ConfigError, match=f"Port {port} of 127.0.0.1 is in use; name another"):
            listen(port)
