"""Events that a tool of an MCP server returns."""
