"""The compiled graph: traced, and each input a run of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

from langchain_core.runnables import RunnableConfig

from ..state import whole_input
from ..tracing.graph import TracedGraph


class Graph(TracedGraph):
    """The graph that `build_graph` makes. Its threads can hold one run after another."""

    def astream(self, input: Any, config: RunnableConfig | None = None, **options: Any) -> AsyncIterator[Any]:
        """Run the graph, and return the iterator of what it streams."""
        return super().astream(whole_input(input), config, **options)

    def stream(self, input: Any, config: RunnableConfig | None = None, **options: Any) -> Iterator[Any]:
        """Run the graph, and return the iterator of what it streams."""
        return super().stream(whole_input(input), config, **options)
