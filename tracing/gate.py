"""Whether a server can be reached, found out without waiting for its answers."""

from __future__ import annotations

import socket
import time
from urllib.parse import urlsplit

from requests.utils import get_environ_proxies, select_proxy

CONNECT_S = 1.0
"""Seconds that a server has to take a connection."""

OPEN_S = 20.0
"""Seconds that a server which was reached counts as reachable."""

SHUT_S = 3.0
"""Seconds after which a server that was not reached is tried again."""


class Gate:
    """Tells whether the server of an address takes connections."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._is_open = False
        self._until = 0.0

    def is_open(self) -> bool:
        """Tell whether it did when it was last tried; try it now and then."""
        if time.monotonic() >= self._until:
            self._is_open = self._try()
            self._until = time.monotonic() + (OPEN_S if self._is_open else SHUT_S)
        return self._is_open

    def shut(self) -> None:
        """Note that it did not answer; it is tried again before anything is sent."""
        self._until = 0.0

    def _try(self) -> bool:
        proxy = select_proxy(self._url, get_environ_proxies(self._url))
        place = urlsplit(proxy or self._url)
        port = place.port or (443 if place.scheme == "https" else 80)
        try:
            with socket.create_connection((place.hostname or "localhost", port), CONNECT_S):
                return True
        except OSError:
            return False


def trouble_of(status: int | None) -> str:
    """Return what a server did that took nothing, by the status of its answer; `None` where there was none."""
    if status is None:
        return "gave no answer"
    if status in (401, 403):
        return f"refused the key ({status})"
    return f"refused what it was given ({status})" if status < 500 else f"answered with an error ({status})"
