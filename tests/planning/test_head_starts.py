"""Tasks that begin while the plan is still being written, and are adopted by their branches."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langgraph.runtime import RunControl
from langgraph.types import interrupt
from openai_server import OpenAIServer, Say
from planning_graph import FILLER, answer, graph_of

from fanwise.graph import report_usage, specialist
from fanwise.state import FanwiseError, PlanError, Retry, RunContext

SLOW = 100.0
"""Tokens that the server writes in a second; the filler takes it about one."""


class Log:
    """What a specialist did, and when."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.cancelled: list[str] = []
        self.at: dict[str, float] = {}
        self.keys: dict[str, list[str]] = {}
        self.live = self.most = 0


def probe(log: Log, name: str = "probe", *, pure: bool = True, fails: int = 0, **options: Any) -> Any:
    """Return a specialist that notes its calls; it sleeps as long as its input says."""

    @specialist(name, description="Looks", pure=pure, **options)
    async def work(task: Any, results: Any, idempotency_key: str) -> Any:
        log.calls.append(task.id)
        log.at.setdefault(task.id, time.monotonic())
        log.keys.setdefault(task.id, []).append(idempotency_key)
        log.live += 1
        log.most = max(log.most, log.live)
        try:
            report_usage(input_tokens=7, output_tokens=3)
            again = log.calls.count(task.id) > 1
            await asyncio.sleep(0 if again and task.input.get("once") else task.input.get("seconds", 0.0))
            if log.calls.count(task.id) <= fails:
                raise OSError("not yet")
            return {"of": task.id, "saw": {need: result.output for need, result in results.items()}}
        except asyncio.CancelledError:
            log.cancelled.append(task.id)
            raise
        finally:
            log.live -= 1

    return work


async def run(graph: Any, given: Any, config: Any = None, **options: Any) -> tuple[Any, list[Any]]:
    """Run a graph; return what it ends with, and its events."""
    events: list[Any] = []
    out: Any = None
    async for mode, value in graph.astream(given, config, stream_mode=["custom", "values"], **options):
        if mode == "custom":
            events.append(value)
        else:
            out = value
    return out, events


def leftovers() -> list[str]:
    """Return the names of head starts that are still at work."""
    return [task.get_name() for task in asyncio.all_tasks() if task.get_name().startswith("head start")]


def serve(*tasks: Any, **options: Any) -> OpenAIServer:
    return OpenAIServer([Say(answer(*tasks), tokens_per_s=SLOW)], **options)


@pytest.fixture(scope="module", autouse=True)
def warm() -> None:
    """Import and connect once, so that streams are read as they come."""
    with OpenAIServer([Say(answer(reply="Hello."))]) as server:
        asyncio.run(graph_of(server).ainvoke({"request": "hi"}))


def test_a_pure_task_begins_while_the_plan_is_written_and_counts_once() -> None:
    """It is called once, its times are true, its tokens counted once, and no event comes before the plan."""
    log = Log()
    first = {"id": "a", "specialist": "probe", "input": {"seconds": 0.3}}
    second = {"id": "b", "specialist": "probe", "depends_on": ["a"]}
    with serve(first, second, FILLER) as server:
        graph = graph_of(server, [probe(log)], checkpointer=InMemorySaver())

        async def scenario() -> None:
            out, events = await run(graph, {"request": "look"}, {"configurable": {"thread_id": "t"}})
            assert out["status"] == "succeeded"
            assert log.calls == ["a", "b"]
            assert out["results"]["b"]["output"]["saw"] == {"a": {"of": "a", "saw": {}}}
            assert out["results"]["a"]["usage"]["total_tokens"] == 10
            assert out["metrics"]["usage_by"]["probe"]["total_tokens"] == 20
            assert out["metrics"]["usage_by"]["planner"]["total_tokens"] > 0
            assert next(event["type"] for event in events) == "run_started"
            ahead = {e["task_id"]: e["ahead_s"] for e in events if e["type"] == "task_started" and "ahead_s" in e}
            assert set(ahead) >= {"a", "b"} and ahead["a"] > 0.5
            a, b = out["results"]["a"], out["results"]["b"]
            assert 0.25 < a["duration_s"] < 0.6
            took = datetime.fromisoformat(a["finished_at"]) - datetime.fromisoformat(a["started_at"])
            assert took.total_seconds() == pytest.approx(a["duration_s"], abs=0.05)
            assert b["started_at"] >= a["finished_at"][:22]
            assert out["metrics"]["makespan_s"] > 0.3
            assert not leftovers() and not out["warnings"]

        asyncio.run(scenario())
    assert log.keys["a"] == [log.keys["a"][0]]


def test_the_branch_waits_for_work_that_is_not_over_yet() -> None:
    """It is adopted in its middle, and its time-out counts from its true start."""
    log = Log()
    task = {"id": "a", "specialist": "probe", "input": {"seconds": 2.0}}
    with serve(task, FILLER) as server:
        graph = graph_of(server, [probe(log)])

        async def scenario() -> None:
            begun = time.monotonic()
            out, _ = await run(graph, {"request": "look"}, context=RunContext(timeout_s=1.7))
            assert out["results"]["a"]["status"] == "timed_out"
            assert out["results"]["a"]["duration_s"] == pytest.approx(1.7, abs=0.2)
            assert log.cancelled == ["a"]
            assert time.monotonic() - begun < 3.5
            assert not leftovers()

        asyncio.run(scenario())


def test_a_work_that_took_too_long_before_its_branch_has_timed_out() -> None:
    """That nobody was there to end it makes no difference."""
    log = Log()
    with serve({"id": "a", "specialist": "probe", "input": {"seconds": 0.5}}, FILLER) as server:
        graph = graph_of(server, [probe(log)])
        out = asyncio.run(graph.ainvoke({"request": "look"}, context=RunContext(timeout_s=0.2)))
    assert out["results"]["a"]["status"] == "timed_out"
    assert log.calls == ["a"]


def test_a_failure_ahead_is_a_failed_attempt_and_is_tried_again() -> None:
    """The specialist's own retries are the task's, where nobody says anything."""
    log = Log()
    retrying = probe(log, fails=1, retry=Retry(max_attempts=2, initial_s=0.01))
    with serve({"id": "a", "specialist": "probe"}, FILLER) as server:
        graph = graph_of(server, [retrying])

        async def scenario() -> None:
            out, events = await run(graph, {"request": "look"})
            assert out["results"]["a"]["status"] == "succeeded"
            assert out["results"]["a"]["attempts"] == 2
            assert out["results"]["a"]["usage"]["total_tokens"] == 20
            assert [e["attempt"] for e in events if e["type"] == "task_started" and e["task_id"] == "a"] == [1, 2]
            assert [e["error"] for e in events if e["type"] == "attempt_failed"] == ["OSError: not yet"]

        asyncio.run(scenario())
    assert log.calls == ["a", "a"]
    assert len(set(log.keys["a"])) == 1, "a retry is the same work"


def test_what_a_repair_changed_is_not_mistaken() -> None:
    """The first answer is refused for another task; the second one gives the first task another input."""
    log = Log()
    before = answer({"id": "a", "specialist": "probe", "input": {"n": 1}}, {"id": "bad", "specialist": "nobody"})
    after = answer({"id": "a", "specialist": "probe", "input": {"n": 2}}, {"id": "c", "specialist": "probe"})
    with OpenAIServer([Say(before), Say(after)]) as server:
        graph = graph_of(server, [probe(log)])
        out = asyncio.run(graph.ainvoke({"request": "look"}))
    assert out["results"]["a"]["status"] == "succeeded"
    assert log.calls.count("a") == 2 and log.calls.count("c") == 1
    assert out["results"]["a"]["attempts"] == 1
    assert any("whole, on a (10 tokens), was discarded" in text for text in out["warnings"])
    assert out["metrics"]["usage_by"]["probe"]["total_tokens"] == 30


def test_only_pure_work_begins_early_and_no_more_than_may_run() -> None:
    """Side effects wait for the plan; max_parallel holds."""
    log, other = Log(), Log()
    tasks = [{"id": f"a{n}", "specialist": "probe", "input": {"seconds": 0.2}} for n in range(5)]
    effect = {"id": "effect", "specialist": "effect"}
    with serve(effect, *tasks, FILLER) as server:
        graph = graph_of(server, [probe(log), probe(other, "effect", pure=False)])

        async def scenario() -> None:
            out, events = await run(graph, {"request": "look"}, context=RunContext(max_parallel=2))
            assert out["status"] == "succeeded"
            ahead = {e["task_id"] for e in events if e.get("ahead_s")}
            assert "effect" not in ahead and ahead
            assert log.most <= 2
            assert sorted(log.calls) == [f"a{n}" for n in range(5)]

        asyncio.run(scenario())


@pytest.mark.parametrize("why", ["review", "invoke", "max_concurrency", "rates"])
def test_nothing_begins_early_where_it_may_not(why: str) -> None:
    """Where a person looks at the plan first, or the run's limits can't be held."""
    log = Log()
    name = f"probe_{why}"  # rates hold for all runs of a process
    defaults = {"rates": {name: {"starts_per_s": 1000}}} if why == "rates" else {}
    with serve({"id": "a", "specialist": name}, FILLER) as server:
        graph = graph_of(server, [probe(log, name)], checkpointer=InMemorySaver(), defaults=defaults)
        config: Any = {"configurable": {"thread_id": "t"}}
        began = time.monotonic()
        if why == "invoke":
            graph.invoke({"request": "look"}, config)
        elif why == "max_concurrency":
            asyncio.run(graph.ainvoke({"request": "look"}, {**config, "max_concurrency": 4}))
        else:
            context = RunContext(review="plan") if why == "review" else None
            asyncio.run(graph.ainvoke({"request": "look"}, config, context=context))
    if why == "review":
        assert log.calls == []
    else:
        assert log.at["a"] - began > 0.8


async def until(is_so: Callable[[], bool]) -> None:
    """Wait until something is so."""
    async with asyncio.timeout(20):
        while not is_so():  # noqa: ASYNC110 - the work knows of no event
            await asyncio.sleep(0.01)


def test_a_run_whose_plan_is_refused_leaves_nothing_at_work() -> None:
    """What began is ended before the error is raised."""
    log = Log()
    slow = {"id": "a", "specialist": "probe", "input": {"seconds": 30}}
    lost = {"id": "b", "specialist": "nobody"}
    with OpenAIServer([Say(answer(slow, lost)), Say("who are you", status=401)]) as server:
        graph = graph_of(server, [probe(log)])

        async def scenario() -> None:
            with pytest.raises(FanwiseError, match="key"):
                await graph.ainvoke({"request": "look"})
            assert log.calls == log.cancelled == ["a"] and not leftovers()

        asyncio.run(scenario())


def test_a_run_that_is_cancelled_while_it_plans_leaves_nothing_at_work() -> None:
    """What began is ended with the planner."""
    log = Log()
    with serve({"id": "a", "specialist": "probe", "input": {"seconds": 30}}, FILLER) as server:
        graph = graph_of(server, [probe(log)])

        async def scenario() -> None:
            going = asyncio.ensure_future(graph.ainvoke({"request": "look"}))
            await until(lambda: bool(log.calls))
            going.cancel()
            with pytest.raises(asyncio.CancelledError):
                await going
            await until(lambda: not leftovers())
            assert log.cancelled == ["a"]

        asyncio.run(scenario())


def test_a_run_that_drains_before_its_branches_ends_what_began() -> None:
    """Going on with it begins anew; a crash or a stop in between loses only time."""
    log = Log()
    slow = {"id": "a", "specialist": "probe", "input": {"seconds": 30, "once": True}}
    with serve(slow, FILLER) as server:
        graph = graph_of(server, [probe(log)], checkpointer=InMemorySaver())
        config: Any = {"configurable": {"thread_id": "t"}}

        async def scenario() -> None:
            control = RunControl()

            async def drain() -> None:
                await until(lambda: bool(log.calls))
                control.request_drain()

            with pytest.raises(Exception, match="drain"):
                await asyncio.gather(graph.ainvoke({"request": "look"}, config, control=control), drain())
            await asyncio.sleep(0.01)
            assert log.cancelled == ["a"] and not leftovers()
            out = await graph.ainvoke(None, config)
            assert out["status"] == "succeeded" and log.calls == ["a", "a"]
            assert len(server.requests) == 1

        asyncio.run(scenario())
    assert len(set(log.keys["a"])) == 1, "the key is the one that the branch has"


def test_fail_fast_ends_work_that_was_adopted() -> None:
    """An adopted attempt is cancelled like any other."""
    log = Log()
    slow = {"id": "a", "specialist": "probe", "input": {"seconds": 30}}
    bad = {"id": "bad", "specialist": "wait", "input": {"fail": "no"}}
    with serve(slow, bad, FILLER) as server:
        graph = graph_of(server, [probe(log)], defaults={"on_failure": "fast"})

        async def scenario() -> None:
            out = await asyncio.wait_for(graph.ainvoke({"request": "look"}), 20)
            assert out["results"]["a"]["status"] == "cancelled"
            assert log.cancelled == ["a"] and not leftovers()

        asyncio.run(scenario())


def test_work_that_asks_a_person_is_done_again_by_its_branch() -> None:
    """A question belongs to a branch; asked ahead it reaches nobody."""
    calls: list[str] = []

    @specialist("asker", pure=True)
    async def asker(task: Any) -> Any:
        calls.append(task.id)
        return interrupt({"q": task.id})

    with serve({"id": "a", "specialist": "asker"}, FILLER) as server:
        graph = graph_of(server, [asker], checkpointer=InMemorySaver())
        config: Any = {"configurable": {"thread_id": "t"}}

        async def scenario() -> None:
            out = await graph.ainvoke({"request": "look"}, config)
            assert [item.value for item in out["__interrupt__"]] == [{"q": "a"}]
            assert calls == ["a", "a"]
            from langgraph.types import Command

            out = await graph.ainvoke(Command(resume="yes"), config)
            assert out["results"]["a"]["output"] == "yes"

        asyncio.run(scenario())


def test_a_sync_function_and_a_runnable_begin_early_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a thread of its own, and with the run's callbacks; what they write to the stream comes after the plan."""
    from langchain_core.runnables import RunnableLambda
    from langgraph.config import get_stream_writer

    from fanwise.graph import Specialist

    seen: list[Any] = []

    @specialist("sync", pure=True)
    def sync(task: Any, config: Any) -> str:
        seen.append(config["metadata"]["task_id"])
        get_stream_writer()({"type": "own", "task": task.id})
        return "done"

    runnable = Specialist("runnable", RunnableLambda(lambda given: given["task"]["id"]), pure=True)
    with serve({"id": "a", "specialist": "sync"}, {"id": "b", "specialist": "runnable"}, FILLER) as server:
        graph = graph_of(server, [sync, runnable])

        async def scenario() -> None:
            out, events = await run(graph, {"request": "look"})
            assert out["results"]["a"]["output"] == "done" and out["results"]["b"]["output"] == "b"
            kinds = [event["type"] for event in events]
            assert kinds.index("own") > kinds.index("run_started")
            assert {e["task_id"] for e in events if e.get("ahead_s")} >= {"a", "b"}

        asyncio.run(scenario())
    assert seen == ["a"]


async def _sqlite(check: Callable[[Any], Any], path: Any) -> None:
    async with AsyncSqliteSaver.from_conn_string(str(path)) as saver:
        await check(saver)


def test_nothing_of_it_is_in_the_state_before_its_branch(tmp_path: Any) -> None:
    """The checkpoint behind the planner holds a plan and no result."""
    log = Log()
    with serve({"id": "a", "specialist": "probe"}, FILLER) as server:

        async def check(saver: Any) -> None:
            graph = graph_of(server, [probe(log)], checkpointer=saver)
            config: Any = {"configurable": {"thread_id": "t"}}
            out = await graph.ainvoke({"request": "look"}, config)
            assert out["results"]["a"]["status"] == "succeeded" and log.calls == ["a"]
            history = [snapshot async for snapshot in graph.aget_state_history(config)]
            planned = next(s for s in reversed(history) if s.values.get("plan"))
            assert planned.values["results"] == {}

        asyncio.run(_sqlite(check, tmp_path / "runs.db"))


def test_a_reply_ends_the_run_without_a_task() -> None:
    """Where nothing is to be done, the summary says what the model says."""
    with OpenAIServer([Say(answer(reply="Hello! Ask me about your logs."))]) as server:
        out = asyncio.run(graph_of(server).ainvoke({"request": "hi"}))
        assert out["status"] == "succeeded" and out["results"] == {}
        assert out["summary"]["text"] == "Hello! Ask me about your logs."
        out = graph_of(server).invoke({"plan": {"tasks": [{"id": "a", "specialist": "wait"}]}, "request": "hi"})
        assert out["results"]["a"]["status"] == "succeeded" and len(server.requests) == 1


def test_where_the_model_comes_to_nothing_and_there_is_no_log_the_run_is_refused() -> None:
    """The error says what became of the model's answer, and what would do."""
    with OpenAIServer([Say("no such model", status=404)], repeat_last=True) as server:
        with pytest.raises(FanwiseError, match=r"planning failed: .*no such model"):
            asyncio.run(graph_of(server).ainvoke({"request": "look"}))


def test_a_specialist_that_lacks_something_is_refused_for_every_plan() -> None:
    """The problem names the task, the specialist and what to do."""
    from fanwise.graph import Specialist, build_graph

    poor = Specialist("poor", lambda task: 1, lacks="it needs a model: give --model")
    plan = {"tasks": [{"id": "x", "specialist": "poor"}, {"id": "y", "specialist": "wait", "input": {}}]}
    with pytest.raises(PlanError, match="task 'x': specialist 'poor' can't be used: it needs a model: give --model"):
        build_graph([poor]).invoke({"plan": plan})


def test_an_input_is_held_against_its_schema_in_every_plan() -> None:
    """A plan file's inputs are checked as a model's are."""
    from fanwise.graph import build_graph

    schema = {"type": "object", "required": ["page"]}

    @specialist("fetch", input_schema=schema)
    def fetch(task: Any) -> Any:
        return 1

    with pytest.raises(PlanError, match="'page' is missing"):
        build_graph([fetch]).invoke({"plan": {"tasks": [{"id": "x", "specialist": "fetch"}]}})


def test_the_budget_holds_for_what_begins_early() -> None:
    """Once it is used up, nothing more begins, before the plan or after it."""
    log = Log()
    tasks = [{"id": f"a{n}", "specialist": "probe"} for n in range(6)]
    with serve(*tasks, FILLER) as server:
        graph = graph_of(server, [probe(log)])
        out = asyncio.run(graph.ainvoke({"request": "look"}, context=RunContext(max_tokens=15)))
    assert len(log.calls) < 6
    assert out["status"] in ("partial", "failed")


def test_what_no_branch_claims_is_ended_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that stops behind its planner sends no branches."""
    monkeypatch.setattr("fanwise.graph.head_starts.CLAIM_S", 0.1)
    log = Log()
    with serve({"id": "a", "specialist": "probe", "input": {"seconds": 30}}, FILLER) as server:
        graph = graph_of(server, [probe(log)], checkpointer=InMemorySaver())
        config: Any = {"configurable": {"thread_id": "t"}}

        async def scenario() -> None:
            await graph.ainvoke({"request": "look"}, config, interrupt_after=["planner"])
            await until(lambda: not leftovers())
            assert log.cancelled == ["a"]

        asyncio.run(scenario())


@pytest.mark.parametrize(
    ("task", "config", "attempts"),
    [({}, {}, 2), ({"retry": None}, {}, 1), ({}, {"retry": None}, 1), ({"retry": {"max_attempts": 1}}, {}, 1)],
)
def test_a_specialists_own_retries_give_way_to_what_is_said(task: Any, config: Any, attempts: int) -> None:
    """They hold where neither the task nor the plan says anything, and stand in the plan then."""
    from fanwise.graph import build_graph

    failing = probe(Log(), fails=9, retry=Retry(max_attempts=2, initial_s=0.01))
    graph = build_graph([failing], checkpointer=InMemorySaver())
    thread: Any = {"configurable": {"thread_id": "t"}}
    given = {"plan": {"tasks": [{"id": "a", "specialist": "probe", **task}], "config": config}}
    out = asyncio.run(graph.ainvoke(given, thread))
    assert out["results"]["a"]["attempts"] == attempts
    shown = graph.get_state(thread).values["plan"]["tasks"][0].get("retry")
    assert (shown or {}).get("max_attempts", 1) == attempts
