"""A chat model's answer, piece by piece: whole, or else an error; and with the tokens that it used, where it tells."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessageChunk
from langchain_core.runnables import Runnable, RunnableConfig

from .chat import model_name
from .faults import ModelAnswerError, fault_of


@dataclass
class Streaming:
    """Reads a model's streams."""

    model: BaseChatModel
    told_nothing: bool = field(default=False, init=False)
    """Whether an answer came without the tokens that it used."""
    _asks: bool = field(init=False)
    """Whether the server is asked to count: LangChain leaves that out where the server is not OpenAI's own."""

    def __post_init__(self) -> None:
        self._asks = getattr(self.model, "stream_usage", True) is None

    @property
    def warning(self) -> str | None:
        """What a person should know of what was used; `None` where all was told."""
        if not self.told_nothing:
            return None
        return f"the server of the model {model_name(self.model)} does not tell the tokens of its streams: not counted"

    async def chunks(
        self, asked: Runnable[Any, Any], messages: Any, config: RunnableConfig | None = None
    ) -> AsyncIterator[AIMessageChunk]:
        """Yield the chunks of an answer.

        Args:
            asked: the model, or what it is bound in.
            messages: what it is asked.
            config: callbacks, tags, metadata.

        Raises:
            ModelAnswerError: the answer broke off, although its connection was closed in order.
            Exception: whatever the provider's client raises; see `faults`.
        """
        while True:
            begun = False
            try:
                async for chunk in self._whole(asked, messages, config):
                    begun = True
                    yield chunk
                return
            except Exception as error:
                if begun or not (self._asks and _is_about_usage(error)):
                    raise
                self._asks = False

    async def _whole(
        self, asked: Runnable[Any, Any], messages: Any, config: RunnableConfig | None
    ) -> AsyncIterator[AIMessageChunk]:
        more = {"stream_usage": True} if self._asks else {}
        says_why: bool | None = None
        ended, told = False, False
        try:
            async for chunk in asked.astream(messages, config, **more):
                if not isinstance(chunk, AIMessageChunk):
                    continue
                known = chunk.response_metadata
                if says_why is None and known:
                    says_why = _gives_reasons(known)
                told = told or chunk.usage_metadata is not None
                ended = ended or told or bool(known.get("finish_reason"))
                yield chunk
        except ValueError as error:  # the client could not put half an answer together
            if not says_why or ended or fault_of(error) is not None:
                raise
            raise _cut_off() from error
        if says_why and not ended:
            raise _cut_off()
        self.told_nothing = self.told_nothing or not told


def _gives_reasons(first: Mapping[str, Any]) -> bool:
    """Tell from what is known of a stream's beginning whether its end comes with a reason.

    That is so for OpenAI's chat completions; its other protocol has an `id` here, and no reasons.
    """
    return first.get("model_provider") == "openai" and "id" not in first


def _cut_off() -> ModelAnswerError:
    return ModelAnswerError("it came without a reason for its end", "cut_off")


def _is_about_usage(error: Exception) -> bool:
    """Tell whether a server refuses to be asked for the tokens of a stream."""
    fault = fault_of(error)
    said = str(error).lower()
    return fault is not None and fault.kind == "refused" and ("stream_options" in said or "include_usage" in said)
