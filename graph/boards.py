"""The boards of a process, found by the invocation and the superstep that they serve."""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import copy_context
from typing import Any
from weakref import WeakValueDictionary

from langgraph.runtime import Runtime

from ..schema.progress import ProgressEvent
from .board import Board, Emit, LoadEarlier


class Boards:
    """Makes boards, and finds those that there are."""

    def __init__(self) -> None:
        self._boards: WeakValueDictionary[tuple[int, str], Board] = WeakValueDictionary()

    def find(self, runtime: Runtime[Any], superstep: str) -> Board | None:
        """Return the board of this attempt at this superstep, if there is one.

        `runtime.control` is made anew for each invocation and handed down to sub-graphs; the board holds a reference
        to it, so that its id is not used again while the board lives.
        """
        return self._boards.get((id(runtime.control), superstep))

    def make(
        self, runtime: Runtime[Any], superstep: str, run: Mapping[str, Any], load_earlier: LoadEarlier | None
    ) -> Board:
        """Make the board of this attempt at this superstep; the first branch does."""
        board = Board(runtime.control, run, _emitter(runtime), load_earlier)
        self._boards[id(runtime.control), superstep] = board
        return board


def _emitter(runtime: Runtime[Any]) -> Emit:
    """Return what puts events on the stream of the graph that runs now, whoever calls it later.

    LangGraph's writer looks at the caller's context, which inside a step names the step.
    """
    context, write = copy_context(), runtime.stream_writer

    def emit(event: ProgressEvent) -> None:
        context.copy().run(write, event)

    return emit
