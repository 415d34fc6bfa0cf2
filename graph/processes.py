"""Which process this is, and whether another one still lives."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Process:
    """A process, told apart from every other one on every machine."""

    host: str
    """Name of the machine."""
    boot: str
    """One start of the machine, and the process namespace on it (containers); empty where it can't be known."""
    pid: int
    """The process's number, which the machine gives to others once it is gone."""
    started: str
    """When the process started, in the machine's own terms; empty where it can't be known."""


def this_process() -> Process:
    """Return the process that asks."""
    pid = os.getpid()
    return Process(socket.gethostname(), _boot(), pid, _start(pid))


def is_dead(process: Process) -> bool:
    """Tell whether a process is known to be gone; one of another machine, or that can't be looked at, is not."""
    if (process.host, process.boot) != (socket.gethostname(), _boot()) or sys.platform == "win32":
        return False
    try:
        os.kill(process.pid, 0)
    except ProcessLookupError:
        return True
    except OSError:  # it lives, and belongs to somebody else
        pass
    started = _start(process.pid)
    return started == _ENDED or bool(started and process.started and started != process.started)


_ENDED = "ended"
"""Stands for the start of a process that is over and that its parent has not asked about yet."""


@cache
def _boot() -> str:
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot} {os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return ""


def _start(pid: int) -> str:
    if sys.platform == "linux":
        return _linux_start(pid)
    if sys.platform == "win32":
        return ""
    asked = subprocess.run(["ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return asked.stdout.strip()


def _linux_start(pid: int) -> str:
    """Return the start in clock ticks since boot, which is field 22 of `stat`; the name before it may hold spaces."""
    try:
        state, *fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (OSError, ValueError):
        return ""
    return _ENDED if state in "ZX" else fields[18]
