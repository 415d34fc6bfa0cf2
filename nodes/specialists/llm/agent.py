"""The agent behind a specialist that works with a model: LangChain's `create_agent`, with the borders all share.

Transient faults of the wire are tried again within the agent, so that its work so far is not lost; calls are limited;
errors and results of tools go back to the model as data; a person approves what the specialist says.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from langchain.agents import create_agent
from langchain.agents.middleware import (
    AgentMiddleware,
    AgentState,
    HumanInTheLoopMiddleware,
    ModelCallLimitMiddleware,
    ModelRetryMiddleware,
    ToolCallRequest,
)
from langchain.agents.middleware.human_in_the_loop import InterruptOnConfig
from langchain.agents.middleware.model_call_limit import ModelCallLimitExceededError
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, ToolMessage
from langchain_core.runnables import RunnableConfig
from langchain_core.tools import BaseTool, ToolException
from langgraph.types import Command
from pydantic import BaseModel

from ....models.faults import ModelAnswerError, fault_of, worth_another_attempt
from ....schema.plan import Task
from ....schema.results import TaskResult
from ...untrusted import RULE, as_data, told_data
from .answering import Answering, schema_of
from .policy import RETRY as RETRY

MAX_MODEL_CALLS = 25
"""Calls of the model in one attempt, unless the specialist says otherwise."""

RESULT_CHARS = 40_000
"""Characters of one result, of a tool or of a dependency, that the model is shown."""

STEPS_PER_CALL = 10
"""Steps of the agent's graph for each call of the model, at most: hooks of middleware, the call, the tools."""


class OutOfCalls(Exception):
    """An agent used up its calls of the model; it would again, so that no further attempt is made."""


@dataclass(frozen=True, slots=True)
class Agent:
    """A prompt, tools and the shape of the answer."""

    name: str
    prompt: str
    """The system prompt; what all agents are told stands behind it."""
    tools: Sequence[BaseTool] = ()
    output: type[BaseModel] | Mapping[str, Any] | None = None
    """A pydantic model or a JSON schema; text if not given."""
    approve: Mapping[str, bool | InterruptOnConfig] | None = None
    """Tools that a person approves, as `HumanInTheLoopMiddleware` takes them."""
    max_model_calls: int = MAX_MODEL_CALLS
    middleware: Sequence[AgentMiddleware[Any, Any, Any]] = ()
    """Further middleware of the specialist's own."""

    async def work(self, model: BaseChatModel, text: str, config: RunnableConfig) -> Any:
        """Return the agent's answer: JSON where it has an output schema, else text.

        Args:
            model: the chat model.
            text: what is to be done, as the user's message; see `task_text`.
            config: the node's configuration: callbacks, thread, checkpoints.

        Raises:
            ModelAnswerError: its answer is empty, or not what was asked for.
            OutOfCalls: it did not come to an answer within its calls.
            Exception: a fault of the wire that did not pass; see `models.faults`.
        """
        return self.answer(await self.run(model, text, config))

    async def run(self, model: BaseChatModel, text: str, config: RunnableConfig) -> dict[str, Any]:
        """Return the agent's state at its end, messages and all; takes and raises the same as `work`."""
        graph: Any = create_agent(
            model,
            list(self.tools),
            system_prompt=f"{self.prompt.strip()}\n\n{RULE}",
            middleware=self._middleware(),
            response_format=schema_of(self.output),  # plain JSON in the state, which every checkpointer takes
            name=self.name,
        )
        steps = STEPS_PER_CALL * (self.max_model_calls + 1)
        try:
            done = await graph.ainvoke({"messages": [("user", text)]}, {**config, "recursion_limit": steps})
        except ModelCallLimitExceededError:
            raise OutOfCalls(f"the model did not come to an answer within {self.max_model_calls} calls") from None
        return dict(done)

    def _middleware(self) -> list[AgentMiddleware[Any, Any, Any]]:
        limit = ModelCallLimitMiddleware(run_limit=self.max_model_calls, exit_behavior="error")
        retry = ModelRetryMiddleware(
            max_retries=2, retry_on=_is_transient, on_failure="error", initial_delay=0.5, max_delay=10.0
        )
        people = [HumanInTheLoopMiddleware(dict(self.approve))] if self.approve else []
        return [limit, Answering(self.output), retry, *self.middleware, *people, ToolBorder()]

    def answer(self, done: Mapping[str, Any]) -> Any:
        """Return what the agent says in its last state.

        Raises:
            ModelAnswerError: it says nothing, or not what was asked for.
        """
        if self.output is not None:
            found = done.get("structured_response")
            if found is None:
                raise ModelAnswerError(f"the model did not come to an answer: {_last_text(done)[:300]!r}")
            if isinstance(self.output, Mapping):
                return found
            return self.output.model_validate(found).model_dump(mode="json")
        text = _last_text(done)
        if not text.strip():
            raise ModelAnswerError("the model's answer is empty")
        return text


class ToolBorder(AgentMiddleware[AgentState[Any], Any, Any]):
    """Puts results of tools to the model as data, and their errors as results that it can react to."""

    async def awrap_tool_call(
        self,
        request: ToolCallRequest,
        handler: Callable[[ToolCallRequest], Awaitable[ToolMessage | Command[Any]]],
    ) -> ToolMessage | Command[Any]:
        """Call the tool, and mark what it says."""
        name = request.tool_call["name"]
        try:
            message = await handler(request)
        except (ToolException, OSError, ValueError) as error:
            text = as_data(f"error of tool {name}", f"{type(error).__name__}: {error}", RESULT_CHARS)
            return ToolMessage(text, tool_call_id=request.tool_call["id"], name=name, status="error")
        if isinstance(message, ToolMessage) and message.status != "error":
            return message.model_copy(update={"content": as_data(f"tool {name}", message.text, RESULT_CHARS)})
        return message


def task_text(task: Task, results: Mapping[str, TaskResult], comment: str = "", previous: Any = None) -> str:
    """Return what a model is told of its task: what to do, the input, the results it needs, a reviewer's comment."""
    parts = [task.description or task.id]
    if task.input:
        parts.append(told_data("the task's input", task.input, RESULT_CHARS))
    return "\n\n".join([*parts, *told_by_others(results, comment, previous)])


def told_by_others(results: Mapping[str, TaskResult], comment: str = "", previous: Any = None) -> list[str]:
    """Return what a model is told of the results that its task needs, and of what a reviewer said, a text for each."""
    parts = []
    for need, result in results.items():
        value = result.output if result.status == "succeeded" else f"no result: {result.status}: {result.error}"
        parts.append(told_data(f"task {need}", value, RESULT_CHARS))
    if comment:
        parts.append(told_data("your last answer", previous, RESULT_CHARS))
        parts.append(f"A reviewer read it and asks for another one: {comment}")
    return parts


def _is_transient(error: Exception) -> bool:
    return worth_another_attempt(error) and (fault := fault_of(error)) is not None and fault.is_transient


def _last_text(done: Mapping[str, Any]) -> str:
    said = [message for message in done.get("messages", ()) if isinstance(message, AIMessage)]
    return said[-1].text if said else ""
