"""The HTTP client of every source: paced, patient, and discreet about secrets.

``requests`` does the transport, so proxies (``HTTPS_PROXY``, ``NO_PROXY``) and certificates
(``REQUESTS_CA_BUNDLE``) are those of the environment. This module adds mirrors, rates per host,
retries, and redirects that never carry a secret to another host.
"""

from __future__ import annotations

import json
import logging
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, TypeVar
from urllib.parse import urlencode, urljoin, urlsplit

import requests
import urllib3

from matsciml_core import __version__
from matsciml_core.data.fetch import FetchRequest
from matsciml_core.errors import FetchError
from matsciml_core.guarded import parse_json
from matsciml_util_sources.addresses import Addresses, safe_url
from matsciml_util_sources.pacing import Retry, TokenBucket, retry_after

Result = TypeVar("Result")

ALLOW_HTTP = "MATSCIML_ALLOW_HTTP"
"""``1``: keys may be sent, and redirects followed, without encryption."""
_LOG = logging.getLogger("matsciml.fetch")
_REPEAT = frozenset({408, 425, 429, 500, 502, 503, 504})
"""Statuses after which the same request may succeed."""
_REDIRECT = frozenset({301, 302, 303, 307, 308})
_MOST_REDIRECTS = 10
_DEFAULT_RATE = 10.0
"""Requests per second to a host without a rate of its own."""
READ_ERRORS = (requests.RequestException, urllib3.exceptions.HTTPError, ConnectionError)
"""What reading a body may raise when the connection breaks."""
_BLOCK = 1 << 16
LARGEST_ANSWER = 512 << 20
"""Bytes of an answer that is read into memory, unpacked."""


class TransientError(FetchError):
    """A failure that may pass; raised inside this package only, and then repeated."""

    def __init__(self, reason: str, *, asked: float | None = None, gained: bool = False) -> None:
        """Keep what the server asked for, s, and whether the attempt brought anything."""
        super().__init__(reason)
        self.asked = asked
        self.gained = gained


class RefusedError(FetchError):
    """The server answered with a status that will stay the same."""

    def __init__(self, message: str, status: int) -> None:
        """Keep the status, so that a source can say in its own words what to do."""
        super().__init__(message)
        self.status = status


class Client:
    """Sends requests that change nothing at the source, so that each may be repeated.

    It may be shared between threads. Rates are those of the host that is really asked, which is
    the mirror's where there is one; the user's configuration wins over the plugin's rate.

    Args:
        addresses: Mirrors and rates; None: environment and configuration file.
        rates: Most requests per second by host, as the source demands.
        retry: How patiently requests are repeated.
        timeout: Longest wait for a connection, and for the next bytes, s.
        sleep: Waits; for tests.

    Raises:
        ConfigError: The user's configuration cannot be read.
    """

    def __init__(
        self,
        addresses: Addresses | None = None,
        *,
        rates: Mapping[str, float] | None = None,
        retry: Retry | None = None,
        timeout: tuple[float, float] = (15.0, 60.0),
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Open nothing yet."""
        self.addresses = Addresses.read() if addresses is None else addresses
        self.retry = Retry() if retry is None else retry
        self._rates = {**(rates or {}), **self.addresses.rates}
        self._timeout = timeout
        self._sleep = sleep
        self._buckets: dict[str, TokenBucket] = {}
        self._lock = threading.Lock()
        self._local = threading.local()

    def pace(self, host: str, rate: float) -> None:
        """Ask a host at most so often, unless the user's configuration says otherwise.

        Args:
            host: Name of the host.
            rate: Requests per second.
        """
        self._rates.setdefault(host, rate)

    def get_json(
        self,
        url: str,
        parameters: Mapping[str, Any] | None = None,
        *,
        secrets: Mapping[str, str] | None = None,
    ) -> Any:
        """Return the JSON that a server answers with.

        Args:
            url: Address without query.
            parameters: The query.
            secrets: Headers that only the host of ``url`` may see, for example an API key.

        Raises:
            FetchError: The server refused, never answered, or answered with something else.
        """
        whole = url if not parameters else f"{url}?{urlencode(parameters)}"

        def attempt() -> Any:
            return _parse(self._body(whole, secrets), whole)

        return self.persist(attempt, whole)

    def post_json(self, url: str, question: Any) -> Any:
        """Return the JSON that a server answers a question with that is too long for an address.

        Args:
            url: Address.
            question: What is asked, sent as JSON; it must change nothing at the server.

        Raises:
            FetchError: The server refused, never answered, or answered with something else.
        """
        content = json.dumps(question).encode()
        return self.persist(lambda: _parse(self._body(url, None, content), url), url)

    def get_bytes(self, url: str, *, secrets: Mapping[str, str] | None = None) -> bytes:
        """Return a small body as it is.

        Args:
            url: Address with query.
            secrets: Headers that only the host of ``url`` may see.

        Raises:
            FetchError: The server refused, never answered, or answered with nothing.
        """
        return self.persist(lambda: self._body(url, secrets), url)

    def persist(self, attempt: Callable[[], Result], url: str) -> Result:
        """Call a function until it raises no :class:`TransientError`.

        Args:
            attempt: Sends one request and reads its answer.
            url: For messages.

        Raises:
            FetchError: The last attempt failed too, or the server wants too long a pause.
        """
        failed = 0
        while True:
            try:
                return attempt()
            except TransientError as error:
                # An attempt that brought bytes is progress: patience begins anew.
                failed = 1 if error.gained else failed + 1
                self._wait(error, failed, url)

    @contextmanager
    def open(
        self,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        secrets: Mapping[str, str] | None = None,
        accept: tuple[int, ...] = (200,),
        content: bytes | None = None,
    ) -> Iterator[requests.Response]:
        """Send one request, follow its redirects, and give the answer with its body unread.

        Args:
            url: Address with query.
            headers: Further headers.
            secrets: Headers that only the host of ``url`` may see.
            accept: Statuses that are an answer.
            content: JSON to be sent by POST; None: the request is a GET.

        Raises:
            TransientError: Something that may pass; to be raised within :meth:`persist`.
            FetchError: Something that will not.
        """
        response = self._follow(url, dict(headers or {}), dict(secrets or {}), content)
        try:
            if response.status_code not in accept:
                raise _status_error(response, url)
            yield response
        finally:
            # With its body unread a connection goes back to no pool until it is closed.
            response.close()

    def _follow(
        self,
        url: str,
        headers: dict[str, str],
        secrets: dict[str, str],
        content: bytes | None,
    ) -> requests.Response:
        # Redirects are followed here and not by requests, which knows neither mirrors nor rates and
        # takes a header such as X-API-KEY along to any host.
        address = self.addresses.resolve(url)
        parts = urlsplit(address)
        if secrets and parts.scheme == "http" and not http_allowed(parts.hostname or ""):
            raise FetchError(
                f"'{safe_url(address)}' is asked without encryption, so that anybody on the way "
                f"could read your key; use an https address, or set {ALLOW_HTTP}=1 if you trust "
                "the network."
            )
        for _ in range(_MOST_REDIRECTS):
            response = self._send(address, {**headers, **secrets}, content)
            location = response.headers.get("Location")
            if response.status_code not in _REDIRECT or location is None:
                return response
            response.close()
            target = self.addresses.resolve(urljoin(address, location))
            _check_encryption(address, target)
            if _origin(target) != _origin(address):
                secrets = {}  # a secret belongs to one host; the next one must not see it
            address = target
        raise FetchError(f"'{safe_url(url)}' redirects in a circle; the source has moved.")

    def _send(
        self, address: str, headers: Mapping[str, str], content: bytes | None
    ) -> requests.Response:
        parts = urlsplit(address)
        host = parts.hostname or ""
        if parts.scheme not in ("http", "https"):
            raise FetchError(f"'{safe_url(address)}' is no http address; the source is wrong.")
        self._bucket(host).take()  # not under the lock: other hosts need not wait for this one
        try:
            return self._session().request(
                "GET" if content is None else "POST",
                address,
                data=content,
                # Lengths and ranges are those of the file, not of what a server makes of it.
                headers={"Accept-Encoding": "identity", **headers},
                stream=True,
                allow_redirects=False,
                timeout=self._timeout,
            )
        except requests.RequestException as error:
            # The library's own message may quote the whole address, and the proxy's password.
            raise _connection_error(error, host) from None

    def _body(
        self, url: str, secrets: Mapping[str, str] | None, content: bytes | None = None
    ) -> bytes:
        headers = {"Accept-Encoding": "gzip"}  # read whole, so nothing is continued within it
        if content is not None:
            headers["Content-Type"] = "application/json"
        with self.open(url, secrets=secrets, headers=headers, content=content) as response:
            try:
                body = _read_up_to(response.iter_content(_BLOCK), LARGEST_ANSWER, url)
            except READ_ERRORS:
                raise TransientError("the connection broke off") from None
        if not body:
            raise TransientError("the answer was empty")
        return body

    def _wait(self, error: TransientError, failed: int, url: str) -> None:
        shown = safe_url(url)
        if failed >= self.retry.attempts:
            raise FetchError(
                f"'{shown}' could not be fetched, after {failed} attempts: {error}; run the same "
                "command again later, it continues where it stopped."
            ) from None
        if error.asked is not None and error.asked > self.retry.longest_asked:
            raise FetchError(
                f"The server of '{shown}' asks to wait {error.asked:.0f} s; run the same command "
                "again after that, it continues where it stopped."
            ) from None
        pause = self.retry.pause(failed - 1, error.asked)
        _LOG.info("%s: %s; again in %.1f s", shown, error, pause)
        self._sleep(pause)

    def _bucket(self, host: str) -> TokenBucket:
        with self._lock:
            if host not in self._buckets:
                rate = self._rates.get(host, _DEFAULT_RATE)
                self._buckets[host] = TokenBucket(rate, sleep=self._sleep)
            return self._buckets[host]

    def _session(self) -> requests.Session:
        """Return this thread's session; requests does not promise that threads may share one."""
        session: requests.Session | None = getattr(self._local, "session", None)
        if session is None:
            session = requests.Session()
            session.headers["User-Agent"] = f"matsciml/{__version__}"
            # Leaves requests as they are; without it, what a .netrc file has for the host is sent.
            session.auth = lambda request: request
            self._local.session = session
        return session


def _read_up_to(blocks: Iterable[bytes], most: int, url: str) -> bytes:
    parts: list[bytes] = []
    size = 0
    for block in blocks:
        size += len(block)
        if size > most:  # packed, it may have been a thousandth; no repetition would mend it
            raise FetchError(
                f"The answer of '{safe_url(url)}' is larger than {most >> 20} MiB, which no page "
                "of records is; the source has changed, or a proxy alters it."
            )
        parts.append(block)
    return b"".join(parts)


def _origin(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    return parts.scheme, parts.netloc


def _check_encryption(address: str, target: str) -> None:
    """Refuse to go on without encryption where the source began with it."""
    parts = urlsplit(target)
    begun = urlsplit(address).scheme == "https"
    if begun and parts.scheme == "http" and not http_allowed(parts.hostname or ""):
        raise FetchError(
            f"'{safe_url(address)}' redirects to '{safe_url(target)}', which is not encrypted, so "
            f"that anybody on the way could change the data; set {ALLOW_HTTP}=1 if you trust the "
            "network."
        )


def _parse(body: bytes, url: str) -> Any:
    try:
        return parse_json(body, largest=None)  # as large as the answer may be
    except ValueError:
        if looks_like_html(body):
            raise TransientError("the answer was a web page instead of JSON") from None
        raise TransientError("the answer was no valid JSON") from None


def looks_like_html(start: bytes) -> bool:
    """Return whether a body begins like a web page."""
    head = start[:512].lstrip().lower()
    return head.startswith((b"<!doctype html", b"<html", b"<head", b"<script"))


def _status_error(response: requests.Response, url: str) -> FetchError:
    """Return the error for a status that is no answer."""
    status, shown = response.status_code, safe_url(url)
    if status in _REPEAT:
        asked = retry_after(response.headers.get("Retry-After"))
        return TransientError(f"the server answered with status {status}", asked=asked)
    if status in (202, 204):
        return RefusedError(
            f"The server of '{shown}' answered with status {status} and without data, as some do "
            "to programs; try again later, or set a mirror of the host.",
            status,
        )
    if status in (401, 403):
        return RefusedError(
            f"The server of '{shown}' refused (status {status}); check the key, or whether the "
            "address is still public.",
            status,
        )
    advice = {404: "it has moved or never existed", 410: "it is gone", 414: "the query is too long"}
    reason = advice.get(status, "the source has changed")
    return RefusedError(f"The server of '{shown}' answered with status {status}: {reason}.", status)


def _connection_error(error: requests.RequestException, host: str) -> FetchError:
    # urllib3 wraps the certificate's error in others; only its text reaches this place.
    if "CERTIFICATE_VERIFY_FAILED" in str(error):
        return FetchError(
            f"The certificate of '{host}' cannot be verified; behind a proxy with a certificate of "
            "its own, set REQUESTS_CA_BUNDLE to the file that holds it."
        )
    if isinstance(error, requests.exceptions.ProxyError):
        return TransientError("the proxy does not answer; check HTTPS_PROXY")
    if isinstance(error, requests.Timeout):
        return TransientError(f"'{host}' did not answer in time")
    if isinstance(error, (requests.exceptions.InvalidURL, requests.exceptions.InvalidSchema)):
        return FetchError(f"The address of '{host}' is invalid; check the mirror's address.")
    return TransientError(f"there is no connection to '{host}'")


def http_allowed(host: str) -> bool:
    """Return whether a host may be spoken to without encryption where that matters.

    Args:
        host: Name or address; those of this machine always may.
    """
    return host in ("localhost", "127.0.0.1", "::1") or os.environ.get(ALLOW_HTTP) == "1"


def connected(request: FetchRequest) -> FetchRequest:
    """Return a request that has a client: its own, or else a new one for the real source.

    Args:
        request: What the user wants.
    """
    return request if request.client is not None else replace(request, client=Client())
