"""Running a program in a workspace: no shell, a clean environment, an end to it and to all that it started.

This is no sandbox: a program that is run may do whatever its user may. What is kept from it is the environment, with
its keys; and it can neither outlive its time nor fill the memory with its output.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

TIMEOUT_S = 120.0
"""Seconds that a command may take."""

OUTPUT_BYTES = 64_000
"""Bytes of output that are kept: two thirds of them from the beginning, the rest from the end."""

_PASSED_ON = ("HOME", "LANG", "LANGUAGE", "LOGNAME", "TERM", "TMPDIR", "TZ", "USER", "VIRTUAL_ENV")


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a program ended."""

    exit_code: int | None
    """`None` where its time was over; negative where a signal ended it."""
    output: str
    """Standard output and error, in the order in which they came."""

    @property
    def timed_out(self) -> bool:
        """Whether it was ended because its time was over."""
        return self.exit_code is None


def clean_environment() -> dict[str, str]:
    """Return what a program is given of the environment: nothing that may be a key.

    The folder of this Python comes first in `PATH`, so that the `pytest` and `ruff` installed beside Fanwise are found.
    """
    kept = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    kept |= {name: value for name, value in os.environ.items() if name.startswith("LC_")}
    places = [str(Path(sys.executable).parent), *os.environ.get("PATH", os.defpath).split(os.pathsep)]
    places = [place for place in places if os.path.isabs(place)]  # "." would be the workspace
    # a file that is written twice within a second and keeps its size would be taken from the stale byte code
    return {**kept, "PATH": os.pathsep.join(places), "PYTHONDONTWRITEBYTECODE": "1", "NO_COLOR": "1"}


async def run_program(words: Sequence[str], folder: Path, timeout_s: float = TIMEOUT_S) -> Outcome:
    """Run a program and return how it ended; it ends with the call, whatever becomes of that.

    Args:
        words: the program, looked up in the clean environment's `PATH`, and its arguments.
        folder: the folder that it runs in.
        timeout_s: seconds that it may take.

    Raises:
        OSError: it can't be started.
    """
    read_end, write_end = os.pipe()  # a pipe of our own: asyncio's would keep `wait` until the last child closed it
    try:
        process = await asyncio.create_subprocess_exec(
            *words,
            cwd=folder,
            env=clean_environment(),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=write_end,
            stderr=write_end,
            start_new_session=True,
        )
    except BaseException:
        os.close(read_end)
        raise
    finally:
        os.close(write_end)
    kept = _Kept(OUTPUT_BYTES)
    reading = asyncio.ensure_future(_read(read_end, kept))
    exit_code: int | None = None
    try:
        async with asyncio.timeout(timeout_s):
            exit_code = await process.wait()
    except TimeoutError:
        pass
    finally:
        _end(process.pid, has_ended=process.returncode is not None)
        await process.wait()
        await asyncio.wait([reading], timeout=1.0)  # a child that left the group may hold the pipe
        reading.cancel()
        await asyncio.wait([reading])
    return Outcome(exit_code, kept.text())


class _Kept:
    """The beginning and the end of what is read."""

    def __init__(self, limit: int) -> None:
        self._head_limit, self._tail_limit = limit * 2 // 3, limit - limit * 2 // 3
        self._head, self._tail = bytearray(), bytearray()
        self._left_out = 0

    def add(self, data: bytes) -> None:
        room = self._head_limit - len(self._head)
        self._head += data[:room]
        self._tail += data[room:]
        if (over := len(self._tail) - self._tail_limit) > 0:
            del self._tail[:over]
            self._left_out += over

    def text(self) -> str:
        said = f"\n[... {self._left_out:,} bytes left out ...]\n".encode() if self._left_out else b""
        return (bytes(self._head) + said + bytes(self._tail)).decode(errors="replace").replace("\0", "\ufffd")


async def _read(pipe: int, kept: _Kept) -> None:
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(pipe, "rb"))
    try:
        while data := await reader.read(65_536):
            kept.add(data)
    finally:
        transport.close()


def _end(pid: int, has_ended: bool) -> None:
    """Kill a program's process group, and what descends from it in other groups as long as it can be told."""
    try:
        below = [] if has_ended else psutil.Process(pid).children(recursive=True)
    except psutil.Error:
        below = []
    try:
        os.killpg(pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        pass
    for process in below:
        try:
            process.kill()
        except psutil.Error:
            pass
