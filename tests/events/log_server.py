"""A real MCP server that serves a log: `log_server.py stdio`, or `streamable-http PORT`.

`LOG` names the file; with `WHOLE` an answer over HTTP is sent when it is there, not as a stream of events.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

from mcp.server.fastmcp import Context, FastMCP


def main() -> None:
    """Serve until the input ends, or for ever."""
    if "PID_FILE" in os.environ:
        Path(os.environ["PID_FILE"]).write_text(str(os.getpid()))
    if os.environ.get("DIES"):
        sys.stderr.write("reading the licence\nno licence found\n")
        raise SystemExit(3)
    lines = Path(os.environ["LOG"]).read_text().splitlines()
    port = int(sys.argv[2]) if len(sys.argv) > 2 else 0
    whole = bool(os.environ.get("WHOLE"))
    server = FastMCP("logs", host="127.0.0.1", port=port, log_level="ERROR", json_response=whole)

    def noted(call: str) -> None:
        with open(os.environ.get("CALLS", os.devnull), "a", encoding="utf-8") as file:
            file.write(call + "\n")

    @server.tool()
    def search_logs(index: str, offset: int = 0, limit: int = 2_000) -> dict[str, Any]:
        """Records, by offset; an index `main` alone."""
        noted(f"search_logs {offset}")
        if index != "main":
            raise ValueError(f"no such index: {index}")
        return {"count": len(lines), "result": {"rows": [json.loads(line) for line in lines[offset : offset + limit]]}}

    @server.tool()
    def read_lines(cursor: str | None = None) -> str:
        """JSON in a text, as older servers answer; by cursor."""
        start = int(cursor or 0)
        end = start + 2_000
        return json.dumps({"lines": lines[start:end], "next": str(end) if end < len(lines) else None})

    @server.tool()
    def tail() -> str:
        """Lines, as they stand in the log."""
        return "\n".join(lines)

    @server.tool()
    def as_list() -> list[dict[str, Any]]:
        """A bare list of records."""
        return [json.loads(line) for line in lines[:50]]

    @server.tool()
    def loop(cursor: str = "a") -> dict[str, Any]:
        """The same cursor again and again."""
        return {"events": [{"ts": "2025-03-04T10:00:00Z", "message": f"{time.time_ns()}"}], "next": "again"}

    @server.tool()
    def deaf(page: int = 1) -> dict[str, Any]:
        """The same page, whichever is asked for."""
        return {"events": [{"ts": "2025-03-04T10:00:00Z", "message": "one"}]}

    @server.tool()
    def weather() -> dict[str, Any]:
        """No events at all."""
        return {"sky": "blue", "wind": 3}

    @server.tool()
    def nothing() -> dict[str, Any]:
        """An empty list."""
        return {"events": []}

    @server.tool()
    def login(token: str) -> str:
        """Fails, and tells what it was given."""
        raise ValueError(f"the token {token} has expired")

    @server.tool()
    def who(context: Context) -> str:  # type: ignore[type-arg]
        """A line with a header of the request."""
        request = context.request_context.request
        return f"2025-03-04T10:00:00Z web-01 {request.headers.get('X-Team') if request else ''}"

    @server.tool()
    def slow(seconds: float) -> str:
        """Takes its time."""
        noted("slow")
        time.sleep(seconds)
        return "2025-03-04T10:00:00Z done"

    @server.tool()
    def die(page: int = 2) -> str:
        """End the server in the middle of a call, unless for the first page."""
        if page == 1:
            return "2025-03-04T10:00:00Z one"
        os._exit(1)

    server.run(sys.argv[1])  # type: ignore[arg-type]


if __name__ == "__main__":
    main()
