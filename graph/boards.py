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

    def board(self, runtime: Runtime[Any], send: Mapping[str, Any], load_earlier: LoadEarlier | None) -> Board:
        """Return the board of this attempt at this superstep; the first branch makes it.

        `runtime.control` is made anew for each invocation and handed down to sub-graphs; the board holds a reference
        to it, so that its id is not used again while the board lives.
        """
        key = (id(runtime.control), send["superstep"])
        board = self._boards.get(key)
        if board is None:
            board = self._boards[key] = Board(runtime.control, send["run"], _emitter(runtime), load_earlier)
        return board


def _emitter(runtime: Runtime[Any]) -> Emit:
    """Return what puts events on the stream of the graph that runs now, whoever calls it later.

    LangGraph's writer looks at the caller's context, which inside a step names the step.
    """
    context, write = copy_context(), runtime.stream_writer

    def emit(event: ProgressEvent) -> None:
        context.copy().run(write, event)

    return emit
