"""A server for one run, on this machine alone: `fanwise timeline --follow`.

It listens on 127.0.0.1, its address holds a random token, and it answers only requests that name it by a local name:
a page elsewhere, which has made its own name point here, gets nothing.
"""

from __future__ import annotations

import hmac
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from ..schema.errors import RunError
from .live import BEAT_S, Changes, events_headers, live_page, message, page_headers
from .model import Timeline
from .page import Theme


class Board:
    """The latest timeline, which one thread puts up and many read."""

    def __init__(self, timeline: Timeline) -> None:
        self._changed = threading.Condition()
        self._number = 0
        self._timeline = timeline
        self._trouble = ""
        self._closed = False

    def put(self, timeline: Timeline) -> None:
        """Put up a timeline."""
        with self._changed:
            self._timeline, self._trouble = timeline, ""
            self._number += 1
            self._changed.notify_all()

    def fail(self, trouble: str) -> None:
        """Tell why there is no newer one."""
        with self._changed:
            if trouble != self._trouble:
                self._trouble = trouble
                self._number += 1
                self._changed.notify_all()

    def close(self) -> None:
        """Let all readers go."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    @property
    def timeline(self) -> Timeline:
        """The latest one."""
        with self._changed:
            return self._timeline

    def messages(self, beat_s: float = BEAT_S) -> Iterator[str]:
        """Yield server-sent events for one reader, until the board is closed."""
        changes, seen = Changes(), -1
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._closed or self._number != seen, timeout=beat_s)  # noqa: B023
                if self._closed:
                    return
                is_new, seen, found, trouble = self._number != seen, self._number, self._timeline, self._trouble
            if trouble:
                yield message(trouble if is_new else None)
            elif not is_new:
                yield message(None)
            elif (update := changes.since(found)) is not None:
                yield message(update)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, port: int, board: Board, theme: Theme) -> None:
        self.token = secrets.token_urlsafe(18)
        self.board = board
        self.theme: Theme = theme
        super().__init__(("127.0.0.1", port), _Handler)

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/{self.token}/"

    def is_own(self, host: str | None) -> bool:
        """Tell whether a request names this server."""
        port = self.server_address[1]
        return host in (f"127.0.0.1:{port}", f"localhost:{port}")

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of a reader that went away."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    server_version = "fanwise"
    sys_version = ""
    protocol_version = "HTTP/1.1"
    timeout = 60

    def do_GET(self) -> None:
        """Answer with the page, or with updates."""
        own = f"/{self.server.token}/"
        path = self.path.partition("?")[0]
        if not self.server.is_own(self.headers.get("Host")):
            self._refuse(403, "this server answers only to its own name")
        elif not hmac.compare_digest(path[: len(own)].encode(), own.encode()):
            self._refuse(404, "nothing is here: open the address that the command printed")
        elif path == own:
            body = live_page(self.server.board.timeline, theme=self.server.theme).encode()
            self._send(200, page_headers(), body)
        elif path == f"{own}events":
            self._stream()
        else:
            self._refuse(404, "nothing is here")

    def _stream(self) -> None:
        self.send_response(200)
        for name, value in events_headers().items():
            self.send_header(name, value)
        self.send_header("Connection", "close")
        self.end_headers()
        self.close_connection = True
        try:
            for text in self.server.board.messages():
                self.wfile.write(text.encode())
                self.wfile.flush()
        except OSError:
            return

    def _refuse(self, code: int, text: str) -> None:
        self._send(code, {"Content-Type": "text/plain; charset=utf-8", "Cache-Control": "no-store"}, text.encode())

    def _send(self, code: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response(code)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Keep quiet: the terminal is for the person who follows the run."""


@contextmanager
def served(board: Board, *, port: int = 0, theme: Theme = "auto") -> Iterator[str]:
    """Serve a run's page for the time of a block; yield its address.

    Raises:
        RunError: the port is taken.
    """
    try:
        server = _Server(port, board, theme)
    except OSError as error:
        raise RunError(f"port {port} of 127.0.0.1 can't be used: {error.strerror or error}") from error
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True)
    thread.start()
    try:
        yield server.address
    finally:
        board.close()
        server.shutdown()
        server.server_close()
        thread.join(5)
