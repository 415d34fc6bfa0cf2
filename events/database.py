"""A DuckDB database for one log: in memory for small logs, in a scratch folder for large ones, shut off once loaded."""

from __future__ import annotations

import shutil
import tempfile
import weakref
from pathlib import Path

import duckdb

IN_MEMORY_BYTES = 192_000_000
"""Logs up to this size are held in memory; DuckDB keeps memory tables uncompressed, files compressed."""

_SETTINGS = {"autoinstall_known_extensions": "false", "autoload_known_extensions": "false"}

_SETUP = """
    SET GLOBAL TimeZone = 'UTC';
    CREATE MACRO iso(t) AS
        strftime(t, '%Y-%m-%dT%H:%M:%S') || CASE WHEN epoch_us(t) % 1000000 = 0 THEN '' ELSE strftime(t, '.%f') END
        || '+00:00';
"""


class Scratch:
    """A temporary folder that goes away with its owner, or on `remove`."""

    def __init__(self) -> None:
        self.path = Path(tempfile.mkdtemp(prefix="fanwise-events-"))
        self._finalizer = weakref.finalize(self, shutil.rmtree, self.path, ignore_errors=True)
        (self.path / "files").mkdir()

    @property
    def files(self) -> Path:
        """Where cleaned copies of files go."""
        return self.path / "files"

    def drop_files(self) -> None:
        """Delete the cleaned copies, which are not needed after loading."""
        shutil.rmtree(self.files, ignore_errors=True)

    def remove(self) -> None:
        """Delete the folder."""
        self._finalizer()


def connect(scratch: Scratch, size: int) -> duckdb.DuckDBPyConnection:
    """Open an empty database for a log of `size` bytes."""
    where = ":memory:" if size <= IN_MEMORY_BYTES else str(scratch.path / "events.duckdb")
    connection = duckdb.connect(where, config={**_SETTINGS, "temp_directory": str(scratch.path / "spill")})
    connection.execute(_SETUP)
    return connection


def shut_off(connection: duckdb.DuckDBPyConnection) -> None:
    """Take the database's access to files and network away; nothing is read after loading."""
    connection.execute("SET GLOBAL enable_external_access = false; SET GLOBAL lock_configuration = true")
