"""Work that begins before its branch is there: while the plan is still being written.

Nothing of it is in the run's state before its branch adopts it; a crash loses the time that it took, and no more.
"""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import json
import time
from collections.abc import Callable, Mapping, Sequence
from contextvars import Context, copy_context
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from langchain_core.runnables import RunnableConfig
from langchain_core.runnables.config import var_child_runnable_config
from langgraph.errors import GraphBubbleUp
from langgraph.runtime import Runtime

from ..reducers.usage import added
from ..schema.propose import Propose
from ..schema.words import listed
from ..tracing.calls import calls_of
from ..tracing.spans import Span
from .account import Account
from .attempt import end_work
from .call import Call, Given, Occasion, to_json
from .conditions import prepared
from .outputs import Outputs, Result
from .review import moment
from .steps import SCRATCHPAD
from .usage import Used, counted

if TYPE_CHECKING:
    from .effort import Worker

SEEN = ("id", "specialist", "title", "description", "depends_on")
"""What a specialist may look at of its task, beside the input."""

PRIVATE = "__pregel_"
"""How LangGraph's own entries of a node's configuration begin; those of the planner's node are not the work's."""

RUNTIME = "__pregel_runtime"
"""The one that holds the runtime."""


def work_key(task: Mapping[str, Any], results: Mapping[str, Result]) -> str:
    """Return what names a piece of work: the same task, with the same input, after the same dependency results."""
    seen = {name: task.get(name) or None for name in SEEN}
    there = {need: (result["status"], result["output"]) for need, result in results.items()}
    text = json.dumps([seen, task.get("input", {}), there], sort_keys=True, default=str)
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()


@dataclass
class Relay:
    """Keeps what work writes to the run's stream until its branch is there."""

    write: Callable[[Any], None] | None = None
    kept: list[Any] = field(default_factory=list)

    def __call__(self, value: Any) -> None:
        """Write a value, or keep it."""
        if self.write is None:
            self.kept.append(value)
        else:
            self.write(value)

    def open(self, write: Callable[[Any], None]) -> None:
        """Write what was kept, and what comes from now on."""
        self.write, kept, self.kept = write, self.kept, []
        for value in kept:
            write(value)


class HeadStart:
    """The first attempt at one task, at work before its branch."""

    def __init__(self, task: Mapping[str, Any], results: Mapping[str, Result], worker: Worker, scene: Scene) -> None:
        self.written = task
        """The task as it was written."""
        self.task = task
        """The same with the input that its references make."""
        self.specialist = worker.specialist
        self.used = Used(prices=worker.prices)
        self.begun = time.monotonic()
        self.begun_at = time.time()
        self.ended: float | None = None
        self.key: str | None = None
        """Names the work; `None` as long as it is not called, or where its input could not be made."""
        self._relay = Relay()
        self._results = results
        context = scene.context.run(copy_context)
        runtime, config = scene.given_to(task, self._relay)
        context.run(var_child_runnable_config.set, config)
        loop = asyncio.get_running_loop()
        work = self._work(worker.call, scene, runtime, config)
        self.work: asyncio.Task[Any] = loop.create_task(work, context=context, name=f"head start: {task['id']}")
        self.work.add_done_callback(self._note_end)

    async def _work(self, call: Call, scene: Scene, runtime: Runtime[Any], config: RunnableConfig) -> Any:
        results = {need: await scene.outputs.whole(result) for need, result in self._results.items()}
        self.task = await prepared(self.task, results, scene.outputs)
        self.key = work_key(self.task, results)
        occasion = Occasion(self.task["id"], scene.place)
        async with Span(config, f"head start: {self.task['id']}", inputs=self.task, tags=("head start",)) as span:
            with counted(self.used), calls_of(self.task["id"], 1):
                output = await call(Given(self.task, results, runtime, span.config, 1, occasion))
            span.ended(output)
        return replace(output, output=to_json(output.output)) if isinstance(output, Propose) else to_json(output)

    def _note_end(self, work: asyncio.Task[Any]) -> None:
        self.ended = time.monotonic()
        if not work.cancelled():
            work.exception()  # seen: the branch that adopts it raises it

    @property
    def is_running(self) -> bool:
        """Whether it is at work."""
        return not self.work.done()

    @property
    def has_succeeded(self) -> bool:
        """Whether it has come to an output."""
        return self.work.done() and not self.work.cancelled() and self.work.exception() is None

    @property
    def took_s(self) -> float:
        """Seconds that it has worked."""
        return (time.monotonic() if self.ended is None else self.ended) - self.begun

    @property
    def ended_at(self) -> float | None:
        """When it came to its end, in seconds since the epoch."""
        return None if self.ended is None else self.begun_at + self.took_s

    def is_of(self, task: Mapping[str, Any], results: Mapping[str, Result]) -> bool:
        """Tell whether it is the work of this task, after these results, and can stand for an attempt at it."""
        if self.key is None or self.key != work_key(task, results):
            return False
        return self.is_running or not (self.work.cancelled() or isinstance(self.work.exception(), GraphBubbleUp))

    def adopt(self, write: Callable[[Any], None]) -> None:
        """Let what it writes go to the run's stream."""
        self._relay.open(write)

    def result(self) -> dict[str, Any]:
        """Return the result that its branch will come to, for work that builds on it."""
        output = self.work.result()
        account = Account(1, moment(self.begun_at), 0.0, self.took_s, usage=self.used.total(), ended_at=self.ended_at)
        return account.result(self.task, "succeeded", output=output.output if isinstance(output, Propose) else output)

    async def discard(self, account: Account, why: str) -> None:
        """End it where its branch has no use for it; what it used is the task's all the same, and said in a warning."""
        await self.end()
        account.usage = added(account.usage, self.used.total())
        account.warnings.append(f"{told_of([self])} was discarded: {why}")

    async def end(self) -> None:
        """End it, waiting a little for it to come to its end."""
        await end_work(self.work)

    def cut(self) -> None:
        """End it without waiting."""
        self.work.cancel()


def told_of(works: Sequence[HeadStart]) -> str:
    """Return what is said of work that was not adopted: which, and what it cost."""
    names = listed([work.task["id"] for work in works])
    tokens = (added(*(work.used.total() for work in works)) or {}).get("total_tokens", 0)
    cost = f" ({tokens:,} tokens)" if tokens else ""
    return f"work that began before the plan was whole, on {names}{cost},"


@dataclass(frozen=True)
class Scene:
    """Where head starts work: what they are given of the run, in place of what a branch has."""

    runtime: Runtime[Any]
    config: RunnableConfig
    outputs: Outputs
    run_id: str
    context: Context = field(default_factory=copy_context)

    @property
    def place(self) -> str:
        """The thread and the run, as a branch's `Occasion` names them."""
        return f"{self.config.get('configurable', {}).get('thread_id', '')}/{self.run_id}"

    def given_to(self, task: Mapping[str, Any], relay: Relay) -> tuple[Runtime[Any], RunnableConfig]:
        """Return a runtime and a configuration that keep the run's callbacks, and nothing of the planner's node."""
        runtime = self.runtime.override(stream_writer=relay)
        own = self.config.get("configurable", {})
        given = {name: value for name, value in own.items() if not name.startswith((PRIVATE, "checkpoint_"))}
        given |= {RUNTIME: runtime, SCRATCHPAD: _unanswered(own[SCRATCHPAD]), "checkpoint_ns": ""}
        told = {"langgraph_node": task["specialist"], "task_id": task["id"], "head_start": True}
        metadata = {**self.config.get("metadata", {}), **told}
        return runtime, {**self.config, "configurable": given, "metadata": metadata}


def _unanswered(scratchpad: Any) -> Any:
    """Return what LangGraph counts a node's questions with, holding no answer: whoever asks stops."""
    return replace(
        scratchpad,
        interrupt_counter=itertools.count().__next__,
        call_counter=itertools.count().__next__,
        subgraph_counter=itertools.count().__next__,
        get_null_resume=lambda consume=False: None,
        resume=[],
    )
