"""The graph that `langgraph.json` names. The server brings its own checkpointer."""

from __future__ import annotations

from fanwise.graph import build_graph

graph = build_graph()
"""Request, workflow or plan in; status, summary, results and metrics out."""
