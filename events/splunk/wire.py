"""How splunk-sdk's requests go out: with a time limit for the whole of each, and so that they can be broken off.

The SDK's own way of sending has no time limit for the answer as a whole: a server that sends a byte now and then, or
none, would hold a caller for ever.
"""

from __future__ import annotations

import io
import socket
import ssl
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from http.client import HTTPConnection, HTTPResponse, HTTPSConnection, IncompleteRead
from typing import Any
from urllib.parse import urlsplit

from ..ending import go_on, interruptible

MAX_BYTES = 400_000_000
"""The largest answer to one request."""

CONNECT_S = 10.0
"""Seconds to reach the server, at most."""


class TooSlow(OSError):
    """An answer was not complete in time."""


class TooLarge(OSError):
    """An answer is larger than is read."""


class Line:
    """What one thread has under way, and how another thread breaks it off."""

    def __init__(self) -> None:
        self.broken = threading.Event()
        self._socket: socket.socket | None = None

    def hold(self, sock: socket.socket | None) -> None:
        """Note the socket that is in use."""
        self._socket = sock
        if self.broken.is_set():
            self.break_off()

    def break_off(self) -> None:
        """End what is under way: whoever waits for an answer gets an error."""
        self.broken.set()
        self.shut()

    def shut(self) -> None:
        """Shut the socket that is in use."""
        if (sock := self._socket) is not None:
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)

    def wait(self, seconds: float) -> None:
        """Wait, unless it is broken off before.

        Raises:
            Stopped: it was.
        """
        self.broken.wait(seconds)
        go_on()


class Wire:
    """The handler that the SDK calls for each request; safe to use from many threads at once."""

    def __init__(self, request_s: float, *, tls: bool = True, verify: bool = True, ca: str | None = None) -> None:
        """Prepare connections.

        Args:
            request_s: seconds for a request, its answer included.
            tls: whether the server speaks HTTPS.
            verify: whether a server on HTTPS has to prove who it is.
            ca: a file with the certificates that vouch for it, in place of the system's.

        Raises:
            OSError: the file can't be read, or holds no certificates.
        """
        self._request_s = request_s
        self._tls = ssl.create_default_context(cafile=ca) if tls else None
        if self._tls is not None and not verify:
            self._tls.check_hostname = False
            self._tls.verify_mode = ssl.CERT_NONE
        self._here = threading.local()

    @contextmanager
    def stoppable(self) -> Iterator[Line]:
        """Let the requests of this thread be broken off when nobody waits for them any more; see `ending`."""
        line = Line()
        before, self._here.line = getattr(self._here, "line", None), line
        try:
            with interruptible(line.break_off):
                yield line
        finally:
            self._here.line = before

    @contextmanager
    def within(self, seconds: float) -> Iterator[None]:
        """Give the requests of this thread less time: what is left of a larger limit."""
        before, self._here.until = getattr(self._here, "until", None), time.monotonic() + seconds
        try:
            yield
        finally:
            self._here.until = before

    def __call__(self, url: str, message: Mapping[str, Any], **_: Any) -> dict[str, Any]:
        """Send a request and read its whole answer.

        Raises:
            Stopped: it was broken off.
            OSError, http.client.HTTPException: no connection, no answer in time, or one that was cut.
        """
        line: Line = getattr(self._here, "line", None) or Line()
        until = getattr(self._here, "until", None)
        seconds = self._request_s if until is None else min(self._request_s, until - time.monotonic())
        if seconds <= 0:
            raise TooSlow("no time is left")
        late = threading.Event()

        def end() -> None:
            late.set()
            line.shut()

        timer = threading.Timer(seconds, end)
        timer.daemon = True
        timer.start()
        try:
            return self._send(str(url), message, line, seconds)
        except Exception as error:
            if line.broken.is_set():
                go_on()
            if late.is_set() or isinstance(error, TimeoutError):
                raise TooSlow(f"no complete answer within {seconds:.3g} s") from error
            raise
        finally:
            timer.cancel()
            line.hold(None)

    def _send(self, url: str, message: Mapping[str, Any], line: Line, seconds: float) -> dict[str, Any]:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
        patience = min(CONNECT_S, seconds)
        connection = (
            HTTPSConnection(host, port, timeout=patience, context=self._tls)
            if parts.scheme == "https"
            else HTTPConnection(host, port, timeout=patience)
        )
        try:
            connection.connect()
            connection.sock.settimeout(seconds)
            line.hold(connection.sock)
            headers = {"Accept": "*/*", "Connection": "close", **dict(message["headers"])}
            target = parts.path + (f"?{parts.query}" if parts.query else "")
            connection.request(str(message.get("method", "GET")), target, message.get("body") or None, headers)
            response = connection.getresponse()
            body = _read(response)
        finally:
            connection.close()
        told = response.getheaders()
        return {"status": response.status, "reason": response.reason, "headers": told, "body": io.BytesIO(body)}


def _read(response: HTTPResponse) -> bytes:
    """Return an answer's body; a part of one is an error, also where `http.client` does not say so."""
    body = bytearray()
    while piece := response.read(1 << 16):
        body += piece
        if len(body) > MAX_BYTES:
            raise TooLarge(f"an answer has more than {MAX_BYTES:,} bytes")
    if response.length:
        raise IncompleteRead(bytes(body[:100]), response.length)
    return bytes(body)
