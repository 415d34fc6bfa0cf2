"""What `processes.py` starts: an environment with `aegra-api`, PostgreSQL, Redis, and servers over both."""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import suppress
from pathlib import Path

from chaos_places import Server as Postgres
from common import ROOT

AEGRA = "aegra-api==0.11.0"

FIXED = ("pyproject.toml", "requirements.lock")
"""What says what is installed."""

WORK = Path(__file__).with_name("processes_work.py")

READY_S = 90.0
"""Seconds that a server may take to start: imports, mostly, beside others that work."""


class MissingError(Exception):
    """What the servers need is not on this machine."""


def python312() -> str:
    """Return the program of Python 3.12, from the path or from what uv or pyenv keep.

    Raises:
        MissingError: there is none.
    """
    home = Path.home()
    pyenv = Path(os.environ.get("PYENV_ROOT") or home / ".pyenv").glob("versions/3.12.*/bin/python3.12")
    uv = (home / ".local" / "share" / "uv" / "python").glob("cpython-3.12.*/bin/python3.12")
    for found in (shutil.which("python3.12"), sys.executable, *map(str, [*sorted(pyenv), *sorted(uv)])):
        if found is not None and _runs_312(found):
            return found
    raise MissingError("needs Python 3.12 for aegra-api, which is not here")


def _runs_312(program: str) -> bool:
    # pyenv puts a `python3.12` on the path that refuses to run where another version is chosen
    ask = [program, "-c", "import sys, venv; print(sys.version_info[:2] == (3, 12))"]
    return subprocess.run(ask, capture_output=True, text=True, check=False).stdout.strip() == "True"


def needed() -> None:
    """Look for the programs that the servers need.

    Raises:
        MissingError: one is not there.
    """
    python312()
    if shutil.which("initdb") is None and not list(Path("/usr/lib/postgresql").glob("*/bin/initdb")):
        raise MissingError("needs PostgreSQL's server programs (initdb), which are not here")
    if shutil.which("redis-server") is None:
        raise MissingError("needs redis-server, which is not here")


def environment(cache: Path) -> Path:
    """Return the Python of an environment with `aegra-api` and this checkout; made once for what they depend on."""
    program = python312()
    given = (AEGRA, program, str(ROOT), *((ROOT / name).read_text("utf-8") for name in FIXED))
    place = cache / f"aegra-{hashlib.sha256(repr(given).encode()).hexdigest()[:12]}"
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # another one may be making it right now
        if not (place / "made").exists():
            shutil.rmtree(place, ignore_errors=True)
            _make(place, program)
            (place / "made").touch()
    return place / "bin" / "python"


def _make(place: Path, program: str) -> None:
    python, wanted = str(place / "bin" / "python"), [AEGRA, "-c", str(ROOT / "requirements.lock"), "-e", str(ROOT)]
    uv = shutil.which("uv") or shutil.which("uv", path=str(Path(sys.executable).parent))
    if uv is not None:
        _call(uv, "venv", "-q", "-p", program, str(place))
        _call(uv, "pip", "install", "-q", "-p", python, *wanted)
    else:
        _call(program, "-m", "venv", str(place))
        quick = ["-q", "--disable-pip-version-check", "--no-compile"]  # most modules are never imported
        _call(python, "-m", "pip", "install", *quick, *wanted)


def _call(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command[:4])} ... failed: {done.stderr.strip()[-2000:]}")


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


class Redis:
    """A Redis of our own, which keeps nothing on disk."""

    def __init__(self, folder: Path) -> None:
        port = free_port()
        self.url = f"redis://127.0.0.1:{port}/0"
        options = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder)]
        self._process = subprocess.Popen(["redis-server", *options], stdout=subprocess.DEVNULL)
        until = time.monotonic() + 10
        while not _listens(port):
            if time.monotonic() > until or self._process.poll() is not None:
                raise SystemExit("redis-server did not start")
            time.sleep(0.05)

    def remove(self) -> None:
        """Stop it."""
        self._process.kill()
        self._process.wait()


def _listens(port: int) -> bool:
    with socket.socket() as tried:
        return tried.connect_ex(("127.0.0.1", port)) == 0


class Aegra:
    """One server process, which can be killed and started again on its port."""

    def __init__(self, number: int, python: Path, folder: Path, env: dict[str, str]) -> None:
        self.number = number
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        self._command = [str(python), "-m", "uvicorn", "aegra_api.main:app", "--port", str(port)]
        self._command += ["--log-level", "warning", "--no-access-log"]
        self._folder, self._env = folder, env
        self.log = folder / f"server-{number}.log"
        self.is_up = False
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The process that runs, or ran."""
        return self._process.pid if self._process is not None else 0

    async def start(self) -> float:
        """Start it; return the seconds until it answers."""
        began = time.monotonic()
        self._process = self._spawned()
        while not await asyncio.to_thread(self._answers):
            if self._process.poll() is not None or time.monotonic() - began > READY_S:
                raise SystemExit(f"server {self.number} did not start:\n{self.log.read_text(errors='replace')[-3000:]}")
            await asyncio.sleep(0.1)
        self.is_up = True
        return time.monotonic() - began

    def _spawned(self) -> subprocess.Popen[bytes]:
        with self.log.open("ab") as log:
            return subprocess.Popen(self._command, cwd=self._folder, env=self._env, stdout=log, stderr=log)

    def kill(self) -> None:
        """Kill it, with no word before."""
        self.is_up = False
        if self._process is not None:
            with suppress(ProcessLookupError):
                self._process.send_signal(signal.SIGKILL)
            self._process.wait()

    def _answers(self) -> bool:
        try:
            urllib.request.urlopen(f"{self.url}/ready", timeout=2).close()
        except OSError:
            return False
        return True


class Servers:
    """Several servers over one PostgreSQL and one Redis, in a folder."""

    def __init__(self, folder: Path, cache: Path, count: int, lease_s: int) -> None:
        self.notes = folder / "notes"
        python = environment(cache)
        self._postgres = Postgres()
        try:
            self._redis = Redis(folder)
        except BaseException:
            self._postgres.remove()
            raise
        self.database = self._postgres.url
        (folder / "served.py").write_text("from fanwise.studio.app import fanwise\n\n__all__ = ['fanwise']\n")
        (folder / "aegra.json").write_text(json.dumps({"graphs": {"fanwise": "./served.py:fanwise"}}))
        env = self._environment(folder, lease_s)
        self.all = [Aegra(number, python, folder, env) for number in range(count)]

    def _environment(self, folder: Path, lease_s: int) -> dict[str, str]:
        foreign = ("FANWISE_", "LANG", "OPENAI_", "POSTGRES", "PYTHON")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
        return {
            **kept,
            "AEGRA_CONFIG": str(folder / "aegra.json"),
            "DATABASE_URL": self.database,
            "REDIS_BROKER_ENABLED": "true",
            "REDIS_URL": self._redis.url,
            "WORKER_COUNT": "1",  # so that runs are dealt out one by one to the processes
            "LEASE_DURATION_SECONDS": str(lease_s),
            "HEARTBEAT_INTERVAL_SECONDS": "1",
            "REAPER_INTERVAL_SECONDS": "1",
            "BG_JOB_MAX_RETRIES": "1000",  # 3 by default: the fourth kill would end a run
            "CRON_ENABLED": "false",
            "LOG_LEVEL": "ERROR",
            "FANWISE_SPECIALISTS": str(WORK),
            "PROCESSES_NOTES": str(self.notes),
        }

    async def start(self) -> None:
        """Start all: the first makes the tables."""
        first, *others = self.all
        await first.start()
        await asyncio.gather(*(server.start() for server in others))

    @property
    def up(self) -> list[Aegra]:
        """Those that answer."""
        return [server for server in self.all if server.is_up]

    def of(self, pid: int) -> Aegra | None:
        """Return the server that is a process now."""
        return next((server for server in self.all if server.is_up and server.pid == pid), None)

    def remove(self) -> None:
        """Stop everything."""
        for server in self.all:
            server.kill()
        self._redis.remove()
        self._postgres.remove()
