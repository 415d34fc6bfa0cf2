"""A stand-in for Splunk's REST API: a real HTTP server that answers as Splunk's documentation says. It is not Splunk.

It holds events in memory and runs the searches that it is sent (`splunk_spl`). No Splunk was ever asked: what it does
comes from the public REST API reference and search reference, and from what splunk-sdk sends and parses. What it can't
show: how fast Splunk is, what its limits.conf says, how its versions differ, what extractions an app adds.

`Splunk(events)` is a context manager; `Splunk.faults` makes things go wrong.
"""

from __future__ import annotations

import json
import re
import ssl
import subprocess
import threading
import time
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self
from urllib.parse import parse_qsl, urlsplit
from xml.sax.saxutils import escape, quoteattr

import splunk_spl
from splunk_spl import Row, SplError

TOKEN = "eyJ-stand-in-token"
USER, PASSWORD = "ada", "lovelace"
SESSION = "session^key-of-the-stand-in"


@dataclass
class Faults:
    """What goes wrong. Operations are `login`, `info`, `context`, `create`, `status`, `results`, `control`."""

    answers: dict[str, list[tuple[int, str]]] = field(default_factory=dict)
    """Statuses and messages that the next requests of an operation get."""
    cut: dict[str, int] = field(default_factory=dict)
    """How many of the next answers of an operation break off in the middle."""
    hang: set[str] = field(default_factory=set)
    """Operations that get no answer."""
    drip: set[str] = field(default_factory=set)
    """Operations whose answers come a byte at a time, without an end."""
    seconds: float = 0.0
    """How long a job runs."""
    queued: float = 0.0
    """How long it waits before that."""
    failed: str = ""
    """The message of jobs that fail; empty where they don't."""
    warning: str = ""
    """A message of jobs that end well."""
    finalized: bool = False
    """Whether jobs are finalized before their end."""
    short: int | None = None
    """How many rows fewer than it has a job gives."""


@dataclass
class SearchJob:
    """A job."""

    sid: str
    spl: str
    given: dict[str, str]
    begun: float
    rows: list[Row] | None = None
    error: str = ""
    cancelled: bool = False


class Splunk:
    """The server; `port` is its port while it is open."""

    def __init__(
        self,
        events: Iterable[Row],
        *,
        now: float | None = None,
        indexes: Sequence[str] = ("main",),
        version: str = "9.4.1",
        tls: Path | None = None,
    ) -> None:
        """Hold events.

        Args:
            events: each with `_time`, `_indextime`, `_raw`, and `host`, `source`, `sourcetype`, `index`.
            now: the server's clock; by default the latest arrival.
            indexes: those that the user may search.
            version: what it says of itself: from 9.0.2 on the SDK uses version 2 of the API.
            tls: a folder for a certificate that it signs itself; without one it speaks plain HTTP.
        """
        self.events = [_event(number, event) for number, event in enumerate(events)]
        self.events.sort(key=lambda event: event["_time"])
        self.times = [event["_time"] for event in self.events]
        self.now = now if now is not None else max((e["_indextime"] for e in self.events), default=time.time())
        self.indexes, self.version = tuple(indexes), version
        self.faults, self.tls = Faults(), tls
        self.jobs: dict[str, SearchJob] = {}
        self.requests: list[str] = []
        self.running, self.most = 0, 0
        self.lock = threading.Lock()
        self.open = threading.Event()
        self.port = 0

    def __enter__(self) -> Self:
        server = self

        class Handler(_Handler):
            splunk = server

        class Quiet(ThreadingHTTPServer):
            def handle_error(self, *_: Any) -> None:
                """A client that goes away, or does not trust it, is nothing to print."""

        self._server = Quiet(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        if self.tls is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(_certificate(self.tls))
            self._server.socket = context.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )
        self.port = self._server.server_address[1]
        self.open.set()
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.open.clear()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)

    def location(self, **params: Any) -> str:
        """Return the URL that names it."""
        given = {"scheme": "http", "index": "main", "earliest": "0", **params}
        return f"splunk://127.0.0.1:{self.port}?" + "&".join(f"{name}={value}" for name, value in given.items())

    def run(self, job: SearchJob) -> None:
        """Run a job's search."""
        earliest, latest = self.moment(job.given.get("earliest_time"), 0), self.moment(job.given.get("latest_time"))
        low = bisect_left(self.times, earliest or 0)
        high = len(self.times) if latest is None else bisect_left(self.times, latest)
        inside = [event for event in reversed(self.events[low:high]) if event["index"] in self.indexes]
        about = {
            "info_min_time": f"{earliest or 0:.3f}",
            "info_max_time": "+Infinity" if latest is None else f"{latest:.3f}",
            "info_search_time": f"{self.now:.3f}",
            "info_sid": job.sid,
        }
        job.rows = splunk_spl.run(job.spl, inside, self.indexes, about)

    def moment(self, given: str | None, default: float | None = None) -> float | None:
        """Return a time modifier as seconds since 1970."""
        if given is None:
            return default
        if given == "now":
            return self.now
        if re.fullmatch(r"\d+(\.\d+)?", given):
            return float(given)
        if found := re.fullmatch(r"([+-]\d+)([smhdw])", given):
            return self.now + int(found[1]) * {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}[found[2]]
        raise SplError(f"Invalid time modifier '{given}'.")


def _certificate(folder: Path) -> Path:
    """Write a key and a certificate for 127.0.0.1 into one file."""
    made = folder / "cert.pem"
    ask = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=stand-in"
    ask += f" -addext subjectAltName=IP:127.0.0.1 -keyout {folder}/key.pem -out {made}"
    subprocess.run(ask.split(), check=True, capture_output=True)
    made.write_text(made.read_text() + (folder / "key.pem").read_text())
    return made


def _event(number: int, given: Row) -> Row:
    """Return an event as a search sees it: with the fields of its text where that is JSON."""
    found: Row = {"index": "main", "splunk_server": "idx-1", "_cd": f"7:{number}"}
    if re.match(r'\{"', given["_raw"]):
        found |= dict(_flat(json.loads(given["_raw"])))
    return {**found, **given}


def _flat(value: Mapping[str, Any], prefix: str = "") -> Iterable[tuple[str, Any]]:
    for name, inner in value.items():
        if isinstance(inner, Mapping):
            yield from _flat(inner, f"{prefix}{name}.")
        elif inner is not None:
            yield prefix + name, splunk_spl.text(inner)


ACL = {"owner": USER, "app": "search", "sharing": "global", "modifiable": "1"}


def _entry(name: str, content: Mapping[str, Any]) -> str:
    return (
        '<entry xmlns="http://www.w3.org/2005/Atom" xmlns:s="http://dev.splunk.com/ns/rest">'
        f"<title>{escape(name)}</title><id>https://localhost:8089/services/x</id><updated>2026-01-01T00:00:00Z</updated>"
        f'<link href="/services/x" rel="alternate"/><author><name>{USER}</name></author>'
        f'<content type="text/xml">{_dict({**content, "eai:acl": ACL})}</content></entry>'
    )


def _dict(content: Mapping[str, Any]) -> str:
    def value(item: Any) -> str:
        if isinstance(item, Mapping):
            return _dict(item)
        if isinstance(item, list):
            return f"<s:list>{''.join(f'<s:item>{escape(part)}</s:item>' for part in item)}</s:list>"
        return escape(str(item))

    keys = "".join(f"<s:key name={quoteattr(name)}>{value(item)}</s:key>" for name, item in content.items())
    return f"<s:dict>{keys}</s:dict>"


def _feed(title: str, entry: str) -> str:
    return f'<feed xmlns="http://www.w3.org/2005/Atom"><title>{title}</title>{entry}</feed>'


def _said(kind: str, message: str) -> str:
    return f'<response><messages><msg type="{kind}">{escape(message)}</msg></messages></response>'


class _Handler(BaseHTTPRequestHandler):
    splunk: Splunk
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def do_GET(self) -> None:
        self._route("GET")

    def do_POST(self) -> None:
        self._route("POST")

    def _route(self, method: str) -> None:
        parts = urlsplit(self.path)
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length).decode()
        given = dict(parse_qsl(parts.query, keep_blank_values=True) + parse_qsl(body, keep_blank_values=True))
        path = re.sub(r"^/servicesNS/[^/]+/[^/]+/|^/services/", "", parts.path).strip("/")
        jobs = r"search(?:/v2)?/jobs"
        for pattern, operation, methods in (
            (r"auth/login", "login", "POST"),
            (r"server/info", "info", "GET"),
            (r"authentication/current-context", "context", "GET"),
            (jobs, "create", "POST"),
            (rf"{jobs}/([^/]+)", "status", "GET"),
            (rf"{jobs}/([^/]+)/results", "results", "POST" if "/v2/" in path else "GET"),
            (rf"{jobs}/([^/]+)/control", "control", "POST"),
        ):
            found = re.fullmatch(pattern, path)
            if found and method == methods:
                self.splunk.requests.append(operation)
                self._answer(operation, given, *found.groups())
                return
        self._send(404, _said("ERROR", "Not Found"))

    def _answer(self, operation: str, given: dict[str, str], *names: str) -> None:
        faults = self.splunk.faults
        if operation in faults.hang:
            while self.splunk.open.is_set() and operation in faults.hang:
                time.sleep(0.01)
            self.close_connection = True
            return
        if answers := faults.answers.get(operation):
            status, message = answers.pop(0)
            self._send(status, _said("ERROR" if status < 500 else "FATAL", message))
            return
        if operation not in ("login", "info") and not self._is_known():
            self._send(401, _said("WARN", "call not properly authenticated"))
            return
        getattr(self, f"_{operation}")(given, *names)

    def _is_known(self) -> bool:
        given = self.headers.get("Authorization", "")
        cookie = f"splunkd_{self.splunk.port}={SESSION}" in self.headers.get("Cookie", "")
        return given in (f"Bearer {TOKEN}", f"Splunk {SESSION}") or cookie

    def _login(self, given: dict[str, str]) -> None:
        if (given.get("username"), given.get("password")) != (USER, PASSWORD):
            self._send(401, _said("WARN", "Login failed"))
            return
        headers = {"Set-Cookie": f"splunkd_{self.splunk.port}={SESSION}; Path=/; HttpOnly"} if "cookie" in given else {}
        self._send(200, f"<response><sessionKey>{SESSION}</sessionKey></response>", headers, operation="login")

    def _info(self, given: dict[str, str]) -> None:
        content = {"version": self.splunk.version, "serverName": "stand-in", "instance_type": "enterprise"}
        self._send(200, _feed("server-info", _entry("server-info", content)), operation="info")

    def _context(self, given: dict[str, str]) -> None:
        content = {"username": USER, "capabilities": ["search"], "roles": ["user"]}
        self._send(200, _feed("current-context", _entry("context", content)), operation="context")

    def _create(self, given: dict[str, str]) -> None:
        splunk = self.splunk
        sid = given.get("id") or f"{time.time():.3f}"
        if given.get("exec_mode") != "normal" or sid in splunk.jobs:
            self._send(400, _said("FATAL", "Invalid argument."))
            return
        job = SearchJob(sid, given["search"], given, time.monotonic())
        try:
            if splunk.faults.failed:
                splunk_spl.commands(job.spl)
                job.error = splunk.faults.failed
            else:
                with splunk.lock:
                    splunk.running += 1
                    splunk.most = max(splunk.most, splunk.running)
                try:
                    splunk.run(job)
                finally:
                    with splunk.lock:
                        splunk.running -= 1
        except SplError as error:
            self._send(400, _said("FATAL", str(error)))
            return
        with splunk.lock:
            splunk.jobs[sid] = job
        self._send(201, f"<response><sid>{escape(sid)}</sid></response>", operation="create")

    def _job(self, sid: str) -> SearchJob | None:
        job = self.splunk.jobs.get(sid)
        if job is None or job.cancelled:
            self._send(404, _said("FATAL", f"Unknown sid '{sid}'."))
            return None
        return job

    def _state(self, job: SearchJob) -> str:
        faults, took = self.splunk.faults, time.monotonic() - job.begun
        if took < faults.queued:
            return "QUEUED"
        return "RUNNING" if took < faults.queued + faults.seconds else "FAILED" if job.error else "DONE"

    def _status(self, given: dict[str, str], sid: str) -> None:
        if (job := self._job(sid)) is None:
            return
        state, faults = self._state(job), self.splunk.faults
        messages: dict[str, Any] = {"fatal": job.error} if job.error and state == "FAILED" else {}
        if state == "DONE" and faults.warning:
            messages = {"warn": [faults.warning], "info": ["fine"]}
        content = {
            "dispatchState": state,
            "isDone": "1" if state in ("DONE", "FAILED") else "0",
            "isFailed": "1" if state == "FAILED" else "0",
            "isFinalized": "1" if faults.finalized else "0",
            "resultCount": len(job.rows or ()) if state == "DONE" else 0,
            "sid": sid,
            "messages": messages,
        }
        self._send(200, _entry(job.spl, content), operation="status")

    def _results(self, given: dict[str, str], sid: str) -> None:
        if (job := self._job(sid)) is None:
            return
        rows = list(job.rows or ())
        if self.splunk.faults.short is not None:
            rows = rows[: len(rows) - self.splunk.faults.short]
        offset, count = int(given.get("offset", 0)), int(given.get("count", 100)) or len(rows)
        page = [_result(row) for row in rows[offset : offset + min(count, 50_000)]]
        fields = [{"name": name} for name in (rows[0] if rows else ())]
        told = {"preview": False, "init_offset": offset, "messages": [], "fields": fields, "results": page}
        self._send(200, json.dumps(told), operation="results", kind="application/json")

    def _control(self, given: dict[str, str], sid: str) -> None:
        if (job := self._job(sid)) is None:
            return
        if given.get("action") != "cancel":
            self._send(400, _said("FATAL", "Invalid action."))
            return
        job.cancelled = True
        self._send(200, _said("INFO", "Search job cancelled."), operation="control")

    def _send(
        self,
        status: int,
        body: str,
        headers: Mapping[str, str] | None = None,
        *,
        operation: str = "",
        kind: str = "text/xml",
    ) -> None:
        faults, sent = self.splunk.faults, body.encode("utf-8", "surrogateescape")
        self.send_response(status)
        for name, value in {"Content-Type": f"{kind}; charset=UTF-8", "Content-Length": str(len(sent))}.items():
            self.send_header(name, value)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        try:
            if operation in faults.drip:
                while self.splunk.open.is_set() and operation in faults.drip:
                    self.wfile.write(b" ")
                    time.sleep(0.02)
                self.close_connection = True
            elif faults.cut.get(operation, 0) > 0:
                faults.cut[operation] -= 1
                self.wfile.write(sent[: len(sent) // 2])
                self.close_connection = True
            else:
                self.wfile.write(sent)
        except OSError:  # who asked has gone
            self.close_connection = True


def _result(row: Row) -> Row:
    """Return a row as results are written: text, or a list of texts; what is null is left out."""
    return {
        name: [splunk_spl.text(item) for item in value] if isinstance(value, list) else splunk_spl.text(value)
        for name, value in row.items()
        if value is not None
    }
