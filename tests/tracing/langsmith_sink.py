"""A server on loopback that takes what LangSmith's client sends, as LangSmith does, and puts it together again."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator, Mapping
from email.parser import BytesParser
from email.policy import HTTP
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from uuid import UUID

import zstandard


class Sink:
    """The server. `raw` holds the bodies as they came, decompressed; `runs` what they say, by run id."""

    def __init__(self, *, zstd: bool = True, fail_first: int = 0) -> None:
        self.zstd = zstd
        self.raw: list[bytes] = []
        self.runs: dict[str, dict[str, Any]] = {}
        self.feedback: list[dict[str, Any]] = []
        self.encodings: list[str] = []
        self.left_to_fail = fail_first
        self._lock = threading.Lock()
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._http.daemon_threads = True
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._http.server_port}"

    @property
    def env(self) -> dict[str, str]:
        """What leads LangSmith's client here."""
        return {
            "LANGSMITH_TRACING": "true",
            "LANGSMITH_ENDPOINT": self.url,
            "LANGSMITH_API_KEY": "lsv2_pt_for_the_sink_only",
            "LANGSMITH_PROJECT": "tests",
        }

    def __enter__(self) -> Sink:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    def take(self, path: str, headers: Mapping[str, str], body: bytes) -> int:
        """Take a request's body; return the answer's status."""
        with self._lock:
            if self.left_to_fail:
                self.left_to_fail -= 1
                return 429
            self.encodings.append(headers.get("Content-Encoding") or "plain")
            if headers.get("Content-Encoding") == "zstd":
                body = zstandard.ZstdDecompressor().decompressobj().decompress(body)
            self.raw.append(body)
            if path.endswith("/runs/multipart"):
                self._take_parts(_parts(headers["Content-Type"], body))
            elif path.endswith("/runs/batch"):
                for kind, runs in json.loads(body).items():
                    for run in runs:
                        self._merge(run["id"], run, kind)
            elif path.endswith("/feedback"):
                self.feedback.append(json.loads(body))
            return 202

    def _take_parts(self, parts: Iterator[tuple[str, bytes]]) -> None:
        for name, data in parts:
            kind, _, rest = name.partition(".")
            run_id, _, field = rest.partition(".")
            value = json.loads(data)
            if kind == "feedback":
                self.feedback.append(value)
            else:
                self._merge(run_id, {field: value} if field else value, kind)

    def _merge(self, run_id: str, values: Mapping[str, Any], kind: str) -> None:
        run = self.runs.setdefault(run_id, {"id": run_id})
        run.update({name: value for name, value in values.items() if value is not None})
        run.setdefault("kinds", []).append(kind)

    def roots(self) -> list[dict[str, Any]]:
        """Return the runs without a parent, in the order of their starts."""
        found = [run for run in self.runs.values() if not run.get("parent_run_id")]
        return sorted(found, key=lambda run: run["start_time"])

    def children(self, run: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Return a run's children, in the order of their starts."""
        found = [child for child in self.runs.values() if child.get("parent_run_id") == run["id"]]
        return sorted(found, key=lambda child: (child["start_time"], child["dotted_order"]))

    def named(self, name: str) -> dict[str, Any]:
        """Return the run of a name."""
        (found,) = [run for run in self.runs.values() if run["name"] == name]
        return found

    def under(self, run: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        """Yield all runs below a run."""
        for child in self.children(run):
            yield child
            yield from self.under(child)

    def tree(self, run: Mapping[str, Any] | None = None, depth: int = 0) -> list[str]:
        """Return the runs as lines, each below its parent."""
        if run is None:
            return [line for root in self.roots() for line in self.tree(root)]
        own = f"{'  ' * depth}{run['name']} [{run['run_type']}]{_mark(run)}"
        return [own, *(line for child in self.children(run) for line in self.tree(child, depth + 1))]

    @property
    def text(self) -> str:
        """All that came, as one text."""
        return "\n".join(body.decode(errors="replace") for body in self.raw)


def metadata(run: Mapping[str, Any]) -> dict[str, Any]:
    """Return a run's metadata."""
    return dict((run.get("extra") or {}).get("metadata") or {})


def _mark(run: Mapping[str, Any]) -> str:
    if run.get("error"):
        return f" ERROR {run['error'].splitlines()[0][:80]}"
    return "" if run.get("end_time") else " (goes on)"


def _parts(content_type: str, body: bytes) -> Iterator[tuple[str, bytes]]:
    message = BytesParser(policy=HTTP).parsebytes(f"Content-Type: {content_type}\r\n\r\n".encode() + body)
    for part in message.iter_parts():
        found = re.search(r'name="([^"]+)"', str(part["Content-Disposition"]))
        if found is not None:
            yield found[1], part.get_payload(decode=True)


def _handler(sink: Sink) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

        def do_GET(self) -> None:
            if self.path.startswith("/sessions"):
                project = {
                    "id": str(UUID(int=7)),
                    "name": "tests",
                    "start_time": "2026-01-01T00:00:00Z",
                    "tenant_id": str(UUID(int=8)),
                    "reference_dataset_id": None,
                }
                self._send(200, [project])
                return
            config = {
                "use_multipart_endpoint": True,
                "size_limit": 100,
                "size_limit_bytes": 20_000_000,
                "scale_up_nthreads_limit": 4,
                "scale_up_qsize_trigger": 1000,
                "scale_down_nempty_trigger": 4,
            }
            flags = {"zstd_compression_enabled": sink.zstd}
            self._send(200, {"version": "0.13.0", "batch_ingest_config": config, "instance_flags": flags})

        def do_POST(self) -> None:
            self._take()

        def do_PATCH(self) -> None:
            self._take()

        def _take(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if self.headers.get("Transfer-Encoding") == "chunked":
                body = self._chunked()
            self._send(sink.take(self.path, self.headers, body), {})  # type: ignore[arg-type]

        def _chunked(self) -> bytes:
            data = b""
            while size := int(self.rfile.readline().strip() or b"0", 16):
                data += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return data

        def _send(self, status: int, value: Any) -> None:
            data = json.dumps(value).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.send_header("Connection", "close")
            self.end_headers()
            self.wfile.write(data)

    return Handler
