"""Graphs over every kind of checkpointer, a saver that notices changes of what it saved, and PostgreSQL servers."""

from __future__ import annotations

import asyncio
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import pytest
from langgraph._internal._constants import CONFIG_KEY_DURABILITY
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langgraph.pregel import Pregel

from fanwise.graph.checkpoints import open_checkpointer


class ImmutableSaver(InMemorySaver):
    """An in-memory saver that fails when a checkpoint is not what it was when it was saved."""

    def __init__(self) -> None:
        super().__init__()
        self._given: list[tuple[Any, tuple[str, bytes]]] = []

    async def aput_writes(self, config: Any, writes: Any, task_id: str, task_path: str = "") -> None:
        """Keep what was given, to compare it later."""
        self._given.extend((value, self.serde.dumps_typed(value)) for _, value in writes)
        await super().aput_writes(config, writes, task_id, task_path)

    def assert_unchanged(self) -> None:
        """Fail if a value that was saved has been changed since."""
        for value, saved in self._given:
            assert self.serde.dumps_typed(value) == saved


OpenSaver = Callable[[], Any]


@pytest.fixture(autouse=True)
def durability(monkeypatch: pytest.MonkeyPatch) -> None:
    """Run graphs with the durability in `FANWISE_TEST_DURABILITY`, where it is set and the test does not choose."""
    mode = os.environ.get("FANWISE_TEST_DURABILITY")
    if mode is None:
        return
    astream = Pregel.astream

    def with_mode(self: Any, given: Any, config: Any = None, **options: Any) -> Any:
        inside = CONFIG_KEY_DURABILITY in ((config or {}).get("configurable") or {})
        if self.checkpointer and not inside and options.get("durability") is None:
            options["durability"] = mode
        return astream(self, given, config, **options)

    monkeypatch.setattr(Pregel, "astream", with_mode)


class PostgresServer:
    """A PostgreSQL server of the test's own, which can be stopped and started."""

    def __init__(self, programs: Path) -> None:
        self._programs = programs
        self.folder = Path(tempfile.mkdtemp(prefix="fanwise-postgres-"))
        self._user = "postgres" if os.geteuid() == 0 else None  # the server refuses to be run by root
        if self._user is not None:
            os.chown(self.folder, pwd.getpwnam(self._user).pw_uid, -1)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.url = f"postgresql://fanwise@127.0.0.1:{self.port}/postgres"
        self._call("initdb", "-D", str(self.folder / "data"), "-U", "fanwise", "-A", "trust", "-E", "UTF8", "--no-sync")

    def start(self) -> None:
        """Start the server and wait until it answers."""
        options = f"-p {self.port} -k {self.folder} -h 127.0.0.1 -F"
        self._control("start", "-o", options, "-l", str(self.folder / "log"))

    def stop(self, mode: str = "immediate") -> None:
        """Stop the server, by default as a crash would."""
        self._control("stop", "-m", mode)

    def remove(self) -> None:
        """Stop the server and delete what it kept."""
        self.stop()
        shutil.rmtree(self.folder)

    def _control(self, *args: str) -> None:
        self._call("pg_ctl", "-D", str(self.folder / "data"), "-w", "-t", "60", *args)

    def _call(self, program: str, *args: str) -> None:
        command = [str(self._programs / program), *args]
        quiet = subprocess.DEVNULL  # not a pipe: the server would keep it open
        subprocess.run(command, check=True, stdout=quiet, stderr=quiet, user=self._user, cwd=self.folder)


@pytest.fixture(scope="session")
def postgres_programs() -> Path:
    """The folder of PostgreSQL's server programs."""
    on_path = shutil.which("initdb")
    found = [Path(on_path)] if on_path else sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if not found:
        pytest.skip("needs PostgreSQL's server programs (initdb), which are not here")
    return found[-1].parent


@pytest.fixture(scope="session")
def postgres_server(request: pytest.FixtureRequest) -> Iterator[str]:
    """The URL of a PostgreSQL server for all tests: `FANWISE_TEST_POSTGRES`, or one of their own."""
    if url := os.environ.get("FANWISE_TEST_POSTGRES"):
        yield url
        return
    server = PostgresServer(request.getfixturevalue("postgres_programs"))
    server.start()
    yield server.url
    server.remove()


@pytest.fixture
def postgres_url(postgres_server: str) -> Iterator[str]:
    """The URL of an empty schema."""
    import psycopg

    name = f"test_{uuid4().hex[:12]}"
    with psycopg.connect(postgres_server, autocommit=True) as connection:
        connection.execute(f"CREATE SCHEMA {name}")
        mark = "&" if "?" in postgres_server else "?"
        yield f"{postgres_server}{mark}options={quote(f'-csearch_path={name}')}"
        connection.execute(f"DROP SCHEMA {name} CASCADE")


@pytest.fixture(scope="module")
def own_postgres(postgres_programs: Path) -> Iterator[PostgresServer]:
    """A running PostgreSQL server that a test may stop; it starts it again."""
    server = PostgresServer(postgres_programs)
    server.start()
    yield server
    server.remove()


@pytest.fixture(params=["memory", "immutable", "sqlite", "fanwise", "postgres"])
def open_saver(request: pytest.FixtureRequest, tmp_path: Path) -> OpenSaver:
    """How to open a checkpointer of each kind, as an async context manager."""
    url = request.getfixturevalue("postgres_url") if request.param == "postgres" else ""

    @asynccontextmanager
    async def opened() -> AsyncIterator[BaseCheckpointSaver[Any]]:
        if request.param == "sqlite":
            async with AsyncSqliteSaver.from_conn_string(str(tmp_path / "runs.db")) as saver:
                yield saver
        elif request.param == "fanwise":
            async with open_checkpointer(str(tmp_path / "runs.db")) as saver:
                yield saver
        elif request.param == "postgres":
            async with open_checkpointer(url) as saver:
                yield saver
        elif request.param == "immutable":
            immutable = ImmutableSaver()
            yield immutable
            immutable.assert_unchanged()
        else:
            yield InMemorySaver()

    return opened


@pytest.fixture
def go() -> Callable[[Coroutine[Any, Any, Any] | Awaitable[Any]], Any]:
    """Run a coroutine to its end."""

    def run(work: Any) -> Any:
        return asyncio.run(work)

    return run


@pytest.fixture(params=["memory", "sqlite", "postgres"])
def db(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of an empty database of each kind."""
    if request.param == "postgres":
        return str(request.getfixturevalue("postgres_url"))
    return "memory" if request.param == "memory" else str(tmp_path / "runs.db")


@pytest.fixture(params=["sqlite", "postgres"])
def shared_db(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of an empty database of each kind that several processes can share."""
    if request.param == "postgres":
        return str(request.getfixturevalue("postgres_url"))
    return str(tmp_path / "runs.db")
