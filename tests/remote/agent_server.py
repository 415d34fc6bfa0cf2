"""A small Agent Server in this process, whose every fault can be chosen: what real ones do too seldom to be tested.

It speaks as much of the protocol as a remote specialist asks for, over real sockets, and keeps what it was sent.
"""

from __future__ import annotations

import json
import re
import socket
import threading
import time
from collections import deque
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple


class Asked(NamedTuple):
    """A request."""

    method: str
    path: str
    headers: dict[str, str]
    body: Any


class Fault(NamedTuple):
    """What is answered instead of the answer."""

    status: int = 0
    """0 closes the connection."""
    body: bytes = b'{"detail": "as the test wants it"}'
    headers: tuple[tuple[str, str], ...] = ()
    after: bool = False
    """Whether the request is carried out before."""
    wait_s: float = 0.0


class AgentServer:
    """One server."""

    def __init__(self, name: str = "one", port: int = 0) -> None:
        self.name = name
        self.requests: list[Asked] = []
        self.threads: dict[str, dict[str, Any]] = {}
        self.runs: dict[str, list[dict[str, Any]]] = {}
        self.faults: dict[str, deque[Fault]] = {}
        self.always: dict[str, Fault] = {}
        """By `METHOD` and the end of the path."""
        self.slow_s: dict[str, float] = {}
        """Seconds before requests of a kind are carried out."""
        self.work_s = 0.0
        self.question: Any = None
        """What each run asks that begins with an input; one that is given an answer ends with it."""
        self.fails_after_answer = False
        self.cut_after: int | None = None
        """Events of a stream after which it ends, while the run goes on."""
        self._open: set[socket.socket] = set()
        self._server = _Listener(("127.0.0.1", port), _handler(self))
        self.port: int = self._server.server_port
        self.url = f"http://127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def __enter__(self) -> AgentServer:
        return self

    def __exit__(self, *_: object) -> None:
        self.die()

    def die(self) -> None:
        """End at once: listen no more, break all connections."""
        if not self._thread.is_alive():
            return
        self._server.shutdown()
        self._server.server_close()
        for connection in list(self._open):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        self._thread.join(5)

    def asked(self, key: str) -> list[Asked]:
        """Return the requests of a kind, such as `POST /runs`."""
        method, end = key.split()
        return [item for item in self.requests if item.method == method and _kind(item.path) == end]

    def fault(self, key: str, *faults: Fault) -> None:
        """Answer the next requests of a kind so."""
        self.faults.setdefault(key, deque()).extend(faults)

    def answer(self, asked: Asked) -> Any:
        """Carry out a request, and return its answer; `None` for what is not there."""
        ids = re.findall(r"[0-9a-f]{8}-[0-9a-f-]{27}", asked.path)
        kind = f"{asked.method} {_kind(asked.path)}"
        if kind == "GET /ok":
            return {"ok": True}
        if kind == "POST /search":
            return [{"graph_id": "echo"}]
        if kind == "POST /threads":
            return self._thread_made(asked.body["thread_id"])
        if not ids or ids[0] not in self.threads:
            return None
        self._settle(ids[0])
        if kind == "POST /runs":
            return self._begun(ids[0], asked.body)
        if kind == "GET /runs":
            return self.runs[ids[0]][::-1]
        if kind == "POST /cancel":
            run = self.runs[ids[0]][-1]
            run.update(status="interrupted", until=0.0)
            return {}
        if kind == "GET /state":
            done = self.runs[ids[0]] and self.runs[ids[0]][-1]["status"] == "success"
            return {"values": {}, "next": [] if done else ["echo"], "tasks": []}
        return self.threads[ids[0]]

    def _thread_made(self, id: str) -> Any:
        if id in self.threads:
            return Fault(409)
        self.threads[id] = {"thread_id": id, "status": "idle", "values": None, "error": None, "interrupts": {}}
        self.runs[id] = []
        return self.threads[id]

    def _begun(self, thread: str, body: Any) -> Any:
        if self.runs[thread] and self.runs[thread][-1]["status"] == "running":
            return Fault(409)
        number = len(self.runs[thread])
        run = {"run_id": f"{thread[:-2]}{number:02d}", "status": "running", "metadata": body.get("metadata") or {}}
        given = {"input": body.get("input"), "command": body.get("command")}
        self.runs[thread].append({**run, "until": time.monotonic() + self.work_s, **given})
        self.threads[thread]["status"] = "busy"
        return run

    def _settle(self, thread: str) -> None:
        """End a run whose time is over."""
        run = self.runs[thread][-1] if self.runs[thread] else None
        if run is None or run["status"] != "running" or run["until"] > time.monotonic():
            return
        if self.question is not None and not run["command"]:
            run["status"] = "interrupted"
            asks = {"task": [{"id": f"of-{thread}", "value": self.question}]}
            self.threads[thread].update(status="interrupted", interrupts=asks)
        elif run["command"] and self.fails_after_answer:
            run["status"] = "error"
            self.threads[thread].update(status="error", error={"error": "OSError", "message": "no disk"})
        else:
            run["status"] = "success"
            answer = {"answer": list(run["command"]["resume"].values())} if run["command"] else {}
            self.threads[thread].update(status="idle", values={"echo": run["input"], "by": self.name, **answer})

    def events(self, path: str, behind: str) -> Iterator[tuple[str, Any]]:
        """Yield the events of a run: four notes, over the time that it works."""
        thread = path.split("/")[2]
        begun = self.runs[thread][-1]["until"] - self.work_s
        first = int(behind) + 1 if behind.isdigit() else 0
        for number in range(first, 4):
            if self.cut_after is not None and number - first >= self.cut_after:
                return
            time.sleep(max(0.0, begun + number / 4 * self.work_s - time.monotonic()))
            yield str(number), {"note": number}
        while thread in self.runs and self.runs[thread][-1]["status"] == "running":
            self._settle(thread)
            time.sleep(0.01)


class _Listener(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Leave broken connections, which are what is tested."""


def _kind(path: str) -> str:
    """Return the end of a path, or `/thread` for a thread's own."""
    end = "/" + path.split("?")[0].rstrip("/").rsplit("/", 1)[-1]
    return "/thread" if re.fullmatch(r"/[0-9a-f]{8}-[0-9a-f-]{27}", end) else end


def _handler(server: AgentServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def setup(self) -> None:
            super().setup()
            server._open.add(self.connection)

        def finish(self) -> None:
            server._open.discard(self.connection)
            super().finish()

        def log_message(self, format: str, *args: Any) -> None:
            pass

        def do_GET(self) -> None:
            self.work()

        def do_POST(self) -> None:
            self.work()

        def work(self) -> None:
            text = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            told = {name.lower(): value for name, value in self.headers.items()}
            asked = Asked(self.command, self.path, told, json.loads(text) if text else None)
            server.requests.append(asked)
            key = f"{asked.method} {_kind(asked.path)}"
            waiting = server.faults.get(key)
            fault = waiting.popleft() if waiting else server.always.get(key)
            if fault is not None:
                time.sleep(fault.wait_s)
                if fault.after:
                    server.answer(asked)
                return self.fail(fault)
            time.sleep(server.slow_s.get(key, 0.0))
            if key == "GET /stream":
                return self.stream(asked)
            answer = server.answer(asked)
            if isinstance(answer, Fault):
                return self.fail(answer)
            missing = b'{"detail": "Thread with this ID not found"}'
            return self.fail(Fault(404, missing)) if answer is None else self.send(200, json.dumps(answer).encode())

        def fail(self, fault: Fault) -> None:
            if fault.status:
                return self.send(fault.status, fault.body, fault.headers)
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)

        def send(self, status: int, body: bytes, headers: Any = ()) -> None:
            self.send_response(status)
            for name, value in (("Content-Type", "application/json"), ("Content-Length", str(len(body))), *headers):
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def stream(self, asked: Asked) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream")
            self.send_header("Location", asked.path)
            self.send_header("Connection", "close")
            self.end_headers()
            for id, data in server.events(asked.path, asked.headers.get("last-event-id", "")):
                self.wfile.write(f"event: custom\r\ndata: {json.dumps(data)}\r\nid: {id}\r\n\r\n".encode())
                self.wfile.flush()
            self.close_connection = True

    return Handler
