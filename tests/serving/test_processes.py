"""Several server processes over one PostgreSQL and one Redis: `benchmarks/processes.py`, three kills."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parent.parent.parent / "benchmarks" / "processes.py"


@pytest.mark.slow
@pytest.mark.timeout(400)  # the first time an environment is made
def test_a_run_outlives_the_process_that_executes_it() -> None:
    """No task that was saved runs again, streams go on, and other processes cancel, answer and go on with runs."""
    command = [sys.executable, str(SCRIPT), "--kills", "1", "--tasks", "16", "--at-once", "3", "--lease", "5"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if found := re.match(r"skipped: (.*)", done.stdout):
        pytest.skip(found[1])
    assert done.returncode == 0, done.stdout + done.stderr
    assert "\nno violation" in done.stdout
    assert "cancelled through another process" in done.stdout
    assert "answered through another one" in done.stdout
