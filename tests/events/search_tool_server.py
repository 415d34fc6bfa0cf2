"""A real MCP server whose tool runs searches, by the stand-in for Splunk: `search_tool_server.py PORT`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from mcp.server.fastmcp import FastMCP

sys.path.insert(0, str(Path(__file__).parents[1]))
import splunk_spl
from splunk_events import as_splunk, shop
from splunk_server import SearchJob, Splunk


def main() -> None:
    """Serve for ever."""
    splunk = Splunk(map(as_splunk, shop()))
    server = FastMCP("splunk", host="127.0.0.1", port=int(sys.argv[1]), log_level="ERROR")

    @server.tool()
    def run_splunk_query(
        query: str, earliest_time: str = "-24h", latest_time: str = "now", row_limit: int = 100
    ) -> dict[str, Any]:
        """Run a search; as many rows as were asked for, the first."""
        job = SearchJob("tool", query, {"earliest_time": earliest_time, "latest_time": latest_time}, 0.0)
        splunk.run(job)
        rows = [{name: value for name, value in row.items() if value is not None} for row in job.rows or []]
        shown = [{name: _told(value) for name, value in row.items()} for row in rows[:row_limit]]
        return {"results": shown, "total_rows": len(shown)}

    server.run("streamable-http")


def _told(value: Any) -> Any:
    return [splunk_spl.text(item) for item in value] if isinstance(value, list) else splunk_spl.text(value)


if __name__ == "__main__":
    main()
