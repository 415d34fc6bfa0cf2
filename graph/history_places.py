"""Where the history of a database of runs is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..schema.errors import RunError
from ..schema.words import install
from .history import History, MemoryHistory


@contextmanager
def open_history(db: str, *, must_exist: bool = False) -> Iterator[History]:
    """Open the history of the database at `db`, without the database itself; nothing is made.

    Args:
        db: as for `open_database`.
        must_exist: whether a missing database is an error; else its history is empty.

    Raises:
        RunError: there is no such database, or it can't be read.
    """
    history = _found(db, must_exist)
    try:
        yield history
    finally:
        history.close()


def _found(db: str, must_exist: bool) -> History:
    scheme, _, rest = db.partition("://")
    if db in ("memory", ":memory:"):
        return MemoryHistory()
    if scheme in ("postgresql", "postgres") and rest:
        return _postgres(db)
    if rest and scheme != "sqlite":
        raise RunError(f"--db {scheme}://...: runs are kept in a SQLite file (a path) or in postgresql://...")
    from .history_sqlite import SqliteHistory, history_path

    path = Path(rest.removeprefix("/") if rest else db).expanduser()
    beside = history_path(path)
    if must_exist and not path.exists() and not beside.exists():
        raise RunError(f"no database of runs at {path}: nothing was run here yet, or give --db PATH")
    return SqliteHistory(beside)


def _postgres(url: str) -> History:
    try:
        from .history_postgres import PostgresHistory
        from .postgres_server import Place
    except ImportError as error:
        raise RunError(f"--db postgresql://... needs more packages: {install('postgres')} ({error})") from error
    place = Place(url)
    return PostgresHistory(place.conninfo, place.explained)
