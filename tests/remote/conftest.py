"""One real server for all of these tests: `langgraph dev`, in a process and a folder of its own."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from agent_servers import start, stop

HERE = Path(__file__).parent
DEV = [sys.executable, "-c", "from langgraph_cli.cli import cli; cli()", "dev"]
QUIET = {"LANGGRAPH_CLI_NO_ANALYTICS": "1", "LANGGRAPH_NO_VERSION_CHECK": "true", "LANGSMITH_TRACING": "false"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents and "served" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.timeout(300))  # the first one waits for the server


@dataclass(frozen=True)
class Served:
    """The server, and what it has done."""

    url: str
    notes: Path

    def noted(self, what: str) -> int:
        """Return how often something was written down."""
        return self.notes.read_text().splitlines().count(what)


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server with the graphs of `served/graphs.py`."""
    folder = tmp_path_factory.mktemp("remote") / "served"
    shutil.copytree(HERE / "served", folder, ignore=shutil.ignore_patterns("__pycache__"))
    notes = folder / "notes"
    notes.touch()
    options = ("--no-browser", "--no-reload", "--n-jobs-per-worker", "20")
    server = start(folder, *options, command=DEV, SERVED_NOTES=str(notes), **QUIET)
    yield Served(server.url, notes)
    stop(server)
