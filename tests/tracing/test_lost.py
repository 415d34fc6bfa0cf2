"""What is said of traces that a server does not take: in one line, and why."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import warm

from fanwise.graph import arun
from fanwise.tracing import Tracing, flush
from fanwise.tracing.gate import trouble_of
from fanwise.tracing.relays import close_all

PLAN = {"tasks": [{"id": "a", "specialist": "wait"}]}


class Refusing(BaseHTTPRequestHandler):
    """Refuses whatever comes."""

    def log_message(self, *_: object) -> None:
        pass

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.send_response(401)
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_GET = do_PATCH = do_POST


@pytest.fixture
def refusing() -> Iterator[str]:
    """The address of a server that refuses the key."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Refusing) as http:
        http.daemon_threads = True
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{http.server_port}"
        close_all(1)
        http.shutdown()
        thread.join()


@pytest.fixture
def silent() -> Iterator[str]:
    """The address of a server that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0), backlog=50) as listening:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"


def env_of(kind: str, url: str) -> dict[str, str]:
    """Return what leads traces there."""
    if kind == "OpenTelemetry":
        pytest.importorskip("opentelemetry.sdk", reason="needs the extra `otel`")
        return {"FANWISE_OTEL": "true", "OTEL_EXPORTER_OTLP_ENDPOINT": url, "OTEL_EXPORTER_OTLP_TIMEOUT": "1"}
    return {"LANGSMITH_TRACING": "true", "LANGSMITH_ENDPOINT": url, "LANGSMITH_API_KEY": "lsv2_pt_none_at_all"}


def told(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name == "fanwise.tracing"]


@pytest.mark.parametrize("kind", ["LangSmith", "OpenTelemetry"])
def test_a_server_that_refuses_the_key(
    refusing: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, kind: str
) -> None:
    """One line says who refused what; `flush` tells that not all was sent."""
    for name, value in env_of(kind, refusing).items():
        monkeypatch.setenv(name, value)
    with caplog.at_level(logging.WARNING, logger="fanwise"):
        assert asyncio.run(arun(PLAN)).status == "succeeded"
        assert not flush(5)
        close_all(5)
    assert told(caplog) == [f"traces were not sent: {kind} refused the key (401)"]


def test_feedback_that_fails_is_told_as_feedback(
    refusing: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Beside the traces themselves."""
    for name, value in env_of("LangSmith", refusing).items():
        monkeypatch.setenv(name, value)
    with caplog.at_level(logging.WARNING, logger="fanwise"):
        asyncio.run(arun(PLAN, tracing=Tracing(feedback=True)))
        flush(5)
        close_all(5)
    assert sorted(told(caplog)) == [
        "feedback was not sent: LangSmith refused the key (401)",
        "traces were not sent: LangSmith refused the key (401)",
    ]


@pytest.mark.parametrize("kind", ["LangSmith", "OpenTelemetry"])
def test_a_server_that_never_answers(
    silent: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, kind: str
) -> None:
    """After the wait it is said in one line."""
    for name, value in env_of(kind, silent).items():
        monkeypatch.setenv(name, value)
    with caplog.at_level(logging.WARNING, logger="fanwise"):
        asyncio.run(arun(PLAN))
        close_all(2)
    (line,) = told(caplog)
    assert line.startswith(f"traces were not sent: {kind} gave no answer")


@pytest.mark.parametrize("kind", ["LangSmith", "OpenTelemetry"])
def test_the_command_says_it_in_one_line(tmp_path: Path, refusing: str, kind: str) -> None:
    """With `-q` too; what the clients themselves say is left out."""
    (tmp_path / "plan.json").write_text('{"tasks": [{"id": "a", "specialist": "wait"}]}')
    call = [sys.executable, "-c", "from fanwise.cli import main; main()", "run", "plan.json", "-q"]
    env = {**os.environ, **env_of(kind, refusing)}
    done = warm.run(call, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=60)
    (line,) = done.stderr.splitlines()
    assert line.endswith(f" warning fanwise.tracing traces were not sent: {kind} refused the key (401)")
    assert done.returncode == 0


def test_what_servers_do() -> None:
    """By the status of the answer."""
    assert [trouble_of(status) for status in (None, 403, 422, 503)] == [
        "gave no answer",
        "refused the key (403)",
        "refused what it was given (422)",
        "answered with an error (503)",
    ]
