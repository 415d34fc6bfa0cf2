"""One summary on its way: asked for in a way that fits the model, told as it comes, checked when it is there."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import BaseMessage
from langchain_core.runnables import RunnableConfig
from langchain_core.runnables.config import merge_configs
from langgraph.constants import TAG_NOSTREAM
from tenacity import AsyncRetrying, retry_if_exception, stop_after_attempt, stop_before_delay
from tenacity.wait import wait_random_exponential

from ...models.chat import model_name
from ...models.faults import ModelAnswerError, fault_of
from ...models.streaming import Streaming
from ...schema.results import Summary
from ..throttling import AtLeastAsked
from .citations import check_citations
from .condense import Condenser
from .material import Part, count, parts_of, to_write
from .tail import tail
from .text import clean
from .told import Told
from .views import View, plan_tasks, views

ANSWER = 2_000
"""Tokens that are left for the answer, or a quarter of the context if that is less."""

ATTEMPTS = 3
"""Calls for the same answer, where the wire's faults may pass."""

HALVINGS = 2
"""How often less is given to a model whose server says that it is too much."""

BACKOFF = wait_random_exponential(multiplier=0.5, max=6)


@dataclass(slots=True)
class Wire:
    """A model, asked again where its wire's faults may pass."""

    model: BaseChatModel
    config: RunnableConfig
    told: Told
    limit_s: float
    """Seconds within which the last attempt begins."""
    streaming: Streaming = field(init=False)

    def __post_init__(self) -> None:
        self.streaming = Streaming(self.model)

    async def stream(self, messages: list[BaseMessage]) -> str:
        """Tell the model's answer as it comes, and return why it ended.

        Raises:
            ModelAnswerError: there is none, or the server's filter ended it.
            Exception: a fault of the wire that did not pass.
        """
        return await self._patiently(lambda: self._stream(messages))

    async def ask(self, messages: list[BaseMessage]) -> str:
        """Return the model's answer; nobody is told, and LangGraph's stream of messages does not show it."""
        unseen = merge_configs(self.config, {"tags": [TAG_NOSTREAM]})

        async def answer() -> str:
            return (await self.model.ainvoke(messages, unseen)).text

        return await self._patiently(answer)

    async def _stream(self, messages: list[BaseMessage]) -> str:
        self.told.restart("the model's answer broke off, and it was asked again")
        ended = ""
        async for chunk in self.streaming.chunks(self.model, messages, self.config):
            ended = chunk.response_metadata.get("finish_reason") or ended
            self.told.more(chunk.text)
        self.told.end()
        if ended == "content_filter":
            raise ModelAnswerError("it ended the summary", "content_filter")
        if not self.told.text:
            raise ModelAnswerError("it is empty")
        return ended

    async def _patiently(self, call: Callable[[], Awaitable[str]]) -> str:
        """Call, and again where the fault may pass, after as long as the server asks for."""

        def may_pass(error: BaseException) -> bool:
            fault = fault_of(error)
            return fault is not None and fault.is_transient and self.told.may_begin_anew

        strategy = AsyncRetrying(
            stop=stop_after_attempt(ATTEMPTS) | stop_before_delay(self.limit_s),
            wait=AtLeastAsked(BACKOFF),
            retry=retry_if_exception(may_pass),
            reraise=True,
        )

        async def once() -> str:  # tenacity awaits coroutine functions only
            return await call()

        return await strategy(once)


class Writing:
    """One summary on its way."""

    def __init__(
        self,
        wire: Wire,
        facts: Summary,
        results: Mapping[str, Any],
        request: str,
        plan: Mapping[str, Any] | None,
        warnings: Sequence[str],
        context: int,
    ) -> None:
        self.wire = wire
        self.facts = facts
        self.request = request
        self.told_before = warnings
        """Warnings of the run."""
        self.context = context
        self.tasks = views(results, plan)
        self.ids = _exact(self.tasks, results, plan)
        self.parts = parts_of(self.tasks, self.ids, plan)
        self.warnings: list[str] = []
        """Warnings about the summary."""

    async def summary(self) -> Summary:
        """Return the summary with the model's text.

        Raises:
            Exception: the model failed for good.
        """
        for halving in range(HALVINGS + 1):
            try:
                await self._text(self.context >> halving)
                break
            except Exception as error:
                fault = fault_of(error)
                if halving == HALVINGS or fault is None or fault.kind != "context_too_long":
                    raise
        return self._checked()

    def _checked(self) -> Summary:
        """Return the summary, its citations checked, and below the text what it does not say."""
        told = self.wire.told
        found = check_citations(told.text, self.ids.values())
        self.warnings += found.warnings()
        unknown = self.wire.streaming.warning
        if unknown is not None and unknown not in self.told_before:
            self.warnings.append(unknown)
        cited = frozenset(shown for shown, exact in self.ids.items() if exact in found.cited)
        told.append(tail(self.tasks, self.facts, cited, self.told_before))
        about = {"citations": found.cited, "by_model": model_name(self.wire.model)}
        return self.facts.model_copy(update={"text": told.text, **about})

    async def _text(self, context: int) -> None:
        """Have the model write, from what fits into a context of so many tokens."""
        takes_in = context - min(ANSWER, context // 4)
        condenser = Condenser(self.wire.ask, self.request, takes_in)
        room = max(takes_in - count(self._messages((), takes_in)), takes_in // 4)
        fitting = await condenser.fit(self.parts, room)
        self.warnings = condenser.warnings
        ended = await self.wire.stream(self._messages(fitting, takes_in))
        if ended == "length":
            self.warnings.append("the summary ends too early: the model may not write more")

    def _messages(self, parts: Sequence[Part], context: int) -> list[BaseMessage]:
        return to_write(
            parts,
            request=self.request,
            ids=list(self.ids.values()),
            facts=self.facts,
            warnings=self.told_before,
            context=context,
        )


def _exact(tasks: Sequence[View], results: Mapping[str, Any], plan: Mapping[str, Any] | None) -> dict[str, str]:
    """Return the exact ids of tasks by those that they are shown with, which hold no control characters."""
    known = {clean(str(name)): str(name) for name in [*results, *(task.get("id") for task in plan_tasks(plan))]}
    return {task.task_id: known.get(task.task_id, task.task_id) for task in tasks}
