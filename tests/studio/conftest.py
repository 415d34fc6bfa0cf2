"""Servers as real processes, each in a folder of its own."""

from __future__ import annotations

import asyncio
import importlib.util
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Coroutine, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
FANWISE = [sys.executable, "-c", "from fanwise.cli import main; main()"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents and item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(300))  # the first one waits for its server


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


@pytest.fixture(scope="session")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("events")
    subprocess.run([*FANWISE, "sample", str(folder)], check=True, capture_output=True)
    return folder


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory, sample: Path) -> Iterator[Server]:
    """A server without a key, a model or access control."""
    own = str(HERE / "served_specialists.py")
    found = start(tmp_path_factory.mktemp("server"), "--events", str(sample), "--specialists", own)
    yield found
    stop(found)


CLIENTS: list[Any] = []


def client_of(url: str, **options: Any) -> Any:
    """Return a client that `run` closes."""
    from langgraph_sdk import get_client

    CLIENTS.append(get_client(url=url, **options))
    return CLIENTS[-1]


def run(work: Coroutine[Any, Any, Any]) -> Any:
    """Run a coroutine to its end, and close the clients that it has used."""

    async def closed() -> Any:
        try:
            return await work
        finally:
            while CLIENTS:
                await CLIENTS.pop().aclose()

    return asyncio.run(closed())


KEYS = {"ada": "key-of-ada-0123456789", "bob": "key-of-bob-0123456789"}
SECRET = "a secret of the tests that is long enough"


@pytest.fixture(scope="session")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that lets in only who has a key or a token."""
    from fanwise.studio.auth import hash_of

    folder = tmp_path_factory.mktemp("guarded")
    (folder / "keys").write_text("# users\n" + "".join(f"{name} {hash_of(key)}\n" for name, key in KEYS.items()))
    env = {"FANWISE_API_KEYS": str(folder / "keys"), "FANWISE_JWT_SECRET": SECRET}
    found = start(folder, "--auth", **env)
    yield found
    stop(found)
