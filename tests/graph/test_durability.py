"""The graph's suite once more, with LangGraph's other durabilities and its strict serializer."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from thorough import THOROUGH

SUITES = ("test_graph.py", "test_again.py", "test_outputs.py", "test_reviews.py")


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["sync", "exit"])
def test_the_suite_holds_with_every_durability_and_strict_msgpack(mode: str) -> None:
    """Nothing that a graph saves needs more than plain data, or is saved at one moment only.

    On the checkpointers that the command uses. With `exit`, a run has one checkpoint, and none before its end: it
    can't be forked at an earlier one.
    """
    folder = Path(__file__).parent
    suites = [str(folder / name) for name in SUITES if (folder / name).exists()]
    every = "fanwise or postgres" if THOROUGH else "fanwise"
    chosen = every if mode == "sync" else "fanwise and not fork"
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "-k", chosen, *suites],
        env={**os.environ, "FANWISE_TEST_DURABILITY": mode, "LANGGRAPH_STRICT_MSGPACK": "true"},
        cwd=folder.parent.parent,
        capture_output=True,
        text=True,
        timeout=110,
    )
    assert done.returncode == 0, done.stdout[-4000:]
