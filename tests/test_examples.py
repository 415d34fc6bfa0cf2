"""The examples work as their first lines say."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from fanwise.graph import run
from fanwise.state import Plan

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"


@pytest.mark.parametrize("name", ["release.yaml", "dispatcher.json"])
def test_plan_files_run(name: str) -> None:
    """Every plan file is valid and succeeds."""
    assert run(Plan.load(EXAMPLES / name)).status == "succeeded"


def test_a_run_is_stopped_and_goes_on() -> None:
    """The program stops after the first task, and goes on with the others alone."""
    command = [sys.executable, str(EXAMPLES / "own_specialists.py")]
    lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    before, after = lines[: lines.index("stopped; going on")], lines[lines.index("stopped; going on") :]
    assert "task_finished first" in before and "task_started second" not in before
    assert "task_started first" not in after
    assert lines[-1] == "succeeded 9"
