"""MCP servers that runs use: configuration, sessions, calls."""
