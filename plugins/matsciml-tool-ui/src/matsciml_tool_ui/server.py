"""The server: pages by their addresses, on this machine, read-only, and nothing else."""

from __future__ import annotations

import errno
import socket
from typing import TYPE_CHECKING, NoReturn

import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route

from matsciml_core.errors import ConfigError
from matsciml_tool_ui.access import Access, Guard

if TYPE_CHECKING:
    from starlette.types import ASGIApp

    from matsciml_tool_ui.site import Shown, Site

HOST = "127.0.0.1"
"""The loopback address: no other machine can connect to it."""
_CONNECTIONS = 64
_SECONDS_TO_END = 2


def listen(port: int) -> socket.socket:
    """Return a socket that listens on the loopback address.

    Args:
        port: The port; 0: any that is free.

    Raises:
        ConfigError: It is taken, or not allowed.
    """
    try:
        return socket.create_server((HOST, port))
    except OSError as error:
        what = (
            "is in use" if error.errno == errno.EADDRINUSE else f"cannot be used ({error.strerror})"
        )
        raise ConfigError(
            f"Port {port} of {HOST} {what}; name another with --port, or --port 0 for any that is "
            "free."
        ) from error


def make_app(site: Site, access: Access) -> ASGIApp:
    """Return the application, to those who are let in.

    Args:
        site: The pages.
        access: Who is let in.
    """

    # Functions that are not coroutines run in threads, so that drawing a page delays no other.
    def first(request: Request) -> Response:
        return _answer(request, site.overview())

    def page(request: Request) -> Response:
        shown = site.page(request.path_params["kind"], request.path_params["folder"])
        if shown is None:
            return PlainTextResponse("There is no such page.\n", status_code=404)
        return _answer(request, shown)

    return Starlette(
        routes=[Route("/", first), Route("/page/{kind}/{folder:path}", page)],
        middleware=[Middleware(Guard, access=access)],
    )


def serve(app: ASGIApp, listener: socket.socket) -> NoReturn:
    """Answer requests until Ctrl-C.

    Args:
        app: The application.
        listener: A socket that listens.

    Raises:
        KeyboardInterrupt: The user pressed Ctrl-C.
    """
    make_server(app).run(sockets=[listener])
    # Only a signal ends it. uvicorn raises that again when it has ended, which does nothing where
    # Ctrl-C was ignored before, as in what a script starts in the background.
    raise KeyboardInterrupt


def make_server(app: ASGIApp) -> uvicorn.Server:
    """Return the server of an application, which listens to no socket yet."""
    config = uvicorn.Config(
        app,
        http="h11",
        loop="asyncio",
        ws="none",
        lifespan="off",
        log_level="error",
        access_log=False,  # it would write the token
        server_header=False,
        proxy_headers=False,  # whoever is on this machine could say that he is somebody else
        limit_concurrency=_CONNECTIONS,
        timeout_graceful_shutdown=_SECONDS_TO_END,
    )
    return uvicorn.Server(config)


def _answer(request: Request, shown: Shown) -> Response:
    tag = f'"{shown.mark}"'
    if request.headers.get("if-none-match") == tag:
        return Response(status_code=304, headers={"ETag": tag})
    return HTMLResponse(shown.html, headers={"ETag": tag})
