"""Shared by all tests."""

from __future__ import annotations

from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
OF_PROCESSES = ("cli", "remote", "serving", "studio", "timeline")
"""Folders whose tests start servers, terminals, browsers."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let tests that wait for other processes try once more: a machine may be too busy for the first time.

    What failed and then passed is counted apart ("rerun") and shown with `-rR`.
    """
    for item in items:
        folder = item.path.relative_to(HERE).parts[0] if HERE in item.path.parents else ""
        if item.get_closest_marker("slow") or folder in OF_PROCESSES:
            item.add_marker(pytest.mark.flaky(reruns=1))


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of facts made elsewhere; tests that need it skip where it is absent."""
    folder = ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("needs ../shared/data, which is not here")
    return folder
