"""Many branches with faults in a third of them, in small; `benchmarks/faults.py` plays it with 1,000."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).resolve().parent.parent / "benchmarks"


def test_faults_leave_right_statuses_and_nothing_else() -> None:
    """Every task ends in the right status, no limit is exceeded, and no task, thread or file is left open."""
    command = [sys.executable, str(FOLDER / "faults.py"), "--branches", "120", "--seeds", "1"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
