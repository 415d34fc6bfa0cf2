"""Clients of deployments: one for each of them while some task of an event loop is at work there.

LangGraph's SDK is used without two of its habits. It tries a refused connection for seconds, and joins a broken stream
by itself for as long: a deployment that is gone would be known late. And it sends whatever key of LangSmith's it finds
in the environment to whatever address it is given.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from functools import lru_cache
from weakref import WeakKeyDictionary

import httpx
from langgraph_sdk.client import LangGraphClient

from .faults import of_wire

CONNECT_S = 5.0
"""Seconds for a connection."""

OK_S = 2.0
"""Seconds in which a deployment has to say that it is well."""


class Opened:
    """The clients that are open in one event loop."""

    def __init__(self, headers: Mapping[str, str], timeout_s: float) -> None:
        self.users = 0
        self._headers = dict(headers)
        self._timeout_s = timeout_s
        self._clients: dict[str, LangGraphClient] = {}
        self._asked: dict[str, asyncio.Task[str]] = {}

    def of(self, url: str) -> LangGraphClient:
        """Return the client of a deployment."""
        if url not in self._clients:
            self._clients[url] = LangGraphClient(
                httpx.AsyncClient(
                    base_url=url,
                    headers=self._headers,
                    verify=_trusted() if url.startswith("https") else False,
                    timeout=httpx.Timeout(self._timeout_s, connect=CONNECT_S, pool=None),
                    limits=httpx.Limits(max_connections=None, max_keepalive_connections=50),  # each stream holds one
                    event_hooks={"response": [_without_location]},
                )
            )
        return self._clients[url]

    async def trouble(self, url: str) -> str:
        """Return what is wrong with a deployment, or nothing; whoever asks at the same time shares the answer."""
        asked = self._asked.get(url)
        if asked is None or asked.done():
            asked = self._asked[url] = asyncio.create_task(self._trouble(url))
        return await asyncio.shield(asked)

    async def _trouble(self, url: str) -> str:
        try:
            response = await self.of(url).http.client.get("/ok", timeout=OK_S)
        except httpx.TimeoutException:
            return f"no answer within {OK_S:g} s"
        except httpx.HTTPError as error:
            return of_wire(error)
        # who does not let us in is there; what it says of us, the request itself will show
        return f"it says {response.status_code}" if response.status_code >= 500 else ""

    async def close(self) -> None:
        """End all connections."""
        for asked in self._asked.values():
            asked.cancel()
        await asyncio.gather(*self._asked.values(), return_exceptions=True)
        for client in self._clients.values():
            await client.aclose()


class Clients:
    """The clients of one specialist."""

    def __init__(self, headers: Callable[[], Mapping[str, str]], timeout_s: float) -> None:
        self._headers = headers
        self._timeout_s = timeout_s
        self._opened: WeakKeyDictionary[asyncio.AbstractEventLoop, Opened] = WeakKeyDictionary()

    @asynccontextmanager
    async def in_use(self) -> AsyncIterator[Opened]:
        """Give this event loop's clients; the last who uses them closes them, since connections belong to a loop."""
        loop = asyncio.get_running_loop()
        opened = self._opened.get(loop)
        if opened is None:
            opened = self._opened[loop] = Opened(self._headers(), self._timeout_s)
        opened.users += 1
        try:
            yield opened
        finally:
            opened.users -= 1
            if not opened.users:
                del self._opened[loop]
                await opened.close()


async def _without_location(response: httpx.Response) -> None:
    """Take away what lets the SDK join a broken stream by itself: here the deployment is looked at first."""
    if response.headers.get("content-type", "").startswith("text/event-stream"):
        response.headers.pop("location", None)


@lru_cache(maxsize=1)
def _trusted() -> ssl.SSLContext:
    return httpx.create_ssl_context()  # reads all certificates, once
