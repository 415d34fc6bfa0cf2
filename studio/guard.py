"""Keeps pages of other sites off the server: it answers browsers only where Studio or a local page asks.

A server without access control runs whatever it is asked. A page that its user happens to visit could ask too: a plain
POST needs no permission from the server, and only the answer would be kept from the page.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import urlsplit

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

STUDIO = ("https://smith.langchain.com", "https://eu.smith.langchain.com")
"""Where LangSmith's Studio is served from."""

LOCAL = re.compile(r"https?://(localhost|127\.0\.0\.1|\[::1\])(:\d+)?")


class Guard:
    """Refuses requests of foreign pages, and requests that name the server by a foreign name."""

    def __init__(self, app: ASGIApp, environ: Mapping[str, str]) -> None:
        """Make the guard.

        Args:
            app: what it guards.
            environ: `FANWISE_ORIGINS`, further origins that may ask (`*`: any), and `FANWISE_HOSTS`, the only names
                that the server goes by (any, if not set).
        """
        self._app = app
        self._origins = {*STUDIO, *(environ.get("FANWISE_ORIGINS") or "").split()}
        self._hosts = set((environ.get("FANWISE_HOSTS") or "").lower().split())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or refuse."""
        if scope["type"] not in ("http", "websocket") or scope.get("root_path") == "/noauth":
            await self._app(scope, receive, send)
            return
        told = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope.get("headers", ())}
        problem = self._problem(told.get("origin"), told.get("host", ""))
        if problem is None:
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008, "reason": problem})
        else:
            await JSONResponse({"detail": problem}, 403)(scope, receive, send)

    def _problem(self, origin: str | None, host: str) -> str | None:
        name = (urlsplit(f"//{host}").hostname if _reads(host) else None) or ""
        if self._hosts and name not in self._hosts:
            return "this server answers only to its own name; FANWISE_HOSTS lists those that it goes by"
        if origin is None or "*" in self._origins or origin in self._origins or LOCAL.fullmatch(origin):
            return None
        if host and origin.partition("://")[2] == host:
            return None  # a page of this server's own
        return "pages of this origin may not ask this server; FANWISE_ORIGINS lists further ones that may"


def _reads(host: str) -> bool:
    try:
        return urlsplit(f"//{host}").hostname is not None
    except ValueError:
        return False
