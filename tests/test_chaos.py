"""Runs that are killed at random moments, as `benchmarks/chaos.py` does it, a few rounds of it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parent.parent / "benchmarks" / "chaos.py"


@pytest.mark.slow
def test_killed_runs_go_on_and_no_finished_task_runs_again() -> None:
    """No task that was saved starts again, each result is its own task's, and all ends as if undisturbed."""
    done = subprocess.run([sys.executable, str(SCRIPT), "--rounds", "3"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "no violation" in done.stdout
