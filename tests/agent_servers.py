"""LangGraph's Agent Server as a real process, in a folder of its own."""

from __future__ import annotations

import importlib.util
import os
import signal
import subprocess
import sys
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path

import pytest

FANWISE = [sys.executable, "-c", "from fanwise.cli import main; main()"]


@dataclass(frozen=True)
class Server:
    url: str
    folder: Path
    process: subprocess.Popen[bytes]

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text(errors="replace")


def environment(**more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("FANWISE_", "LANG", "OPENAI_"))}
    return {**kept, **more}


def start(folder: Path, *options: str, command: list[str] | None = None, **env: str) -> Server:
    """Start a server and wait until it answers."""
    if importlib.util.find_spec("langgraph_api") is None:
        pytest.skip("needs the extra `serve` (langgraph-api), which is not installed")
    from fanwise.cli.serve import free_port

    folder.mkdir(parents=True, exist_ok=True)
    port = free_port("127.0.0.1", 0)
    told = command or [*FANWISE, "serve"]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [*told, "--port", str(port), *options],
            cwd=folder,
            env=environment(**env),
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    server = Server(f"http://127.0.0.1:{port}", folder, process)
    for _ in range(600):
        try:
            urllib.request.urlopen(f"{server.url}/ok", timeout=2).close()
            return server
        except OSError:
            assert process.poll() is None, server.log
            time.sleep(0.1)
    stop(server)
    raise AssertionError(server.log)


def stop(server: Server) -> None:
    if server.process.poll() is None:
        os.killpg(server.process.pid, signal.SIGTERM)
        try:
            server.process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(server.process.pid, signal.SIGKILL)
            server.process.wait(10)
