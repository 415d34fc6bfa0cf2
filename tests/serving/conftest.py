"""Makes `mcp_serving` importable for the tests beside it, and a sample log once."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from fanwise.events.sample import write_sample

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a folder of logs in it."""
    folder = tmp_path_factory.mktemp("logs")
    write_sample(str(folder / "shop"), 7)
    return folder
