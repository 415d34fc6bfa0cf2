"""Where `chaos.py` keeps its runs: a SQLite file, or a schema of its own in PostgreSQL, on a server of its own."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from urllib.parse import quote


class Server:
    """A PostgreSQL server of our own, which can be restarted."""

    def __init__(self) -> None:
        on_path = shutil.which("initdb")
        found = [Path(on_path)] if on_path else sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
        if not found:
            raise SystemExit("needs PostgreSQL's server programs (initdb); or name a server with --db postgresql://...")
        self._programs = found[-1].parent
        self._user = "postgres" if os.geteuid() == 0 else None  # the server refuses to be run by root
        self.folder = Path(tempfile.mkdtemp(prefix="fanwise-chaos-postgres-"))
        if self._user is not None:
            os.chown(self.folder, pwd.getpwnam(self._user).pw_uid, -1)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self._port = free.getsockname()[1]
        self.url = f"postgresql://fanwise@127.0.0.1:{self._port}/postgres"
        self._call("initdb", "-D", str(self.folder / "data"), "-U", "fanwise", "-A", "trust", "-E", "UTF8", "--no-sync")
        self._start()

    def restart(self, mode: str, away_s: float = 0.0) -> None:
        """Restart it: `immediate` as a crash would, `fast` with all connections cut; it is away for a while."""
        self._control("stop", "-m", mode)
        time.sleep(away_s)
        self._start()

    def _start(self) -> None:
        options = f"-p {self._port} -k {self.folder} -h 127.0.0.1"
        self._control("start", "-o", options, "-l", str(self.folder / "log"))

    def remove(self) -> None:
        """Stop it and delete what it kept."""
        self._control("stop", "-m", "immediate")
        shutil.rmtree(self.folder)

    def _control(self, *args: str) -> None:
        self._call("pg_ctl", "-D", str(self.folder / "data"), "-w", "-t", "60", *args)

    def _call(self, program: str, *args: str) -> None:
        quiet = subprocess.DEVNULL  # not a pipe: the server would keep it open
        command = [str(self._programs / program), *args]
        subprocess.run(command, check=True, stdout=quiet, stderr=quiet, user=self._user, cwd=self.folder)


class Places:
    """Gives each round an empty database, and takes it back."""

    def __init__(self, db: str, *, restarts: bool = False) -> None:
        self.server = Server() if db == "postgres" or restarts else None
        self._url = self.server.url if self.server is not None else db
        self._is_sqlite = self._url == "sqlite"

    def make(self, folder: Path) -> str:
        """Return the address of an empty database for the round in a folder."""
        if self._is_sqlite:
            return str(folder / "runs.db")
        self._execute(f"CREATE SCHEMA {_schema(folder)}")
        mark = "&" if "?" in self._url else "?"
        return f"{self._url}{mark}options={quote(f'-csearch_path={_schema(folder)}')}"

    def drop(self, folder: Path) -> None:
        """Delete what a round has left."""
        if not self._is_sqlite:
            self._execute(f"DROP SCHEMA {_schema(folder)} CASCADE")
        shutil.rmtree(folder)

    def close(self) -> None:
        """Leave no server behind."""
        if self.server is not None:
            self.server.remove()

    def _execute(self, statement: str) -> None:
        import psycopg

        with psycopg.connect(self._url, autocommit=True) as connection:
            connection.execute(statement)  # type: ignore[call-overload]  # with a name that we made


def _schema(folder: Path) -> str:
    return folder.name.lower().replace("-", "_")
