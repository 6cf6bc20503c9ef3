"""A server on loopback that stands in for a source, and misbehaves on demand.

It serves a tree of files with ``Range`` and ``ETag``, and hands other paths to handlers, which
are also the documentation of the protocols that they speak::

    with FaultServer() as server:
        server.files["/data.tar"] = b"…"
        server.faults["/data.tar"] = ["503", "drop:1000", "ok"]
        download(client, RemoteFile(url=f"{server.url}/data.tar", name="data.tar"), folder)
"""

from __future__ import annotations

import gzip
import hashlib
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qsl, urlsplit


@dataclass(frozen=True)
class Asked:
    """A request that the server got."""

    path: str
    query: dict[str, str]
    headers: dict[str, str]
    """Names in lower case."""
    method: str = "GET"
    body: bytes = b""


@dataclass
class Answer:
    """What a handler returns."""

    body: bytes = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)


Handler = Callable[[Asked], Answer]


class FaultServer:
    """A server on 127.0.0.1, run in a thread; use it as a context manager.

    A path's faults are used up one by one, then it answers properly:

    ========================  ==================================================================
    ``ok``                    answer properly
    ``503`` (any status)      answer with that status and no body
    ``429:2``                 that status, with ``Retry-After: 2``
    ``drop:N``                announce the whole body, send N bytes of it, cut the connection
    ``reset``                 cut the connection before any answer
    ``short:N``               leave out the last N bytes, and announce the shorter length
    ``long:N``                append N bytes, and announce the longer length
    ``etag``                  the file is another version from here on
    ``norange``               ignore ``Range``
    ``html``                  status 200 and a web page
    ``empty``                 status 200 and no body
    ``waf``                   status 202, no body, a challenge instead of data
    ``slow:S``                wait S seconds before the answer
    ``drip:S``                wait S seconds between blocks of 1 kB
    ``gzip``                  compress the body for the way
    ========================  ==================================================================
    """

    def __init__(self) -> None:
        """Bind a free port."""
        self.files: dict[str, bytes] = {}
        self.handlers: dict[str, Handler] = {}
        """By the beginning of the path; the longest that fits is used."""
        self.faults: dict[str, list[str]] = {}
        self.requests: list[Asked] = []
        """Everything that was asked, in order."""
        self._versions: dict[str, int] = {}
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler_for(self))
        self._server.daemon_threads = True
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        )

    @property
    def url(self) -> str:
        """Address without a slash at its end."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        """Start serving."""
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop."""
        self._server.shutdown()
        self._server.server_close()

    def next_fault(self, path: str) -> str:
        """Return and use up the next fault of a path."""
        pending = self.faults.get(path)
        return pending.pop(0) if pending else "ok"

    def answer(self, asked: Asked) -> Answer:
        """Return the proper answer to a request."""
        if asked.path in self.files:
            return Answer(
                body=self.files[asked.path],
                headers={"ETag": self.etag(asked.path), "Accept-Ranges": "bytes"},
            )
        fitting = [prefix for prefix in self.handlers if asked.path.startswith(prefix)]
        if not fitting:
            return Answer(status=404)
        return self.handlers[max(fitting, key=len)](asked)

    def etag(self, path: str) -> str:
        """Return the strong validator of a file's present version."""
        text = self.files[path] + str(self._versions.get(path, 0)).encode()
        return f'"{hashlib.sha256(text).hexdigest()[:16]}"'

    def change(self, path: str) -> None:
        """Make a file another version, with the same content."""
        self._versions[path] = self._versions.get(path, 0) + 1


def _handler_for(server: FaultServer) -> type[BaseHTTPRequestHandler]:
    class Connection(_Connection):
        fault_server = server

    return Connection


class _Connection(BaseHTTPRequestHandler):
    """Answers the requests of one connection."""

    protocol_version = "HTTP/1.1"
    fault_server: FaultServer

    def do_GET(self) -> None:
        """Answer, or misbehave."""
        parts = urlsplit(self.path)
        asked = Asked(
            path=parts.path,
            query=dict(parse_qsl(parts.query, keep_blank_values=True)),
            headers={name.lower(): value for name, value in self.headers.items()},
            method=self.command,
            body=self.rfile.read(int(self.headers.get("Content-Length", 0))),
        )
        self.fault_server.requests.append(asked)
        kind, _, value = self.fault_server.next_fault(asked.path).partition(":")
        if kind == "reset":
            self._cut()
        elif kind.isdigit():
            self._send(Answer(status=int(kind), headers={"Retry-After": value} if value else {}))
        elif kind in _PAGES:
            self._send(_PAGES[kind])
        else:
            self._misbehave(asked, kind, value)

    do_POST = do_GET

    def _misbehave(self, asked: Asked, kind: str, value: str) -> None:
        if kind == "etag":
            self.fault_server.change(asked.path)
        if kind == "slow":
            time.sleep(float(value))
        answer = self.fault_server.answer(asked)
        if kind == "short":
            answer = Answer(answer.body[: -int(value)], answer.status, answer.headers)
        elif kind == "long":
            answer = Answer(answer.body + b"x" * int(value), answer.status, answer.headers)
        elif kind == "gzip":
            packed = {**answer.headers, "Content-Encoding": "gzip"}
            self._send(Answer(gzip.compress(answer.body), answer.status, packed))
            return
        if kind != "norange" and answer.status == 200:
            answer = _ranged(answer, asked)
        self._send(
            answer,
            stop=int(value) if kind == "drop" else None,
            pause=float(value) if kind == "drip" else 0.0,
        )

    def _send(self, answer: Answer, *, stop: int | None = None, pause: float = 0.0) -> None:
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        body = answer.body[:stop]
        try:
            for first in range(0, len(body), 1024 if pause else len(body) or 1):
                self.wfile.write(body[first : first + 1024] if pause else body)
                time.sleep(pause)
        except ConnectionError:
            self.close_connection = True  # the client was killed, as some tests want
        if stop is not None:
            self._cut()

    def _cut(self) -> None:
        self.wfile.flush()
        self.close_connection = True

    def log_message(self, format: str, *arguments: Any) -> None:
        """Say nothing."""


_PAGES = {
    "html": Answer(b"<!DOCTYPE html><html>Sign in</html>", 200, {"Content-Type": "text/html"}),
    "empty": Answer(),
    "waf": Answer(status=202, headers={"x-amzn-waf-action": "challenge"}),
}


def _ranged(answer: Answer, asked: Asked) -> Answer:
    """Cut a body down to the range that was asked for."""
    wanted = asked.headers.get("range", "")
    if not wanted.startswith("bytes=") or "ETag" not in answer.headers:
        return answer
    condition = asked.headers.get("if-range")
    if condition is not None and condition != answer.headers["ETag"]:
        return answer
    first = int(wanted.removeprefix("bytes=").partition("-")[0])
    size = len(answer.body)
    if first >= size:
        return Answer(b"", 416, {**answer.headers, "Content-Range": f"bytes */{size}"})
    headers = {**answer.headers, "Content-Range": f"bytes {first}-{size - 1}/{size}"}
    return Answer(answer.body[first:], 206, headers)
