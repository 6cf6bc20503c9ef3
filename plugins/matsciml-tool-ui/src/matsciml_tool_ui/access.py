"""Who may look: whoever has the token, asks for a page of this machine, and changes nothing."""

from __future__ import annotations

import re
import secrets

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

COOKIE = "matsciml-ui"
_METHODS = ("GET", "HEAD")
_HOST = re.compile(r"(127\.0\.0\.1|localhost|\[::1\])(:\d{1,5})?", re.ASCII | re.IGNORECASE)
_HEADERS = {
    # The policy of a page's own content stands in the page.
    "Content-Security-Policy": "frame-ancestors 'none'",
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


class Access:
    """The secrets by which this server knows its user."""

    def __init__(self) -> None:
        """Choose the token, of 256 random bits."""
        self.token = secrets.token_urlsafe(32)
        self._tickets: set[str] = set()

    def new_ticket(self) -> str:
        """Return a token that opens one page, once."""
        ticket = secrets.token_urlsafe(32)
        self._tickets.add(ticket)
        return ticket

    def admits(self, token: str) -> bool:
        """Return whether an address with this token is let in."""
        if token in self._tickets:
            self._tickets.remove(token)
            return True
        return self.is_token(token)

    def is_token(self, text: str) -> bool:
        """Return whether a text is the token, in a time that says nothing about it."""
        return secrets.compare_digest(text.encode(), self.token.encode())


class Guard:
    """Lets a request through to the pages, or answers it.

    Args:
        app: The pages.
        access: The secrets.
    """

    def __init__(self, app: ASGIApp, access: Access) -> None:
        """Remember both."""
        self.app = app
        self.access = access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers[name] = value
            await send(message)

        answer = self._answer(Request(scope)) or self.app
        await answer(scope, receive, send_with_headers)

    def _answer(self, request: Request) -> Response | None:
        """Return what stands in place of the page; None: the page itself."""
        # A name of a stranger that leads to this machine (DNS rebinding) would make his page and
        # ours one site. Ports differ where one is forwarded by ssh.
        host = _HOST.fullmatch(request.headers.get("host", ""))
        if host is None:
            text = "This server answers to 127.0.0.1 and localhost, and to no other name.\n"
            return PlainTextResponse(text, status_code=403)
        if request.method not in _METHODS:
            text = "This server only reads: GET and HEAD.\n"
            return PlainTextResponse(text, status_code=405, headers={"Allow": ", ".join(_METHODS)})
        # Cookies of all ports are sent to each: those of two servers must not be mistaken.
        cookie = f"{COOKIE}{(host[2] or ':80').replace(':', '-')}"
        if self.access.admits(request.query_params.get("token", "")):
            # Away from the address bar and the history, which others may see.
            answer = RedirectResponse("/", status_code=303)
            answer.set_cookie(cookie, self.access.token, httponly=True, samesite="strict")
            return answer
        if self.access.is_token(request.cookies.get(cookie, "")):
            return None
        text = "Open the address that 'matsciml ui' has printed, with its token.\n"
        return PlainTextResponse(text, status_code=403)
