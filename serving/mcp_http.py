"""The server over streamable HTTP: its address, who may reach it, and its end."""

from __future__ import annotations

import asyncio
import hmac
import signal
import socket
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import uvicorn
from mcp.server.transport_security import TransportSecuritySettings
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ..schema.errors import FanwiseError
from .mcp_client import DROPPED
from .mcp_runs import Runs
from .mcp_server import Offer, make_server

PATH = "/mcp"
"""Where clients find the server; with a slash at its end too."""

LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
ANYWHERE = ("0.0.0.0", "::", "")

MAX_SESSIONS = 1_000
CLOSING_S = 3
"""Seconds that connections have to end once the runs have."""


def is_loopback(host: str) -> bool:
    """Tell whether an address can be reached from this machine only."""
    return host in ("127.0.0.1", "localhost", "::1") or host.startswith("127.")


def security(host: str, names: Sequence[str] = ()) -> TransportSecuritySettings:
    """Return by which names clients may reach the server: a page in a browser may lead a name of its own here.

    Args:
        host: the address that the server is bound to.
        names: further names, `NAME` or `NAME:PORT`, by which it is reached.
    """
    bound = [] if host in ANYWHERE else [f"[{host}]" if ":" in host else host]
    known = [*LOOPBACK, *bound]
    hosts = [f"{name}:*" for name in known] + known
    hosts += [name for given in names for name in ([given] if ":" in given else [given, f"{given}:*"])]
    unique = list(dict.fromkeys(hosts))
    origins = [f"{scheme}://{name}" for scheme in ("http", "https") for name in unique]
    return TransportSecuritySettings(allowed_hosts=unique, allowed_origins=origins)


class Door:
    """What stands before the protocol: the token, the path, and a bell that rings when a connection is gone."""

    def __init__(self, app: ASGIApp, token: str | None) -> None:
        self._app = app
        self._token = token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request in, or refuse it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if self._token is not None and not self._is_known(scope, self._token):
            refused = JSONResponse(
                {"error": "a bearer token is needed: send the header Authorization: Bearer TOKEN"},
                401,
                {"WWW-Authenticate": "Bearer"},
            )
            await refused(scope, receive, send)
            return
        dropped = asyncio.Event()

        async def heard() -> Message:
            message = await receive()
            if message["type"] == "http.disconnect":
                dropped.set()
            return message

        path = PATH if scope["path"] == f"{PATH}/" else scope["path"]
        await self._app({**scope, "path": path, DROPPED: dropped}, heard, send)

    @staticmethod
    def _is_known(scope: Scope, token: str) -> bool:
        given = dict(scope["headers"]).get(b"authorization", b"")
        scheme, _, said = given.partition(b" ")
        return scheme.lower() == b"bearer" and hmac.compare_digest(said.strip(), token.encode())


def make_app(offer: Offer, host: str, names: Sequence[str] = (), token: str | None = None, **settings: Any) -> ASGIApp:
    """Return the server as an ASGI application.

    Args:
        offer: what it offers.
        host: the address that it is bound to.
        names: further names by which it is reached.
        token: what clients have to show; nothing if not given.
        settings: further settings of FastMCP.
    """
    server = make_server(
        offer,
        host=host,
        streamable_http_path=PATH,
        transport_security=security(host, names),
        max_sessions=MAX_SESSIONS,
        **settings,
    )
    return Door(server.streamable_http_app(), token)


def bound(host: str, port: int) -> socket.socket:
    """Return a socket that listens at an address.

    Raises:
        FanwiseError: it can't.
    """
    try:
        family = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family, reuse_port=False)
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or error
        raise FanwiseError(f"can't listen at {host}:{port}: {reason}; give another --host or --port") from None


def url_of(listening: socket.socket) -> str:
    """Return the address for clients."""
    host, port = listening.getsockname()[:2]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}{PATH}"


class _Quiet(uvicorn.Server):
    """uvicorn without its own signal handlers: runs are stopped before connections are."""

    @contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Leave the signals alone."""
        yield


async def serve(app: ASGIApp, listening: socket.socket, runs: Runs, grace: float, say: Callable[[str], None]) -> None:
    """Serve until a signal comes: the first stops the runs in time, the second at once.

    Args:
        app: the server as an application.
        listening: where.
        runs: its runs.
        grace: seconds that running tasks have to end.
        say: tells whoever started the server.
    """
    config = uvicorn.Config(
        app, log_config=None, access_log=False, timeout_graceful_shutdown=CLOSING_S, lifespan="on", ws="none"
    )
    server, stopping = _Quiet(config), asyncio.Event()
    with _signals(stopping, server):
        serving = asyncio.create_task(server.serve([listening]))
        waiting = asyncio.create_task(stopping.wait())
        try:
            await asyncio.wait({serving, waiting}, return_when=asyncio.FIRST_COMPLETED)
            if not serving.done():
                say(f"stopping: running tasks have {grace:g} s; once more stops at once")
                await runs.stop(grace)
                await asyncio.sleep(0.1)  # what the runs came to is sent before the connections end
        finally:
            waiting.cancel()
            server.should_exit = True
            await asyncio.wait([serving])
    serving.result()


@contextmanager
def _signals(stopping: asyncio.Event, server: uvicorn.Server) -> Generator[None, None, None]:
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    assert task is not None

    def on_signal() -> None:
        if stopping.is_set():
            server.force_exit = True
            task.cancel()
        stopping.set()

    handled: Mapping[int, str] = {signal.SIGINT: "SIGINT", signal.SIGTERM: "SIGTERM"}
    with suppress(NotImplementedError, RuntimeError):  # Windows; or a thread that is not the main one
        for number in handled:
            loop.add_signal_handler(number, on_signal)
    try:
        yield
    finally:
        with suppress(NotImplementedError, RuntimeError):
            for number in handled:
                loop.remove_signal_handler(number)
