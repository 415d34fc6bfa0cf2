"""Logs that clients of the MCP server name: source files, which start programs, are none of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from fanwise.schema.errors import EventsError
from fanwise.serving.mcp_events import EventLogs


def test_a_source_file_below_the_root_is_refused(tmp_path: Path) -> None:
    """By its name, by a link to it, and an address too; a log beside it is read, and the server's own source."""
    source, own = tmp_path / "logs" / "shop.events.yaml", str(tmp_path / "own.events.yaml")
    source.parent.mkdir()
    source.write_text("mcp: {server: {command: touch, args: [x]}, tool: x}\n")
    (tmp_path / "logs" / "app.log").symlink_to(source)
    (tmp_path / "logs" / "plain.log").write_text("2025-03-04T10:00:00Z x\n")
    logs = EventLogs(own, tmp_path / "logs")
    for named in ("shop.events.yaml", str(source), "app.log", "./shop.events.yaml", "shop.events.json", "splunk://x"):
        with pytest.raises(EventsError, match="may not be read here"):
            logs.allowed(named)
    assert logs.allowed("plain.log") == str(tmp_path / "logs" / "plain.log")
    assert logs.allowed(None) == logs.allowed(own) == own
