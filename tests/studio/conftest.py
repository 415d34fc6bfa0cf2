"""Servers as real processes, each in a folder of its own."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest
from agent_servers import FANWISE, Server, start, stop

HERE = Path(__file__).parent
ROOT = HERE.parent.parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents and item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(300))  # the first one waits for its server


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
