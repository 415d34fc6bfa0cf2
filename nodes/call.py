"""Calling a specialist: what it is given, on which thread it runs, what it may return."""

from __future__ import annotations

import asyncio
import contextvars
import dataclasses
import hashlib
import inspect
import json
import threading
from collections.abc import Callable, Coroutine, Mapping
from typing import Any
from uuid import NAMESPACE_OID, uuid5

import pydantic_core
from langchain_core.language_models import BaseLanguageModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.runnables import Runnable, RunnableConfig
from langgraph.runtime import Runtime

from ..events.ending import STOP, Stop
from ..schema.draft import TASK_SYNONYMS
from ..schema.errors import FanwiseError
from ..schema.plan import Task
from ..schema.propose import Propose
from ..schema.results import TaskResult
from .specialist import Specialist, is_runnable
from .untrusted import RULE, as_data

Results = Mapping[str, Mapping[str, Any]]
"""Dependency results as plain dicts, by task id."""


@dataclasses.dataclass(frozen=True, slots=True)
class Occasion:
    """Which of the efforts at a task this is, and what led to it."""

    task_id: str
    place: str
    """The thread and the run."""
    group: int = 0
    """Counts how often a person, or `fanwise retry`, asked for the task to be done again."""
    comment: str = ""
    """What a person said about the last output."""
    previous: Any = None
    """That output."""

    @classmethod
    def of(cls, send: Mapping[str, Any], config: RunnableConfig) -> Occasion:
        """Return the first occasion of a branch."""
        thread = config.get("configurable", {}).get("thread_id", "")
        return cls(send["task"]["id"], f"{thread}/{send['superstep'].split(':')[0]}", send.get("group", 0))

    def again(self, comment: str, previous: Any) -> Occasion:
        """Return the next occasion, asked for with a comment on an output."""
        return dataclasses.replace(self, group=self.group + 1, comment=comment, previous=previous)

    @property
    def idempotency_key(self) -> str:
        """The same for each attempt that stands for the same work: after a failure, after a crash."""
        text = json.dumps([self.place, self.task_id, self.group])
        return hashlib.sha256(text.encode()).hexdigest()[:32]


@dataclasses.dataclass(slots=True)
class Given:
    """What a specialist can be given."""

    task: Mapping[str, Any]
    results: Results
    runtime: Runtime[Any]
    config: RunnableConfig
    attempt: int
    occasion: Occasion

    @property
    def comment(self) -> str:
        """What a person said about the last output."""
        return self.occasion.comment

    @property
    def previous(self) -> Any:
        """The output that the comment is about."""
        return self.occasion.previous

    @property
    def idempotency_key(self) -> str:
        """Names the work to whoever must not do it twice."""
        return self.occasion.idempotency_key


Call = Callable[[Given], Coroutine[Any, Any, Any]]
"""Starts a specialist's work; the coroutine returns its raw output."""

BY_NAME = ("runtime", "config", "attempt", "comment", "previous", "idempotency_key")
"""Parameters that a function gets by their name."""


class OutputError(TypeError):
    """A specialist returned something that is no JSON value."""


def make_call(specialist: Specialist) -> tuple[Call, bool]:
    """Return how to call a specialist, and whether it runs in a thread (and so can't be stopped)."""
    work = specialist.work
    if is_runnable(work):
        return _runnable_call(work), False
    is_async = inspect.iscoroutinefunction(work) or inspect.iscoroutinefunction(getattr(work, "__call__", None))  # noqa: B004 - it is called through __call__
    arguments = _argument_builder(specialist.name, work)
    if is_async:

        async def call_async(given: Given) -> Any:
            try:
                return await work(**arguments(given))
            except SystemExit as stop:
                raise _left(stop) from stop

        return call_async, False

    async def call_in_thread(given: Given) -> Any:
        named = arguments(given)
        outcome = await in_thread(lambda: work(**named), name=f"fanwise-{given.task['id']}")
        return await outcome if inspect.isawaitable(outcome) else outcome

    return call_in_thread, True


def to_json(value: Any) -> Any:
    """Return a specialist's output as a JSON value; numbers that JSON lacks (NaN, infinity) become text.

    Raises:
        OutputError: it is not made of JSON values, pydantic models, dataclasses, dates and the like.
    """
    if value is None or type(value) in (str, int, bool):
        return value
    try:
        return pydantic_core.from_json(pydantic_core.to_json(value, inf_nan_mode="strings"))
    except (ValueError, RecursionError) as error:
        raise OutputError(
            f"the specialist's output, of type {type(value).__name__}, is no JSON value ({error}); "
            "return JSON values, a pydantic model or a dataclass"
        ) from error


def proposed_tasks(proposal: Propose) -> list[Any]:
    """Return the tasks that a specialist proposes, as in a plan.

    Raises:
        OutputError: they are no list of tasks.
    """
    tasks = proposal.tasks
    if isinstance(tasks, str | Mapping) or not all(isinstance(task, Task | Mapping) for task in tasks):
        raise OutputError("Propose(tasks=...) takes a list of tasks, each a `Task` or an object as in a plan file")
    return [
        task.model_dump(mode="json", exclude_unset=True)
        if isinstance(task, Task)
        else to_json({TASK_SYNONYMS.get(str(name), name): value for name, value in task.items()})
        for task in tasks
    ]


def _argument_builder(name: str, work: Callable[..., Any]) -> Callable[[Given], dict[str, Any]]:
    """Match a function's parameters: first the task, then the results; `runtime`, `config` and `attempt` by name."""
    parameters = inspect.signature(work).parameters.values()
    named = tuple(p.name for p in parameters if p.name in BY_NAME)
    usable = [p for p in parameters if p.name not in BY_NAME and p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
    plain = [p.name for p in usable if p.default is p.empty] or [
        p.name for p in usable if p.name in ("task", "results")
    ]
    if len(plain) > 2:
        raise FanwiseError(
            f"specialist {name!r}: its function has {len(plain)} parameters ({', '.join(plain)}); "
            f"it may take (task), (task, results), and {', '.join(BY_NAME)} by name"
        )

    def arguments(given: Given) -> dict[str, Any]:
        values: dict[str, Any] = {key: getattr(given, key) for key in named}
        if plain:
            values[plain[0]] = Task.model_validate(given.task)
        if len(plain) > 1:
            values[plain[1]] = {need: TaskResult.model_validate(result) for need, result in given.results.items()}
        return values

    return arguments


def _runnable_call(work: Runnable[Any, Any]) -> Call:
    async def call_runnable(given: Given) -> Any:
        output = await work.ainvoke(_runnable_input(work, given), _runnable_config(work, given))
        return _message_text(output)

    return call_runnable


def _runnable_config(work: Runnable[Any, Any], given: Given) -> RunnableConfig:
    """Return what a Runnable is called with; a `RemoteGraph` with a thread of its own.

    It would take the run's thread for its own otherwise: all tasks of the run would share one state there.
    """
    if not hasattr(work, "assistant_id"):
        return given.config
    thread = str(uuid5(NAMESPACE_OID, f"{given.idempotency_key}/{given.attempt}"))
    return {**given.config, "configurable": {**given.config.get("configurable", {}), "thread_id": thread}}


def _runnable_input(work: Runnable[Any, Any], given: Given) -> Any:
    """Return what a Runnable is given: its task's own input keys, plus `task`, `results`, `messages` and the like.

    A graph takes the keys that its state has; an agent reads `messages`. A chat model is given the text.
    """
    task, text = given.task, in_words(given.task, given.results, given.occasion)
    if isinstance(work, BaseLanguageModel):
        return text
    own = task.get("input")
    base = {
        "task": {k: task.get(k) for k in ("id", "title", "description", "input")},
        "results": dict(given.results),
        "comment": given.comment,
        "idempotency_key": given.idempotency_key,
    }
    return {**base, "messages": [("user", text)], **(own if isinstance(own, dict) else {})}


def in_words(task: Mapping[str, Any], results: Results, occasion: Occasion) -> str:
    """Return a task in words: what comes from elsewhere stands in it as data, with the rule for that in front."""
    parts = [task[name] for name in ("title", "description") if task.get(name)] or [task["id"]]
    own = len(parts)
    if task.get("input"):
        parts.append(as_data("the task's input", task["input"]))
    for need, result in results.items():
        parts.append(as_data(f"task {need} ({result['status']})", result.get("output")))
    if occasion.comment:
        parts.append(as_data("your last answer", occasion.previous))
        parts.append(f"A reviewer asks for another one: {occasion.comment}")
    if len(parts) > own:
        parts.insert(0, RULE)
    return "\n\n".join(parts)


def _message_text(output: Any) -> Any:
    """Return a message's text in place of the message, so that outputs read as what was said.

    Of an agent's state, which holds nothing but messages and perhaps an answer in a shape, the answer is the output.
    """
    if isinstance(output, BaseMessage):
        return output.text
    if isinstance(output, dict) and output.keys() - {"structured_response"} == {"messages"}:
        if output.get("structured_response") is not None:
            return output["structured_response"]
        said = [message for message in output["messages"] or () if isinstance(message, AIMessage)]
        if said:
            return said[-1].text
    if isinstance(output, dict) and isinstance(messages := output.get("messages"), list):
        return {**output, "messages": [m.text if isinstance(m, BaseMessage) else m for m in messages]}
    return output


def _left(stop: SystemExit) -> RuntimeError:
    """Return the failure of a specialist that tried to end the process."""
    return RuntimeError(f"the specialist called exit({stop.code!r})")


async def in_thread(work: Callable[[], Any], *, name: str) -> Any:
    """Run blocking work on a thread of its own.

    Not in the loop's pool: that has few threads, and a call that outlives its time-out would keep one of them, and the
    end of the process, waiting. Where the caller is cancelled, what the thread asks of a log is interrupted.
    """
    loop = asyncio.get_running_loop()
    future: asyncio.Future[Any] = loop.create_future()
    context, stop = contextvars.copy_context(), Stop()
    context.run(STOP.set, stop)

    def publish(outcome: Any, error: BaseException | None) -> None:
        if future.done():
            return
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(outcome)

    def target() -> None:
        outcome: Any = None
        error: BaseException | None = None
        try:
            outcome = context.run(work)
        except SystemExit as stop:
            error = _left(stop)
        except StopIteration as stop:  # a future can't carry it
            error = RuntimeError(f"the specialist raised StopIteration({stop.value!r})")
        except BaseException as raised:  # handed to whoever awaits it
            error = raised
        try:
            loop.call_soon_threadsafe(publish, outcome, error)
        except RuntimeError:
            pass  # the loop is closed: nobody waits any more

    threading.Thread(target=target, name=name, daemon=True).start()
    try:
        return await future
    except asyncio.CancelledError:
        stop.set()
        raise
