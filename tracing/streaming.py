"""What goes on a run's stream only where it is asked for: the text of specialists' models, and whole results.

Ask with `{"configurable": {"stream_text": True, "stream_results": True}}`, or, in the same process, with `streaming`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Literal, TypeVar
from uuid import UUID

from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.tracers._streaming import _StreamingCallbackHandler  # what lets models stream that are invoked
from langchain_core.tracers.context import register_configure_hook

from ..schema.progress import ProgressEvent, TaskText

T = TypeVar("T")

Wish = Literal["text", "results"]

_WISHES: ContextVar[frozenset[str]] = ContextVar("fanwise_streaming", default=frozenset())


@contextmanager
def streaming(*wishes: Wish) -> Iterator[None]:
    """Put these on the streams of runs that begin inside, too."""
    token = _WISHES.set(frozenset(wishes))
    try:
        yield
    finally:
        _WISHES.reset(token)


def wants(config: Mapping[str, Any], wish: Wish) -> bool:
    """Tell whether something is asked for."""
    return wish in _WISHES.get() or bool((config.get("configurable") or {}).get(f"stream_{wish}"))


class TextHandler(BaseCallbackHandler, _StreamingCallbackHandler[Any]):  # as LangGraph's handler of `messages`
    """Tells each piece of a model's text."""

    run_inline = True

    def __init__(self, tell: Callable[[str], None]) -> None:
        self._tell = tell

    def on_llm_new_token(self, token: Any, *, run_id: UUID, **told: Any) -> None:
        """Take a piece."""
        if isinstance(token, str) and token:
            self._tell(token)

    def tap_output_aiter(self, run_id: UUID, output: AsyncIterator[T]) -> AsyncIterator[T]:
        """Leave a stream as it is."""
        return output

    def tap_output_iter(self, run_id: UUID, output: Iterator[T]) -> Iterator[T]:
        """Leave a stream as it is."""
        return output


_HANDLER: ContextVar[TextHandler | None] = ContextVar("fanwise_text_handler", default=None)
register_configure_hook(_HANDLER, inheritable=True)


@dataclass(frozen=True, slots=True)
class Teller:
    """Puts what an attempt tells on its run's stream."""

    task_id: str
    attempt: int
    emit: Callable[[ProgressEvent], None]
    wants_text: bool
    """Whether text is asked for."""

    def text(self, text: str) -> None:
        """Tell a piece of a model's text."""
        self.emit(TaskText(type="task_text", task_id=self.task_id, attempt=self.attempt, text=text))


_TELLER: ContextVar[Teller | None] = ContextVar("fanwise_teller", default=None)


def teller() -> Teller | None:
    """Return what a specialist at work tells its run's stream by; `None` where there is none."""
    return _TELLER.get()


@contextmanager
def text_of(
    config: Mapping[str, Any], task_id: str, attempt: int, emit: Callable[[ProgressEvent], None]
) -> Iterator[None]:
    """Put what the work inside tells on the run's stream, and the text of models, if it is asked for."""
    tells = Teller(task_id, attempt, emit, wants(config, "text"))
    token = _TELLER.set(tells)
    handler = _HANDLER.set(TextHandler(tells.text) if tells.wants_text else _HANDLER.get())
    try:
        yield
    finally:
        _HANDLER.reset(handler)
        _TELLER.reset(token)
