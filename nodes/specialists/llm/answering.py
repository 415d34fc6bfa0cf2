"""The form of an agent's answer: how the model is asked for it, how it is read, and what it is told of a mistake.

A model whose answer is not what was asked for gets it back once, with what is wrong, inside the agent: its work so far
is not lost. What a server does not take (a JSON schema, tool calls) is asked for in the next best way.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, cast

import jsonschema
from langchain.agents.middleware import AgentMiddleware, AgentState
from langchain.agents.middleware.types import ModelRequest, ModelResponse
from langchain.agents.structured_output import StructuredOutputError, ToolStrategy
from langchain_core.messages import AIMessage, AnyMessage, BaseMessage, HumanMessage, SystemMessage, ToolMessage
from pydantic import BaseModel, ValidationError

from ....models.chat import model_name
from ....models.faults import ModelAnswerError, fault_of
from ....models.structured import in_words, is_unsupported, read_json
from ....schema.words import path_text

Way = Literal["best", "function_calling", "plain"]
"""How a model is asked for JSON: as LangChain finds best, by a tool call, in words."""

WAYS: tuple[Way, ...] = ("best", "function_calling", "plain")

Shape = type[BaseModel] | Mapping[str, Any]
"""A pydantic model or a JSON schema."""

Handler = Callable[[ModelRequest[Any]], Awaitable[ModelResponse[Any]]]

TOLD = 1_000
"""Characters of a mistake that are told."""

_refused: dict[tuple[str, str], int] = {}
"""How many of the ways a server's model does not take, by its name and address: they are not tried again."""


@dataclass(frozen=True, slots=True)
class Mistake:
    """What is wrong with an answer."""

    why: str
    said: tuple[BaseMessage, ...] = ()
    """The answer, and what is said to its tool calls; what is wrong stands in there or is said behind it."""
    is_told: bool = False
    """Whether `said` tells it already."""

    def messages(self) -> list[BaseMessage]:
        """Return what the model is told when it is asked again."""
        if self.is_told:
            return list(self.said)
        return [*self.said, HumanMessage(f"Your answer can't be used: {self.why}\nGive the whole answer again.")]


def schema_of(shape: Shape | None) -> dict[str, Any] | None:
    """Return the JSON schema of an answer; the agent's state then holds plain JSON, whatever its shape is."""
    if shape is None:
        return None
    return dict(shape) if isinstance(shape, Mapping) else shape.model_json_schema()


class Answering(AgentMiddleware[AgentState[Any], Any, Any]):
    """Sees to it that an answer is what was asked for."""

    def __init__(self, shape: Shape | None) -> None:
        super().__init__()
        self._shape = shape
        self._schema = schema_of(shape)
        self._has_corrected = False

    async def awrap_model_call(self, request: ModelRequest[Any], handler: Handler) -> ModelResponse[Any]:
        """Ask, and ask once more where the answer will not do.

        Raises:
            ModelAnswerError: it will not do again, or the model refuses.
        """
        found = await self._tried(request, handler)
        if isinstance(found, Mistake) and not self._has_corrected:
            self._has_corrected = True
            more = cast("list[AnyMessage]", found.messages())
            again = request.override(messages=[*request.messages, *more])
            found = await self._tried(again, handler)
        if isinstance(found, Mistake):
            raise ModelAnswerError(f"the model did not come to an answer that can be used: {found.why}")
        return found

    async def _tried(self, request: ModelRequest[Any], handler: Handler) -> ModelResponse[Any] | Mistake:
        """Ask in the best way that the server takes."""
        server = _server_of(request.model)
        while True:
            skipped = _refused.get(server, 0)
            try:
                return self._read(await handler(self._asked(request, WAYS[skipped])))
            except StructuredOutputError as error:
                return self._in_words(error.ai_message, str(error))
            except json.JSONDecodeError as error:  # of a client that reads tool calls itself; what was said is lost
                return Mistake(f"the arguments of a tool call are no JSON ({error}); write them as one JSON object")
            except Exception as error:
                if self._schema is None or skipped + 1 == len(WAYS) or not is_unsupported(error, fault_of(error)):
                    raise
                _refused[server] = max(skipped + 1, _refused.get(server, 0))

    def _asked(self, request: ModelRequest[Any], way: Way) -> ModelRequest[Any]:
        if self._schema is None or way == "best":
            return request
        if way == "function_calling":
            return request.override(response_format=ToolStrategy(self._schema))
        system = request.system_message.text if request.system_message else ""
        told = f"{system}\n\nOnce you have the answer: {in_words(self._schema)}".strip()
        return request.override(response_format=None, system_message=SystemMessage(told))

    def _read(self, response: ModelResponse[Any]) -> ModelResponse[Any] | Mistake:
        message = next((item for item in response.result if isinstance(item, AIMessage)), None)
        if message is None:
            return response
        if refusal := message.additional_kwargs.get("refusal"):
            raise _refusal(refusal)
        if message.invalid_tool_calls:
            return _broken_calls(message)
        if response.structured_response is not None:
            why = self._misfit(response.structured_response)
            return _told_of(response, why) if why else response
        if message.tool_calls:
            return response
        if self._schema is None:
            return response if message.text.strip() else Mistake("it is empty")
        return self._in_words(message, "it is no JSON of the schema that was asked for")

    def _in_words(self, message: AIMessage, why: str) -> ModelResponse[Any] | Mistake:
        """Read an answer that stands in words, where it was to come in another form."""
        if refusal := message.additional_kwargs.get("refusal"):
            raise _refusal(refusal)
        try:
            value = read_json(message.text)
            wrong = self._misfit(value)
        except ModelAnswerError as error:
            wrong = f"{why[:TOLD]} ({error})"
        if not wrong:
            return ModelResponse(result=[message], structured_response=value)
        return Mistake(wrong, (message,) if message.text.strip() else ())

    def _misfit(self, value: Any) -> str:
        """Return what an answer lacks of its shape, or nothing."""
        if isinstance(self._shape, Mapping):
            validator = jsonschema.Draft202012Validator(dict(self._shape))
            found = jsonschema.exceptions.best_match(validator.iter_errors(value))
            return "" if found is None else f"{path_text(found.absolute_path) or 'as a whole'}: {found.message}"[:TOLD]
        if self._shape is None:
            return ""
        try:
            self._shape.model_validate(value)
        except ValidationError as error:
            told = [f"{path_text(item['loc']) or 'as a whole'}: {item['msg']}" for item in error.errors()[:5]]
            return "; ".join(told)[:TOLD]
        return ""


def _refusal(text: Any) -> ModelAnswerError:
    return ModelAnswerError(f"the model refuses: {str(text)[:TOLD]}", "content_filter")


def _broken_calls(message: AIMessage) -> Mistake:
    """Return what a model is told whose tool calls can't be read: each call is answered, and none is made."""
    names = ", ".join(call.get("name") or "?" for call in message.invalid_tool_calls)
    why = f"the arguments of its call of {names} are no JSON"
    told = f"Nothing was called: {why}. Write them as one JSON object, and make all calls again."
    calls = [*message.tool_calls, *message.invalid_tool_calls]
    answers = [
        ToolMessage(told, tool_call_id=str(call["id"]), name=call.get("name") or "?", status="error") for call in calls
    ]
    return Mistake(why, (message, *answers), is_told=True)


def _told_of(response: ModelResponse[Any], why: str) -> Mistake:
    """Return a mistake in an answer; where it came by a tool call, that call is answered with it."""
    told = f"Your answer can't be used: {why}. Give the whole answer again."
    said: list[BaseMessage] = [
        item.model_copy(update={"content": told, "status": "error"}) if isinstance(item, ToolMessage) else item
        for item in response.result
    ]
    return Mistake(why, tuple(said), is_told=any(isinstance(item, ToolMessage) for item in said))


def _server_of(model: Any) -> tuple[str, str]:
    address = getattr(model, "openai_api_base", None) or getattr(model, "base_url", None) or ""
    return model_name(model), f"{type(model).__name__} {address}"
