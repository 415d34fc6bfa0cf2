"""The command as a process: what scripts and people see of it."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pty
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest
import warm

from fanwise.cli.app import run_cli

COMMAND = (sys.executable, "-c", "from fanwise.cli import main; main()")


class Shell:
    """A folder in which the command is called."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.env = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "CI")}

    def __call__(self, *args: str, stdin: str | bytes = b"", env: Mapping[str, str] | None = None) -> Any:
        """Run the command to its end; output is decoded."""
        given = stdin.encode() if isinstance(stdin, str) else stdin
        run = subprocess.run if _is_about_python(env) else warm.run
        told = {**self.env, **(env or {})}
        done = run([*COMMAND, *args], cwd=self.folder, input=given, capture_output=True, timeout=60, env=told)
        done.stdout, done.stderr = done.stdout.decode(), done.stderr.decode()
        return done

    def start(self, *args: str) -> subprocess.Popen[str]:
        """Start the command and leave it running."""
        return warm.Popen(
            [*COMMAND, *args],
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=self.env,
        )

    def json(self, *args: str, **more: Any) -> Any:
        """Run the command with `--json` and return what it prints."""
        return json.loads(self(*args, "--json", **more).stdout)

    def plan(self, tasks: Iterable[Mapping[str, Any]], name: str = "plan.json", **config: Any) -> str:
        """Write a plan of `wait` tasks; return its name."""
        full = [{"specialist": "wait", **task} for task in tasks]
        (self.folder / name).write_text(json.dumps({"tasks": full, "config": config}))
        return name

    def write(self, name: str, text: str) -> str:
        """Write a file; return its name."""
        (self.folder / name).write_text(text)
        return name


def _is_about_python(env: Mapping[str, str] | None) -> bool:
    """Tell whether variables change how Python itself starts."""
    return any(name.startswith(("PYTHON", "LC_", "LANG")) for name in env or {})


class Inside(Shell):
    """The same command, called in this process: faster, where no process is needed to tell."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        super().__init__(folder)
        self._capsys = capsys

    def __call__(self, *args: str, **more: Any) -> Any:
        """Run the command to its end."""
        assert not more, "standard input and environment need a process"
        self._capsys.readouterr()
        with contextlib.chdir(self.folder), pytest.raises(SystemExit) as ended:
            run_cli(args)
        said = self._capsys.readouterr()
        return subprocess.CompletedProcess(args, int(ended.value.code or 0), said.out, said.err)


class Terminal:
    """The command on a terminal of its own: standard input and standard error are a pty."""

    def __init__(self, shell: Shell, *args: str, env: Mapping[str, str] | None = None, columns: int = 80) -> None:
        near, far = pty.openpty()
        fcntl.ioctl(far, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
        self._near = near
        self.said = ""
        """What was shown so far."""
        self.process = warm.Popen(
            [*COMMAND, *args],
            cwd=shell.folder,
            stdin=far,
            stdout=subprocess.PIPE,
            stderr=far,
            text=True,
            env={**shell.env, "TERM": "xterm", "COLUMNS": str(columns), **(env or {})},
            start_new_session=True,
        )
        self.far = os.dup(far)
        """The terminal as the command sees it."""
        os.close(far)
        self._seen = 0

    def until(self, text: str) -> str:
        """Read until a text is shown after what was waited for before; return what was shown."""
        deadline = time.monotonic() + 30
        while text not in self.said[self._seen :]:
            ready, _, _ = select.select([self._near], [], [], max(0.0, deadline - time.monotonic()))
            chunk = self._read() if ready else b""
            assert chunk, f"never said {text!r}: {self.said[self._seen :]}"
            self.said += chunk.decode(errors="replace").replace("\r\n", "\n")
        start, self._seen = self._seen, self.said.index(text, self._seen) + len(text)
        return self.said[start : self._seen]

    def type(self, text: str) -> None:
        """Type a line."""
        os.write(self._near, f"{text}\n".encode())

    def answer(self, prompt: str, text: str) -> str:
        """Wait for a prompt and answer it; return what was shown before."""
        shown = self.until(prompt)
        self.type(text)
        return shown

    def end(self) -> tuple[int, str]:
        """Wait for the end; return the exit code and what standard output got."""
        os.close(self.far)
        while chunk := self._read():
            self.said += chunk.decode(errors="replace").replace("\r\n", "\n")
        assert self.process.stdout is not None
        out = self.process.stdout.read()
        self.process.stdout.close()
        os.close(self._near)
        return self.process.wait(30), out

    def _read(self) -> bytes:
        try:
            return os.read(self._near, 65536)
        except OSError:  # the other end is closed
            return b""


@pytest.fixture
def inside(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Inside:
    """An empty folder to call the command in, within this process."""
    return Inside(tmp_path, capsys)


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    """An empty folder to call the command in."""
    return Shell(tmp_path)
