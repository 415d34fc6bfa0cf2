"""Databases of runs: what is refused untouched, what is kept when the disk or the server fails, and what is deleted."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import warm
from langgraph.checkpoint.base import BaseCheckpointSaver, empty_checkpoint
from langgraph.checkpoint.base.id import uuid6
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver

from fanwise.graph.checkpoints import (
    list_threads,
    open_checkpointer,
    open_database,
    outputs_namespace,
    prune,
    without_password,
)
from fanwise.state import RunError


async def save_run(saver: BaseCheckpointSaver[Any], thread: str, **values: Any) -> Any:
    """Save one checkpoint of a run, as the graph does; return its config."""
    checkpoint = {**empty_checkpoint(), "id": str(uuid6()), "channel_values": values}
    checkpoint["channel_versions"] = {name: "1" for name in values}
    config: Any = {"configurable": {"thread_id": thread, "checkpoint_ns": ""}}
    metadata: Any = {"source": "input", "step": -1}
    return await saver.aput(config, checkpoint, metadata, checkpoint["channel_versions"])  # type: ignore[arg-type]


async def use(db: str, **options: Any) -> None:
    """Open a database and save a run in it."""
    async with open_database(db, **options) as database:
        await save_run(database.saver, "run")


def contents(folder: Path) -> dict[str, bytes]:
    """All files of a folder with what they hold."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def other_app(path: Path) -> None:
    """Make the database of another program."""
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.executescript("PRAGMA journal_mode = WAL; CREATE TABLE notes (text TEXT);")
        connection.executescript("INSERT INTO notes VALUES ('mine');")


def own_table(path: Path, version: int) -> None:
    """Make a database of runs of a certain version."""
    asyncio.run(use(str(path)))
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.executescript(f"UPDATE fanwise_schema SET version = {version}; PRAGMA wal_checkpoint(TRUNCATE);")


def truncated(path: Path) -> None:
    """Make a database of runs whose end is missing."""
    asyncio.run(use(str(path)))
    os.truncate(path, path.stat().st_size // 2 + 100)


BROKEN = {
    "random bytes": (lambda path: path.write_bytes(os.urandom(20000)), "no SQLite database"),
    "text": (lambda path: path.write_text("notes\n"), "no SQLite database"),
    "another program's": (other_app, "belongs to another program"),
    "a newer version": (lambda path: own_table(path, 99), "newer version of Fanwise .*version 99.*upgrade Fanwise"),
    "truncated": (truncated, "is damaged"),
    "a folder": (lambda path: path.mkdir(), "is a folder"),
}


@pytest.mark.parametrize("kind", BROKEN)
@pytest.mark.parametrize("must_exist", [False, True])
def test_what_is_no_usable_file_is_refused_as_it_is(tmp_path: Path, kind: str, must_exist: bool) -> None:
    """The message says what it is and where; not a byte is changed, and no file is made beside it."""
    path = tmp_path / "runs.db"
    make, message = BROKEN[kind]
    make(path)
    before = {} if path.is_dir() else contents(tmp_path)
    with pytest.raises(RunError, match=message) as refused:
        asyncio.run(use(str(path), must_exist=must_exist))
    assert str(path) in str(refused.value) and "--db" in str(refused.value) and "\n" not in str(refused.value)
    assert before == ({} if path.is_dir() else contents(tmp_path))


def test_a_missing_file_is_made_only_where_it_may_be(tmp_path: Path) -> None:
    """Looking at runs makes no database; running makes its folder too. An empty file is taken as a new one."""
    missing = tmp_path / "deep" / "runs.db"
    with pytest.raises(RunError, match="nothing was run here yet"):
        asyncio.run(use(str(missing), must_exist=True))
    assert not missing.parent.exists()
    asyncio.run(use(f"sqlite:///{missing}"))
    assert sorted(path.name for path in missing.parent.iterdir()) == ["runs.db"]
    empty = tmp_path / "empty.db"
    empty.touch()
    asyncio.run(use(str(empty)))


def test_a_file_of_the_last_version_is_opened_and_upgraded(tmp_path: Path, go: Any) -> None:
    """LangGraph's tables alone are a database of runs; what was in it is still there."""
    path = tmp_path / "runs.db"

    async def scenario() -> list[str]:
        async with AsyncSqliteSaver.from_conn_string(str(path)) as old:
            await save_run(old, "old")
        async with open_database(str(path), must_exist=True) as database, database.leases.hold("new"):
            await save_run(database.saver, "new")
            return [thread for thread, _ in await list_threads(database.saver, 10)]

    assert go(scenario()) == ["new", "old"]
    with contextlib.closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT version FROM fanwise_schema").fetchall() == [(1,)]


OPENING = """
import asyncio, sys
from fanwise.graph.checkpoints import open_database

async def open_it(db):
    async with open_database(db) as database:
        async with database.leases.hold(sys.argv[1]):
            return "good"

print("ready", flush=True)
while db := sys.stdin.readline().strip():
    print(asyncio.run(open_it(db)), flush=True)
"""


@pytest.mark.slow
def test_two_can_open_a_new_file_at_once(tmp_path: Path) -> None:
    """Whoever comes first makes the tables; nobody takes the half-made file for a broken one."""
    pipes: Any = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    commands = [[sys.executable, "-c", OPENING, name] for name in ("a", "b")]
    started: list[Any] = [warm.Popen(command, cwd=tmp_path, text=True, **pipes) for command in commands]
    assert [process.stdout.readline() for process in started] == ["ready\n"] * 2
    for number in range(15):
        for process in started:
            process.stdin.write(f"runs-{number}.db\n")
            process.stdin.flush()
        assert [process.stdout.readline() for process in started] == ["good\n"] * 2
    assert [process.communicate() for process in started] == [("", "")] * 2


@pytest.fixture
def as_nobody() -> Iterator[Path]:
    """A folder, and a test that runs as a user whom file modes bind."""
    folder = Path(tempfile.mkdtemp(prefix="fanwise-"))
    if os.geteuid() != 0:
        yield folder
    else:
        os.chown(folder, 65534, 65534)
        os.seteuid(65534)
        try:
            yield folder
        finally:
            os.seteuid(0)
    os.chmod(folder, 0o700)
    shutil.rmtree(folder)


@pytest.mark.parametrize("locked", ["file", "folder", "both"])
def test_what_is_read_only_is_said_so(as_nobody: Path, locked: str) -> None:
    """A file or a folder that can't be written is found out before anything runs."""
    path = as_nobody / "runs.db"
    asyncio.run(use(str(path)))
    before = contents(as_nobody)
    if locked != "folder":
        os.chmod(path, 0o444)
    if locked != "file":
        os.chmod(as_nobody, 0o555)
    with pytest.raises(RunError, match=r"is read-only|can't be opened.*writable"):
        asyncio.run(use(str(path)))
    assert contents(as_nobody) == before


def test_a_folder_that_can_not_be_made_is_said_so(as_nobody: Path) -> None:
    """The path may lead through a file, or through a folder where nothing may be made."""
    (as_nobody / "file").touch()
    with pytest.raises(RunError, match="can't be made for the database: Not a directory"):
        asyncio.run(use(str(as_nobody / "file" / "below" / "runs.db")))
    os.chmod(as_nobody, 0o555)
    with pytest.raises(RunError, match="can't be made for the database: Permission denied"):
        asyncio.run(use(str(as_nobody / "new" / "runs.db")))


def test_a_full_disk_ends_the_run_and_keeps_what_was_saved(tmp_path: Path, go: Any) -> None:
    """One clear error comes out of the block; later saves work once there is space; the file is whole."""
    path = tmp_path / "runs.db"

    async def fill() -> None:
        async with open_database(str(path)) as database:
            saver: Any = database.saver
            config = await save_run(saver, "before")
            await saver.conn.execute("PRAGMA max_page_count = 30")
            with pytest.raises(sqlite3.OperationalError):
                await saver.aput_writes(config, [("results", "x" * 1_000_000)], "task")
            await saver.aput_writes(config, [("results", "small")], "other")
            await save_run(saver, "too large", text="x" * 1_000_000)

    async def look() -> list[str]:
        async with open_database(str(path), must_exist=True) as database:
            found = await database.saver.aget_tuple({"configurable": {"thread_id": "before"}})
            assert found is not None and [write[2] for write in found.pending_writes or ()] == ["small"]
            return [thread for thread, _ in await list_threads(database.saver, 10)]

    with pytest.raises(RunError, match=r"no space left on its disk: free some, then resume the run; what was"):
        go(fill())
    assert go(look()) == ["before"]
    with contextlib.closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


LIMITED = """
import asyncio, resource, sys
sys.path.insert(0, sys.argv[1])
from test_database import *

async def main():
    async with open_database("runs.db") as database:
        await save_run(database.saver, "before")
        resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
        for number in range(100):
            await save_run(database.saver, f"run-{number}", text="x" * 10_000)

try:
    asyncio.run(main())
except RunError as error:
    print(error)
"""


@pytest.mark.slow
def test_a_file_that_can_not_grow_keeps_what_was_saved(tmp_path: Path, go: Any) -> None:
    """The operating system refuses the writes of a process: the error is clear, and the file opens afterwards."""
    command = [sys.executable, "-c", LIMITED, str(Path(__file__).parent)]
    done = warm.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert "what was saved is kept" in done.stdout and done.stderr == ""

    async def look() -> list[str]:
        async with open_database(str(tmp_path / "runs.db"), must_exist=True) as database:
            return [thread for thread, _ in await list_threads(database.saver, 1000)]

    found = go(look())
    assert found[-1] == "before" and 2 < len(found) < 100


def test_threads_are_listed_by_their_start(db: str, go: Any) -> None:
    """Newest first, at most so many, each with the moment in UTC, and whatever was saved later does not move them."""

    async def scenario() -> None:
        async with open_database(db) as database:
            for thread in ("first", "second", "third", "first"):
                await save_run(database.saver, thread)
            found = await list_threads(database.saver, 2)
            assert [thread for thread, _ in found] == ["third", "second"]
            age = datetime.now(UTC) - datetime.fromisoformat(found[0][1])
            assert timedelta(0) <= age < timedelta(seconds=20)
            assert len(await list_threads(database.saver, 10)) == 3

    go(scenario())


def test_large_outputs_are_kept_beside_the_runs(db: str, tmp_path: Path, go: Any) -> None:
    """Names with full stops and other signs are kept apart; reading makes no file, the first write does."""
    names = ["run", "run.1", "run.1.2", "run%2E1", "Run", "a b/ü:*_%"]

    async def scenario() -> None:
        async with open_database(db) as database:
            for name in names:
                assert await database.store.aget(outputs_namespace(name), "task") is None
            assert not [name for name in contents(tmp_path) if "outputs" in name]
            for name in names:
                await database.store.aput(outputs_namespace(name), "task", {"json": json.dumps(f"{name}\0")})
        if db == "memory":
            return
        async with open_database(db) as database:
            for name in names:
                found = await database.store.aget(outputs_namespace(name), "task")
                assert found is not None and json.loads(found.value["json"]) == f"{name}\0"

    go(scenario())


def test_pruning_deletes_what_lay_still_for_long(db: str, tmp_path: Path, go: Any) -> None:
    """Old runs go with their outputs and leases; those that are held, newer, or of another status stay."""

    async def scenario() -> None:
        async with open_database(db) as database:
            store = database.store
            for thread in ("ended", "Ended", "held", "stopped", "ended.too"):
                done = {"status": "succeeded", "summary": {"text": ""}} if thread != "stopped" else {}
                await save_run(database.saver, thread, plan={"text": "x" * 200_000}, **done)
                await store.aput(outputs_namespace(thread), "task", {"json": "1" * 200_000})
            assert await prune(database, timedelta(days=1)) == []
            before = len(b"".join(contents(tmp_path).values()))
            async with database.leases.hold("held"):
                pruned = await prune(database, timedelta(0), statuses={"succeeded"})
                assert sorted(pruned) == ["Ended", "ended", "ended.too"]
                assert set(await database.leases.live()) == {"held"}
            assert await database.leases.live() == {}
            assert {thread for thread, _ in await list_threads(database.saver, 10)} == {"held", "stopped"}
            for thread, left in [("ended", False), ("ended.too", False), ("held", True), ("stopped", True)]:
                assert bool(await store.aget(outputs_namespace(thread), "task")) is left
            if before:
                assert len(b"".join(contents(tmp_path).values())) < before * 0.6
            assert sorted(await prune(database, timedelta(0))) == ["held", "stopped"]

    go(scenario())


def test_postgres_errors_are_one_clear_line(postgres_server: str, postgres_url: str, go: Any) -> None:
    """What is missing is named; a password is never shown, and a database that was only looked at stays empty."""
    import psycopg

    base = postgres_server.rpartition("/")[0]
    secret = base.replace("postgresql://fanwise@", "postgresql://fanwise:pa55word@")
    cases = {
        "postgresql://fanwise:pa55word@127.0.0.1:1/x": "can't be reached.*onnection refused",
        f"{secret}/nowhere": 'can\'t be reached.*database "nowhere" does not exist',
        "postgres://u:pa55word/with@slash#x@127.0.0.1/x": "no URL of a PostgreSQL database",
        "postgresql://127.0.0.1:1/x?password=pa55word": "can't be reached",
        "postgresql://127.0.0.1:1/x?pa55word=1": "no URL",
        "mysql://u:pa55word@h/x": "SQLite file .*postgresql",
    }
    for url, message in cases.items():
        with pytest.raises(RunError, match=message) as refused:
            go(use(url))
        assert "pa55word" not in str(refused.value) and "\n" not in str(refused.value)
    with pytest.raises(RunError, match="nothing was run here yet"):
        go(use(postgres_url, must_exist=True))
    with psycopg.connect(postgres_url) as connection:
        assert connection.execute("SELECT to_regclass('checkpoints')").fetchall() == [(None,)]


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("runs.db", "runs.db"),
        ("memory", "memory"),
        ("postgresql://h/x", "postgresql://h/x"),
        ("postgresql://me@h:5/x?options=-cx", "postgresql://me@h:5/x?options=-cx"),
        ("postgresql://me:pa55@h:5/x?options=-cx&password=pa55", "postgresql://me@h:5/x?options=-cx"),
        ("postgres://me:pa55:p@55/?@h/x", "postgres://me@h/x"),
        ("postgres://h/x?password=pa55", "postgres://h/x"),
    ],
)
def test_an_address_is_shown_without_its_password(given: str, shown: str) -> None:
    """What is left opens the same database for those who have the password elsewhere."""
    assert without_password(given) == shown


def test_postgres_tables_that_are_not_ours_are_refused(postgres_url: str, go: Any) -> None:
    """A newer version's, another program's, and a schema in which nothing may be made."""
    import psycopg

    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute("CREATE TABLE checkpoints (mine TEXT)")
        with pytest.raises(RunError, match="`checkpoints` that is not LangGraph's"):
            go(use(postgres_url))
        connection.execute("DROP TABLE checkpoints")
        connection.execute("CREATE TABLE fanwise_schema AS SELECT 99 AS version")
        with pytest.raises(RunError, match="newer version of Fanwise"):
            go(use(postgres_url))
        assert connection.execute("SELECT to_regclass('checkpoint_migrations')").fetchall() == [(None,)]
        connection.execute("DROP TABLE fanwise_schema")
        (schema,) = connection.execute("SELECT current_schema()").fetchone() or ("",)
        connection.execute(f"CREATE ROLE {schema}_guest LOGIN; GRANT USAGE ON SCHEMA {schema} TO {schema}_guest")
        guest = psycopg.conninfo.conninfo_to_dict(postgres_url)
        with pytest.raises(RunError, match="may not be written to by this user: grant CREATE"):
            url = f"postgresql://{schema}_guest@{guest['host']}:{guest['port']}/{guest['dbname']}"
            go(use(f"{url}?options=-csearch_path%3D{schema}"))
        connection.execute(f"DROP OWNED BY {schema}_guest; DROP ROLE {schema}_guest")


def test_many_can_open_a_new_postgres_database_at_once(postgres_url: str, go: Any) -> None:
    """One makes the tables, the others wait for it."""

    async def scenario() -> None:
        await asyncio.gather(*(use(postgres_url) for _ in range(6)))

    go(scenario())


@pytest.mark.slow
def test_a_server_that_restarts_loses_no_save(own_postgres: Any, go: Any) -> None:
    """Saves, reads and the lease go on when the server is stopped, and when it crashes, and comes back."""

    async def restart() -> None:
        for mode in ("fast", "immediate"):
            await asyncio.sleep(0.3)
            await asyncio.to_thread(own_postgres.stop, mode)
            await asyncio.sleep(0.7)
            await asyncio.to_thread(own_postgres.start)

    async def scenario() -> set[str]:
        async with open_database(own_postgres.url) as database:
            leases: Any = database.leases
            leases.beat_s = 0.2
            saver = database.saver
            config = await save_run(saver, "run")
            async with leases.hold("run"):
                restarting = asyncio.create_task(restart())
                number = 0
                while not restarting.done() or number < 100:
                    await asyncio.gather(
                        saver.aput_writes(config, [("results", number)], f"task-{number}"),
                        save_run(saver, f"run-{number}"),
                        database.store.aput(("fanwise", "outputs", "run"), str(number), {"n": number}),
                        saver.aget_tuple(config),
                    )
                    number += 1
                await restarting
                assert set(await leases.live()) == {"run"}
            found = await saver.aget_tuple(config)
            assert found is not None
            missing = {f"task-{n}" for n in range(number)} - {write[0] for write in found.pending_writes or ()}
            threads = {thread for thread, _ in await list_threads(saver, 10**6)}
            return missing | ({f"run-{n}" for n in range(number)} - threads)

    assert go(scenario()) == set()


@pytest.mark.slow
def test_a_server_that_stays_away_is_one_clear_error(own_postgres: Any, go: Any) -> None:
    """Patience ends; the error says that it can't be reached; what was saved is there when the server is back."""

    async def scenario() -> None:
        async with open_database(own_postgres.url) as database:
            saver: Any = database.saver
            saver._patience.seconds, saver.conn.timeout = 1, 0.5
            await save_run(saver, "before")
            await asyncio.to_thread(own_postgres.stop)
            await save_run(saver, "lost")

    with pytest.raises(RunError, match="can't be reached: see that the server runs"):
        go(scenario())
    own_postgres.start()

    async def look() -> list[tuple[str, str]]:
        async with open_checkpointer(own_postgres.url, must_exist=True) as saver:
            return await list_threads(saver, 10**6)

    threads = {thread for thread, _ in go(look())}
    assert "before" in threads and "lost" not in threads
