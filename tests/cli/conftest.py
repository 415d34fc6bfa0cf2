"""The command as a process: what scripts and people see of it."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest

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
        done = subprocess.run(
            [*COMMAND, *args],
            cwd=self.folder,
            input=given,
            capture_output=True,
            timeout=60,
            env={**self.env, **(env or {})},
        )
        done.stdout, done.stderr = done.stdout.decode(), done.stderr.decode()
        return done

    def start(self, *args: str) -> subprocess.Popen[str]:
        """Start the command and leave it running."""
        return subprocess.Popen(
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


@pytest.fixture
def inside(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Inside:
    """An empty folder to call the command in, within this process."""
    return Inside(tmp_path, capsys)


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    """An empty folder to call the command in."""
    return Shell(tmp_path)
