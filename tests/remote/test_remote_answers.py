"""What a person decides in a remote run holds for the question that was asked, and for nothing else."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command

sys.path.insert(0, str(Path(__file__).parent))
from agent_server import AgentServer

from fanwise.graph import build_graph, remote_specialist
from fanwise.graph.again import retry
from fanwise.runs.question_text import about, body
from fanwise.runs.questions import Asked
from fanwise.schema.results import TaskResult

OFTEN = {"max_attempts": 4, "initial_s": 0.01, "jitter": False}
APPROVE = {"decisions": [{"type": "approve"}]}


class Talk:
    """A run with what it asks, one answer after the other, each time as if in another process."""

    def __init__(self, far: Any, task: dict[str, Any]) -> None:
        self.saver = InMemorySaver()
        self.far = far
        self.config: Any = {"configurable": {"thread_id": "talk"}}
        self.given: Any = {"plan": {"tasks": [{"id": "x", "specialist": "far", "retry": OFTEN, **task}]}}
        self.question: Any = None
        self.events: list[Any] = []

    @property
    def graph(self) -> Any:
        """The graph."""
        return build_graph([self.far], checkpointer=self.saver)

    async def go_on(self, answer: Any = None) -> Any:
        """Go on, with an answer to the open question; return the question that is open then, or the task's result."""
        given = self.given if self.question is None else Command(resume={self.question.id: answer})
        async for event in self.graph.astream(given, self.config, stream_mode="custom"):
            self.events.append(event)
        state = await self.graph.aget_state(self.config)
        if not state.interrupts:
            self.question, self.given = None, None
            return state.values["results"]["x"]
        (self.question,) = state.interrupts
        return self.question.value


def test_a_decision_is_not_used_again_and_a_rejection_stands(served: Any) -> None:
    """Of a remote Fanwise run: one attempt, one remote run; `retry` begins a fresh one, which asks anew."""
    far = remote_specialist("far", url=served.url, graph="planned")
    plan = [
        {"id": "w", "specialist": "wait", "input": {"seconds": 0.01}, "review": "before"},
        {"id": "v", "specialist": "wait", "input": {"seconds": 0.01}, "review": "before", "depends_on": ["w"]},
    ]
    talk = Talk(far, {"input": {"plan": {"tasks": plan}}})

    async def work() -> list[Any]:
        first = await talk.go_on()
        second = await talk.go_on(APPROVE)
        failed = await talk.go_on({"decisions": [{"type": "reject", "message": "no"}]})
        await retry(talk.graph, "talk")
        again = await talk.go_on()
        await talk.go_on(APPROVE)
        return [first, second, failed, again, await talk.go_on(APPROVE)]

    first, second, failed, again, done = asyncio.run(work())
    assert (first["task_id"], second["task_id"], again["task_id"]) == ("w", "v", "w")
    where = f"planned at {served.url}"
    assert about(Asked.of(first, task_id="x")) == f"task x asks: its remote run's task w, before it runs ({where})"
    assert body(Asked.of(first), 120, None)[0].startswith("May this task run?")
    paused = [event for event in talk.events if event["type"] == "task_paused"]
    assert [(event["review"], event["remote"]) for event in paused] == [(None, where)] * 4
    assert failed["status"] == "failed" and failed["attempts"] == 1
    assert "v: rejected by a person: no; not done again, since a person has decided in it" in failed["error"]
    assert not [event for event in talk.events if event["type"] == "attempt_failed"]
    assert done["status"] == "succeeded", done["error"]
    place = failed["remote"]
    assert place["moved_from"] == []
    where = f"{served.url}: graph planned, thread {place['thread_id']}, run {place['run_id']}"
    assert str(TaskResult.model_validate(failed).remote) == where
    assert failed["remote"]["thread_id"] != done["remote"]["thread_id"]


def test_a_run_that_fails_behind_an_answer_is_not_gone_on_with() -> None:
    with AgentServer() as server:
        server.question, server.fails_after_answer = {"question": "now?"}, True
        talk = Talk(remote_specialist("far", url=server.url, graph="echo"), {"input": {"x": 1}})

        async def work() -> Any:
            await talk.go_on()
            return await talk.go_on("yes")

        failed = asyncio.run(work())
        assert failed["status"] == "failed" and failed["attempts"] == 1
        assert "the remote run failed: OSError: no disk; not done again" in failed["error"]
        assert [len(runs) for runs in server.runs.values()] == [2]


def test_an_answer_for_a_lost_run_is_not_given_to_the_next() -> None:
    """The server is another one when the answer comes, and knows nothing: the work begins anew, and asks anew."""
    with AgentServer() as server:
        server.question = {"question": "now?", "of": "first"}
        talk = Talk(remote_specialist("far", url=server.url, graph="echo"), {"input": {"x": 1}})
        first = asyncio.run(talk.go_on())
    assert first["question"] == "now?" and "anew" not in first["fanwise_remote"]
    with AgentServer("two", server.port) as server:
        server.question = {"question": "now?", "of": "second"}

        async def rest() -> list[Any]:
            second = await talk.go_on("for the first")
            assert [len(runs) for runs in server.runs.values()] == [1]
            return [second, await talk.go_on("for the second")]

        second, result = asyncio.run(rest())
    assert second["of"] == "second" and second["fanwise_remote"]["anew"] is True
    shown = body(Asked.of(second), 120, None)
    assert shown[0].startswith("! asked again: the run that asked before is lost") and "fanwise_remote" not in str(
        shown
    )
    assert result["output"]["answer"] == ["for the second"], result["error"]
