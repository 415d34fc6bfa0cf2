"""Opening a PostgreSQL database of runs: its tables are made at the first use."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any, cast

import psycopg
from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver
from langgraph.store.postgres.aio import AsyncPostgresStore
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.rows import DictRow, dict_row
from psycopg_pool import AsyncConnectionPool

from ..schema.errors import RunError
from .database import SCHEMA_VERSION, Database
from .history_postgres import PostgresHistory
from .lease_table import LEASES_TABLE
from .postgres import Patience, Pool, PostgresLeases, PostgresOutputs, PostgresSaver, is_away

Connection = psycopg.AsyncConnection[DictRow]

_USUAL: dict[str, str | int] = {
    "application_name": "fanwise",
    "connect_timeout": 5,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 15000,
}
"""What the URL may say otherwise: a server that falls silent is noticed long before a lease ends."""

_SETUP_LOCK = 0x66616E77697365
"""Number of the advisory lock under which tables are made."""

_SETUP_S = 60.0


@asynccontextmanager
async def opened_postgres(url: str, *, must_exist: bool = False) -> AsyncIterator[Database]:
    """Open the database at a URL; its tables are made where they do not exist yet.

    Raises:
        RunError: it can't be reached or used, or went away for too long later on.
    """
    place = Place(url)
    try:
        await _prepare(place, must_exist)
        async with _pool(place) as pool:
            patience = Patience()
            saver, leases = PostgresSaver(pool, patience), PostgresLeases(place.conninfo)
            store = PostgresOutputs(pool, patience, place.explained)
            history = PostgresHistory(place.conninfo, place.explained)
            try:
                yield Database(saver, store, leases, history=history)
            finally:
                await saver.settle()
                await store.close()
                await asyncio.to_thread(leases.close)
                await asyncio.to_thread(history.close)
    except psycopg.Error as error:
        raise place.explained(error) from error


class Place:
    """Where a database is, with its password and without."""

    def __init__(self, url: str) -> None:
        given = _parsed(url)
        port = f":{given['port']}" if given.get("port") else ""
        self.shown = f"postgresql://{given.get('host') or ''}{port}/{given.get('dbname') or ''}"
        self._secrets = [str(given[key]) for key in ("password", "sslpassword") if given.get(key)]
        self.conninfo = make_conninfo(
            "", **{**_USUAL, **{key: value for key, value in given.items() if value is not None}}
        )

    def explained(self, error: psycopg.Error) -> RunError:
        """Return what went wrong in words that say what to do."""
        text = " ".join(str(error).split()) or type(error).__name__
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return RunError(f"the database {self.shown} {_advice(error)} ({text})")


def _parsed(url: str) -> dict[str, Any]:
    """Return the parts of a URL; what a password with bare special characters falls apart into is not shown."""
    with suppress(psycopg.Error):
        given = dict(conninfo_to_dict(url))
        if set(str(given.get("port", ""))) <= set("0123456789,") and "@" not in str(given.get("dbname", "")):
            return given
    raise RunError(
        "--db postgresql://...: this is no URL of a PostgreSQL database; write it as "
        "postgresql://USER:PASSWORD@HOST:PORT/NAME, and special characters in it as %XX"
    )


def _advice(error: psycopg.Error) -> str:
    if isinstance(error, psycopg.errors.DiskFull):
        return "has no space left on its disk: free some, then resume the run; what was saved is kept"
    if isinstance(error, psycopg.errors.InsufficientPrivilege | psycopg.errors.ReadOnlySqlTransaction):
        return "may not be written to by this user: grant CREATE on its schema, or give another one with --db"
    if is_away(error):
        return "can't be reached: see that the server runs, and that address and rights are right, then try again"
    return "can't be used: give another one with --db, or see the server's log"


@asynccontextmanager
async def _pool(place: Place) -> AsyncIterator[Pool]:
    pool = AsyncConnectionPool(
        place.conninfo,
        connection_class=cast(type[Connection], psycopg.AsyncConnection),
        kwargs={"autocommit": True, "prepare_threshold": 0, "row_factory": dict_row},
        min_size=1,
        max_size=4,
        timeout=3,
        reconnect_timeout=2,  # then the next save asks anew; the pool's own pauses would grow beyond its patience
        check=AsyncConnectionPool.check_connection,
        open=False,
    )
    async with pool:
        yield pool


async def _prepare(place: Place, must_exist: bool) -> None:
    """Check what is there before anything is changed; then make what is missing."""
    connecting = psycopg.AsyncConnection.connect(
        place.conninfo, autocommit=True, prepare_threshold=None, row_factory=dict_row
    )
    async with await connecting as connection:
        found = await _versions(connection, place)
        if must_exist and "checkpoint_migrations" not in found:
            raise RunError(f"no database of runs at {place.shown}: nothing was run here yet, or give another --db")
        if found != _CURRENT:
            await _install(connection, place)


_CURRENT: dict[str, int] = {
    "checkpoint_migrations": len(AsyncPostgresSaver.MIGRATIONS) - 1,
    "store_migrations": len(AsyncPostgresStore.MIGRATIONS) - 1,
    "fanwise_schema": SCHEMA_VERSION,
}


async def _versions(connection: Connection, place: Place) -> dict[str, int]:
    """Return the versions of the tables that are there; refuse what is newer, or not LangGraph's."""
    has_checkpoints = await _one(connection, "SELECT to_regclass('checkpoints')::text")  # LangGraph makes it second
    found: dict[str, int] = {}
    for table in _CURRENT:
        column = "version" if table == "fanwise_schema" else "v"
        if await _one(connection, "SELECT to_regclass(%s)::text", table):
            found[table] = await _one(connection, f"SELECT coalesce(max({column}), -1) FROM {table}")
    if found.get("fanwise_schema", 0) > SCHEMA_VERSION:
        raise RunError(
            f"the database {place.shown} is of a newer version of Fanwise (its tables have version "
            f"{found['fanwise_schema']}, this one knows {SCHEMA_VERSION}): upgrade Fanwise, or give another --db"
        )
    if has_checkpoints and "checkpoint_migrations" not in found:
        raise RunError(
            f"the database {place.shown} has a table `checkpoints` that is not LangGraph's: give another database "
            "with --db, or another schema (?options=-csearch_path%3DNAME); it is left as it is"
        )
    return found


async def _install(connection: Connection, place: Place) -> None:
    """Make the tables, or bring them up to date, while nobody else does.

    The lock is asked for again and again rather than waited for: making an index waits for all who wait.
    """
    deadline = time.monotonic() + _SETUP_S
    while not await _one(connection, "SELECT pg_try_advisory_lock(%s)", _SETUP_LOCK):
        if time.monotonic() > deadline:
            raise RunError(f"the tables of {place.shown} are being made by another process for very long: try again")
        await asyncio.sleep(0.05)
    await AsyncPostgresSaver(connection).setup()
    store = AsyncPostgresStore(connection)
    await store.setup()
    if store._task is not None:
        store._task.cancel()
    await connection.execute(LEASES_TABLE)
    await connection.execute("CREATE TABLE IF NOT EXISTS fanwise_schema (version INTEGER NOT NULL)")
    if (await _versions(connection, place))["fanwise_schema"] < SCHEMA_VERSION:
        await connection.execute("INSERT INTO fanwise_schema VALUES (%s)", (SCHEMA_VERSION,))


async def _one(connection: Connection, query: str, *values: Any) -> Any:
    """Return the only value of the only row."""
    row = await (await connection.execute(query, values or None)).fetchone()
    return next(iter(row.values())) if row else None
