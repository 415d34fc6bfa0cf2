"""Runs that are killed at random moments, as `benchmarks/chaos.py` does it, a few rounds of it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from thorough import examples

SCRIPT = Path(__file__).resolve().parent.parent / "benchmarks" / "chaos.py"


def play(*arguments: str) -> str:
    """Play rounds and return what they print; fail if something was violated."""
    command = [sys.executable, str(SCRIPT), "--tasks", "12", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def address_of_postgres() -> str:
    """The address of a PostgreSQL server for `--db`; skips where there is none."""
    if url := os.environ.get("FANWISE_TEST_POSTGRES"):
        return url
    if shutil.which("initdb") is None and not list(Path("/usr/lib/postgresql").glob("*/bin/initdb")):
        pytest.skip("needs PostgreSQL's server programs (initdb), which are not here")
    return "postgres"


@pytest.mark.slow
def test_killed_runs_go_on_and_no_finished_task_runs_again() -> None:
    """Nothing that was saved starts again or is asked again, and all ends as if undisturbed."""
    rounds = examples(1, 20)
    assert f"{rounds} rounds of 12 tasks on sqlite" in (told := play("--rounds", str(rounds)))
    assert "no violation" in told


@pytest.mark.slow
def test_runs_killed_on_postgres_go_on() -> None:
    """The same holds for runs that are kept in PostgreSQL."""
    assert "no violation" in play("--rounds", "1", "--db", address_of_postgres())


@pytest.mark.slow
def test_a_run_outlives_a_restart_of_its_server() -> None:
    """A run whose PostgreSQL server is restarted waits for it, or stops with a clear error, and goes on."""
    address_of_postgres()
    assert "no violation" in play("--rounds", "1", "--restart-postgres")
