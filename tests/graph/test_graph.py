"""What a user of the graph can rely on, over every checkpointer and durability."""

from __future__ import annotations

import asyncio
import dataclasses
import inspect
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from langchain_core.runnables import RunnableLambda
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.runtime import RunControl
from langgraph.types import Command, interrupt
from pydantic import BaseModel

from fanwise.graph import MemoryHistory, Specialist, arun, build_graph, open_history, run, specialist
from fanwise.graph.run import execute, report
from fanwise.state import FanwiseError, PlanError, RunContext, Task, TaskResult

Go = Callable[[Any], Any]
CONFIG: Any = {"configurable": {"thread_id": "thread"}}


def waits(*tasks: dict[str, Any], **config: Any) -> dict[str, Any]:
    """A plan of `wait` tasks."""
    return {"config": config, "tasks": [{"specialist": "wait", **task} for task in tasks]}


def statuses(results: Mapping[str, Any]) -> dict[str, str]:
    """Status by task id, of dicts or models."""
    return {key: r["status"] if isinstance(r, dict) else r.status for key, r in results.items()}


def at_once(spans: Mapping[str, tuple[float, float]]) -> int:
    """The largest number of spans that overlap."""
    moments = sorted([(start, 1) for start, _ in spans.values()] + [(end, -1) for _, end in spans.values()])
    most = now = 0
    for _, step in moments:
        now += step
        most = max(most, now)
    return most


@pytest.mark.parametrize("durability", ["sync", "async", "exit"])
def test_results_go_forward_and_end_in_one_summary(open_saver: Any, go: Go, durability: Any) -> None:
    """Dependency results reach a specialist typed, by task id, in the order it names them."""
    seen: dict[str, Any] = {}

    @specialist("join")
    async def join(task: Task, results: Mapping[str, TaskResult]) -> list[Any]:
        seen["order"] = list(results)
        assert all(isinstance(result, TaskResult) for result in results.values())
        return [result.output for result in results.values()]

    async def scenario() -> Any:
        async with open_saver() as saver:
            graph = build_graph([join], checkpointer=saver)
            plan = waits(
                {"id": "slow", "input": {"seconds": 0.05, "output": 1}},
                {"id": "quick", "input": {"output": 2}},
                {"id": "join", "specialist": "join", "depends_on": ["slow", "quick"]},
            )
            return await graph.ainvoke({"plan": plan}, CONFIG, durability=durability)

    out = go(scenario())
    assert out["status"] == "succeeded"
    assert out["results"]["join"]["output"] == [1, 2]
    assert seen["order"] == ["slow", "quick"]
    assert list(out["results"]) == ["slow", "quick", "join"]
    assert out["metrics"]["supersteps"] == 1
    assert "3 of 3" in out["summary"]["text"]


def test_invoke_without_an_event_loop_gives_the_same(go: Go) -> None:
    """`invoke` runs phase by phase, says so, and yields the same outputs as `ainvoke`."""
    plan = waits(
        {"id": "a", "input": {"output": 1}},
        {"id": "b", "depends_on": ["a"]},
        {"id": "c", "depends_on": ["b"], "input": {"fail": "no"}},
        {"id": "d", "depends_on": ["c"]},
    )
    graph = build_graph()
    one, other = graph.invoke({"plan": plan}), go(graph.ainvoke({"plan": plan}))
    assert {k: r["output"] for k, r in one["results"].items()} == {k: r["output"] for k, r in other["results"].items()}
    assert statuses(one["results"]) == statuses(other["results"])
    assert (one["status"], other["status"]) == ("failed", "failed")
    assert "call `ainvoke`" in one["warnings"][0]
    assert other["warnings"] == []
    assert (one["metrics"]["supersteps"], other["metrics"]["supersteps"]) == (4, 1)


def test_max_concurrency_goes_phase_by_phase_and_says_so(go: Go) -> None:
    """LangGraph's own limit counts waiting branches too; with it, only ready tasks are sent."""
    plan = waits({"id": "a"}, {"id": "b", "depends_on": ["a"]})
    out = go(build_graph().ainvoke({"plan": plan}, {"max_concurrency": 1}))
    assert out["status"] == "succeeded"
    assert "max_parallel" in out["warnings"][0]
    assert out["metrics"]["supersteps"] == 2


@pytest.mark.parametrize("batch_size", [2, 250])
@pytest.mark.parametrize("schedule", ["dataflow", "phased"])
def test_schedules_and_batches_give_the_same_results(go: Go, schedule: str, batch_size: int) -> None:
    """The schedule and the levels of fan-out change when things run, never what comes out."""
    tasks = [{"id": f"t{i}", "depends_on": [f"t{j}" for j in (i - 3, i - 5) if j >= 0]} for i in range(12)]
    out = go(build_graph(batch_size=batch_size).ainvoke({"plan": waits(*tasks, schedule=schedule)}))
    assert statuses(out["results"]) == {f"t{i}": "succeeded" for i in range(12)}
    assert out["results"]["t8"]["output"] == {"task_id": "t8", "results": ["t5", "t3"]}


def test_no_barrier_inside_a_superstep(go: Go) -> None:
    """A task starts when its own dependencies are done, though another branch of the same phase still works."""
    plan = waits(
        {"id": "quick"},
        {"id": "slow", "input": {"seconds": 0.3}},
        {"id": "after quick", "depends_on": ["quick"]},
    )
    results = go(build_graph().ainvoke({"plan": plan}))["results"]
    assert results["after quick"]["finished_at"] < results["slow"]["finished_at"]


def test_a_failing_hanging_or_late_task_harms_only_what_depends_on_it(go: Go) -> None:
    """Each failure is a result; dependents are skipped with the reason, siblings and the summary go on."""
    plan = waits(
        {"id": "ok"},
        {"id": "raises", "input": {"fail": "broken pipe"}},
        {"id": "hangs", "input": {"hang": True}, "timeout_s": 0.05},
        {"id": "behind", "depends_on": ["hangs", "ok"]},
        {"id": "far behind", "depends_on": ["behind"]},
        {"id": "tolerant", "depends_on": ["hangs", "ok"], "run_if": "all_done"},
    )
    out = go(build_graph().ainvoke({"plan": plan}))
    results = out["results"]
    assert statuses(results) == {
        "ok": "succeeded",
        "raises": "failed",
        "hangs": "timed_out",
        "behind": "skipped",
        "far behind": "skipped",
        "tolerant": "succeeded",
    }
    assert results["raises"]["error"] == "WaitFailed: broken pipe"
    assert results["hangs"]["error"] == "no answer within 0.05 s"
    assert results["behind"]["error"] == "dependency 'hangs' timed out"
    assert results["far behind"]["error"] == "dependency 'behind' was skipped"
    assert results["tolerant"]["output"] == {"task_id": "tolerant", "results": ["hangs", "ok"]}
    assert out["status"] == "failed"


@pytest.mark.parametrize(
    ("config", "required", "status"),
    [({}, True, "failed"), ({}, False, "partial"), ({"on_failure": "soft", "min_success": 1}, True, "partial")],
)
def test_run_status(go: Go, config: dict[str, Any], required: bool, status: str) -> None:
    """A failed task that is not required, or enough successes under `soft`, make a run that finished in part."""
    plan = waits({"id": "a"}, {"id": "b", "input": {"fail": "x"}, "required": required}, **config)
    assert go(build_graph().ainvoke({"plan": plan}))["status"] == status


def test_retries_back_off_and_stop_when_it_works(go: Go) -> None:
    """An attempt that fails is followed by another; the result counts them, and events tell of each."""
    events: list[Any] = []
    retry = {"max_attempts": 3, "initial_s": 0.01, "jitter": False}
    plan = waits({"id": "flaky", "input": {"fail_times": 2, "output": "at last"}, "retry": retry})
    told = go(arun(plan, on_event=events.append))
    assert (told.results["flaky"].output, told.results["flaky"].attempts) == ("at last", 3)
    delays = [event["retry_in_s"] for event in events if event["type"] == "attempt_failed"]
    assert delays == [0.01, 0.02]


def test_programming_errors_get_no_further_attempt(go: Go) -> None:
    """The same call would raise the same TypeError again; a specialist may say otherwise."""
    calls: Counter[str] = Counter()

    @specialist("wrong")
    async def wrong(task: Task) -> None:
        calls["wrong"] += 1
        raise TypeError("no such argument")

    @specialist("stubborn", retry_on=TypeError)
    async def stubborn(task: Task) -> None:
        calls["stubborn"] += 1
        raise TypeError("no such argument")

    tasks = [{"id": n, "specialist": n, "retry": {"max_attempts": 3, "initial_s": 0}} for n in ("wrong", "stubborn")]
    go(build_graph([wrong, stubborn]).ainvoke({"plan": {"tasks": tasks}}))
    assert calls == {"wrong": 1, "stubborn": 3}


def test_fallbacks_take_a_failed_tasks_place(go: Go) -> None:
    """A value or another specialist; both count as success, and the error stays visible."""

    @specialist("plan b")
    def plan_b(task: Task, results: Mapping[str, TaskResult]) -> str:
        return f"instead of {task.id}"

    plan = waits(
        {"id": "value", "input": {"fail": "x"}, "fallback": {"output": {"rows": 0}}},
        {"id": "other", "input": {"hang": True}, "timeout_s": 0.05, "fallback": {"specialist": "plan b"}},
        {"id": "both fail", "input": {"fail": "x"}, "fallback": {"specialist": "wait"}},
    )
    results = go(build_graph([plan_b]).ainvoke({"plan": plan}))["results"]
    assert results["value"]["output"] == {"rows": 0}
    assert results["value"]["fallback"] and results["value"]["error"] == "WaitFailed: x"
    assert results["other"]["output"] == "instead of other"
    assert results["both fail"]["error"] == "WaitFailed: x; fallback 'wait': WaitFailed: x"
    assert statuses(results) == {"value": "succeeded", "other": "succeeded", "both fail": "failed"}


@pytest.mark.parametrize("batch_size", [3, 250])
def test_never_more_at_once_than_slots(go: Go, batch_size: int) -> None:
    """`max_parallel` holds for async and sync specialists, across batches and attempts."""
    spans: dict[str, tuple[float, float]] = {}

    @specialist("sync")
    def sync(task: Task) -> None:
        start = time.monotonic()
        time.sleep(0.01)
        spans[task.id] = (start, time.monotonic())

    @specialist("async")
    async def async_(task: Task) -> None:
        start = time.monotonic()
        await asyncio.sleep(0.01)
        spans[task.id] = (start, time.monotonic())

    tasks = [{"id": f"t{i}", "specialist": ("sync", "async")[i % 2]} for i in range(20)]
    graph = build_graph([sync, async_], batch_size=batch_size)
    go(graph.ainvoke({"plan": {"tasks": tasks, "config": {"max_parallel": 3}}}))
    assert len(spans) == 20
    assert at_once(spans) <= 3


def test_sync_specialists_run_side_by_side_without_blocking(go: Go) -> None:
    """As many threads as there are slots, not as asyncio's pool has."""
    together = threading.Barrier(24, timeout=10)

    @specialist("meet")
    def meet(task: Task) -> None:
        together.wait()

    tasks = [{"id": f"t{i}", "specialist": "meet"} for i in range(24)]
    out = go(build_graph([meet]).ainvoke({"plan": {"tasks": tasks, "config": {"max_parallel": 24}}}))
    assert out["status"] == "succeeded"


def test_a_sync_function_that_outlives_its_timeout_is_abandoned_and_said(go: Go) -> None:
    """The run goes on at once; a warning tells that the function still runs."""
    stop = threading.Event()

    @specialist("stuck")
    def stuck(task: Task) -> None:
        stop.wait(10)

    plan = {"tasks": [{"id": "s", "specialist": "stuck", "timeout_s": 0.05}]}
    begun = time.monotonic()
    out = go(build_graph([stuck]).ainvoke({"plan": plan}))
    stop.set()
    assert time.monotonic() - begun < 5
    assert statuses(out["results"]) == {"s": "timed_out"}
    assert "its function goes on in its thread" in out["warnings"][0]


def test_an_async_specialist_that_ignores_its_cancellation_is_abandoned(go: Go, monkeypatch: Any) -> None:
    """Swallowing CancelledError can't hold up the run."""
    monkeypatch.setattr("fanwise.nodes.attempt.GRACE_S", 0.05)

    @specialist("deaf")
    async def deaf(task: Task) -> None:
        for _ in range(20):
            try:
                await asyncio.sleep(0.05)
            except asyncio.CancelledError:
                continue

    plan = {"tasks": [{"id": "d", "specialist": "deaf", "timeout_s": 0.05}]}
    out = go(build_graph([deaf]).ainvoke({"plan": plan}))
    assert statuses(out["results"]) == {"d": "timed_out"}
    assert "ignores its cancellation" in out["warnings"][0]


@pytest.mark.parametrize("schedule", ["dataflow", "phased"])
def test_a_deadline_ends_what_is_left_and_still_sums_up(go: Go, schedule: str) -> None:
    """What runs is cut, what waits is not started, what was done stays, and there is a summary."""
    plan = waits(
        {"id": "done"},
        {"id": "running", "input": {"hang": True}},
        {"id": "waiting", "depends_on": ["running"]},
        deadline_s=0.2,
        schedule=schedule,
    )
    out = go(build_graph().ainvoke({"plan": plan}))
    assert statuses(out["results"]) == {
        "done": "succeeded",
        "running": "cancelled",
        "waiting": out["results"]["waiting"]["status"],
    }
    assert out["results"]["waiting"]["status"] in ("cancelled", "skipped")
    assert "deadline" in out["results"]["running"]["error"]
    assert out["summary"]["text"]


def test_going_on_starts_the_deadline_anew(go: Go) -> None:
    """A run that was stopped, and whose deadline passed meanwhile, still gets done; nothing is done twice."""
    calls: Counter[str] = Counter()

    @specialist("step")
    async def step(task: Task) -> None:
        calls[task.id] += 1
        await asyncio.sleep(0.05)

    async def scenario() -> Any:
        graph = build_graph([step], checkpointer=InMemorySaver())
        tasks = [{"id": f"t{i}", "specialist": "step", "depends_on": [f"t{i - 1}"] if i else []} for i in range(4)]
        control = RunControl()
        asyncio.get_running_loop().call_later(0.07, control.request_drain)
        await execute(graph, {"plan": {"tasks": tasks, "config": {"deadline_s": 0.5}}}, "d", control=control)
        await asyncio.sleep(0.5)
        return await execute(graph, None, "d")

    assert go(scenario()).status == "succeeded"
    assert calls == {f"t{i}": 1 for i in range(4)}


def test_starts_are_spaced_out(go: Go) -> None:
    """`starts_per_s` keeps a distance between starts."""
    out = go(build_graph().ainvoke({"plan": waits(*({"id": f"t{i}"} for i in range(4)), starts_per_s=20)}))
    starts = sorted(result["started_at"] for result in out["results"].values())
    assert out["metrics"]["makespan_s"] >= 0.14
    assert len(set(starts)) == 4


def test_context_wins_over_the_plan_and_defaults_stand_below_it(go: Go) -> None:
    """An option of the call wins over the plan's config; the graph's defaults fill in what the plan leaves open."""
    plan = waits({"id": "a", "input": {"hang": True}}, timeout_s=100)
    out = go(build_graph().ainvoke({"plan": plan}, context=RunContext(timeout_s=0.05)))
    assert statuses(out["results"]) == {"a": "timed_out"}
    out = go(build_graph(defaults={"timeout_s": 0.05}).ainvoke({"plan": waits({"id": "a", "input": {"hang": True}})}))
    assert statuses(out["results"]) == {"a": "timed_out"}


def test_all_problems_of_a_plan_are_told_at_once(go: Go) -> None:
    """An unknown specialist and an unknown dependency are not told one after the other."""
    plan = {"tasks": [{"id": "a", "specialist": "wate", "depends_on": ["b"]}]}
    with pytest.raises(PlanError) as caught:
        go(build_graph([]).ainvoke({"plan": plan}))
    told = [problem.message for problem in caught.value.problems]
    assert len(told) == 2 and "unknown dependency 'b'" in told[0] and "did you mean 'wait'" in told[1]


def test_unknown_specialists_refuse_the_plan_or_are_skipped(go: Go) -> None:
    """By default nothing runs; with `unknown_specialist: skip` a warning and a skipped task."""
    plan = waits({"id": "a"}, {"id": "b", "specialist": "wiat"}, {"id": "c", "depends_on": ["b"]})
    with pytest.raises(PlanError, match="wiat"):
        go(build_graph().ainvoke({"plan": plan}))
    plan["config"] = {"unknown_specialist": "skip"}
    out = go(build_graph().ainvoke({"plan": plan}))
    assert statuses(out["results"]) == {"a": "succeeded", "b": "skipped", "c": "skipped"}
    assert "no specialist 'wiat'" in out["warnings"][0]


def test_anything_that_runs_can_be_a_specialist(go: Go) -> None:
    """Functions of each kind, a Runnable, a compiled graph; outputs become JSON values."""

    class Rows(BaseModel):
        rows: int

    @dataclasses.dataclass
    class Point:
        x: int

    def answer(state: MessagesState) -> dict[str, Any]:
        return {"messages": [("ai", "seen: " + str(state["messages"][-1].text))]}

    agent = StateGraph(MessagesState).add_node("answer", answer).add_edge(START, "answer").add_edge("answer", END)
    specialists = {
        "model": lambda task: Rows(rows=3),
        "point": lambda: Point(x=1),
        "runnable": RunnableLambda(lambda given: {"ids": sorted(given["results"]), "n": given["n"]}),
        "agent": agent.compile(),
    }
    tasks = [
        {"id": "m", "specialist": "model"},
        {"id": "p", "specialist": "point"},
        {"id": "r", "specialist": "runnable", "depends_on": ["m", "p"], "input": {"n": 7}},
        {"id": "g", "specialist": "agent", "description": "look at it"},
    ]
    out = go(build_graph(specialists).ainvoke({"plan": {"tasks": tasks}}))
    outputs = {key: result["output"] for key, result in out["results"].items()}
    assert outputs["m"] == {"rows": 3}
    assert outputs["p"] == {"x": 1}
    assert outputs["r"] == {"ids": ["m", "p"], "n": 7}
    assert outputs["g"] == "seen: look at it"


def test_an_output_that_is_no_json_value_fails_its_task(go: Go) -> None:
    """The message says what came and what to return; nothing else is harmed."""
    plan = {"tasks": [{"id": "a", "specialist": "odd"}, {"id": "b", "specialist": "wait"}]}
    out = go(build_graph({"odd": lambda task: object()}).ainvoke({"plan": plan}))
    assert out["results"]["a"]["status"] == "failed"
    assert "of type object, is no JSON value" in out["results"]["a"]["error"]
    assert out["results"]["b"]["status"] == "succeeded"


def test_a_specialist_that_calls_exit_fails_its_task_alone(go: Go) -> None:
    """Neither from a thread nor from the event loop does `sys.exit` end the process."""

    @specialist("async")
    async def leave(task: Task) -> None:
        sys.exit(3)

    @specialist("sync")
    def leave_thread(task: Task) -> None:
        sys.exit(3)

    tasks = [{"id": name, "specialist": name} for name in ("async", "sync", "wait")]
    out = go(build_graph([leave, leave_thread]).ainvoke({"plan": {"tasks": tasks}}))
    assert statuses(out["results"]) == {"async": "failed", "sync": "failed", "wait": "succeeded"}
    assert out["results"]["sync"]["error"] == "RuntimeError: the specialist called exit(3)"


def test_numbers_that_json_lacks_become_text(go: Go) -> None:
    """A report is always JSON: NaN and infinity are text, tuples and sets are lists, keys are text."""
    values = {"nan": float("nan"), "inf": float("inf"), "tuple": (1, 2), "set": {3}, 4: "key"}
    out = go(build_graph({"odd": lambda task: values}).ainvoke({"plan": {"tasks": [{"id": "a", "specialist": "odd"}]}}))
    expected = {"nan": "NaN", "inf": "Infinity", "tuple": [1, 2], "set": [3], "4": "key"}
    assert out["results"]["a"]["output"] == expected


def test_specialists_that_can_not_be_used_are_refused() -> None:
    """Names that the graph needs, twins, and things that do not run are refused when the graph is built."""
    with pytest.raises(FanwiseError, match="'planner'"):
        build_graph({"planner": lambda task: None})
    with pytest.raises(FanwiseError, match="two specialists are called 'a'"):
        build_graph([Specialist("a", print), Specialist("a", print)])
    with pytest.raises(FanwiseError, match="neither a function nor a Runnable"):
        build_graph({"a": 3})
    with pytest.raises(FanwiseError, match="has 3 parameters"):
        build_graph({"a": lambda x, y, z: None})


def test_a_drained_run_goes_on_where_it_stopped(open_saver: Any, go: Go) -> None:
    """Running work ends, the rest stays pending; going on repeats nothing."""
    calls: Counter[str] = Counter()

    @specialist("step")
    async def step(task: Task) -> None:
        calls[task.id] += 1
        await asyncio.sleep(0.05)

    async def scenario() -> None:
        async with open_saver() as saver:
            graph = build_graph([step], checkpointer=saver)
            tasks = [{"id": f"t{i}", "specialist": "step", "depends_on": [f"t{i - 1}"] if i else []} for i in range(5)]
            control = RunControl()

            def drain_after_the_first(event: Mapping[str, Any]) -> None:
                if event["type"] == "task_finished":
                    control.request_drain()

            first = await execute(
                graph, {"plan": {"tasks": tasks}}, "d", control=control, on_event=drain_after_the_first
            )
            assert first.status == "interrupted"
            assert statuses(first.results)["t4"] == "pending"
            assert statuses(first.results)["t0"] == "succeeded"
            second = await execute(graph, None, "d")
            assert second.status == "succeeded"

    go(scenario())
    assert calls == {f"t{i}": 1 for i in range(5)}


@pytest.mark.parametrize("batch_size", [2, 250])
def test_a_question_to_a_person_holds_up_only_what_depends_on_it(open_saver: Any, go: Go, batch_size: int) -> None:
    """Other work goes on; an answered branch goes on beside one that still waits; nothing is asked or done twice."""
    calls: Counter[str] = Counter()

    @specialist("ask")
    def ask(task: Task) -> Any:
        return interrupt({"task_id": task.id})

    @specialist("step")
    async def step(task: Task) -> None:
        calls[task.id] += 1

    tasks = [
        {"id": "q1", "specialist": "ask"},
        {"id": "q2", "specialist": "ask"},
        {"id": "free", "specialist": "step"},
        {"id": "behind q1", "specialist": "step", "depends_on": ["q1", "free"]},
        {"id": "behind both", "specialist": "step", "depends_on": ["q2", "behind q1"]},
    ]

    async def scenario() -> None:
        async with open_saver() as saver:
            graph = build_graph([ask, step], checkpointer=saver, batch_size=batch_size)
            told = await execute(graph, {"plan": {"tasks": tasks}}, "thread")
            assert told.status == "paused"
            assert calls == {"free": 1}
            ids = {question.task_id: question.id for question in told.interrupts}
            await graph.ainvoke(Command(resume={ids["q1"]: "yes"}), CONFIG)
            assert calls == {"free": 1, "behind q1": 1}
            told = await report(graph, "thread")
            assert [question.task_id for question in told.interrupts] == ["q2"]
            out = await graph.ainvoke(Command(resume={ids["q2"]: "no"}), CONFIG)
            assert out["status"] == "succeeded"
            assert (out["results"]["q1"]["output"], out["results"]["q2"]["output"]) == ("yes", "no")

    go(scenario())
    assert calls == {"free": 1, "behind q1": 1, "behind both": 1}


def test_a_thread_can_be_used_for_another_run(go: Go) -> None:
    """A new input on the same thread starts afresh; old results and warnings do not leak into it."""

    async def scenario() -> Any:
        graph = build_graph(checkpointer=InMemorySaver())
        await graph.ainvoke({"plan": waits({"id": "old"})}, CONFIG)
        return await graph.ainvoke({"plan": waits({"id": "new"})}, CONFIG)

    assert list(go(scenario())["results"]) == ["new"]


def test_what_another_run_is_not_given_is_not_taken_from_the_one_before(go: Go) -> None:
    """Plan, request, workflow and parameters belong to the run that they were given to; a conversation goes on."""

    async def scenario() -> None:
        graph = build_graph(checkpointer=InMemorySaver())
        await graph.ainvoke({"plan": waits({"id": "old"}), "request": "old?"}, CONFIG)
        with pytest.raises(PlanError, match="no event log to answer the request from"):
            await graph.ainvoke({"request": "another?"}, CONFIG)
        with pytest.raises(FanwiseError, match="holds no planned run"):
            await report(graph, "thread")
        with pytest.raises(PlanError, match="nothing to do"):
            await graph.ainvoke({"params": {}}, CONFIG)
        out = await graph.ainvoke({"plan": waits({"id": "new"})}, CONFIG)
        assert list(out["results"]) == ["new"]
        assert not (await graph.aget_state(CONFIG)).values["request"]
        with pytest.raises(PlanError, match="no event log to answer the request from"):
            await graph.ainvoke({"messages": [{"role": "user", "content": "and now?"}]}, CONFIG)

    go(scenario())


def test_a_run_that_died_right_after_planning_can_be_shown_and_goes_on(go: Go) -> None:
    """The planner's write is saved, the checkpoint behind it is not: nothing is lost, nothing breaks."""

    class Dies(InMemorySaver):
        dead = False

        async def aput(self, config: Any, checkpoint: Any, metadata: Any, new_versions: Any) -> Any:
            if self.dead and metadata["step"] >= 1:
                raise OSError("killed")
            return await super().aput(config, checkpoint, metadata, new_versions)

    async def scenario() -> None:
        saver = Dies()
        saver.dead = True
        with pytest.raises(OSError, match="killed"):
            await build_graph(checkpointer=saver).ainvoke({"plan": waits({"id": "a"})}, CONFIG)
        saver.dead = False
        graph = build_graph(checkpointer=saver)
        assert statuses((await report(graph, "thread")).results) == {"a": "pending"}
        assert (await execute(graph, None, "thread")).status == "succeeded"

    go(scenario())


def test_the_graph_works_inside_another_graph(go: Go) -> None:
    """As a node of a user's graph, twice in one invocation, each run keeps to itself."""
    inner = build_graph()

    async def call(state: dict[str, Any]) -> dict[str, Any]:
        plan = waits({"id": "a"}, {"id": "b", "depends_on": ["a"]})
        first, second = await asyncio.gather(inner.ainvoke({"plan": plan}), inner.ainvoke({"plan": plan}))
        return {"seen": [first["status"], second["status"]]}

    outer = StateGraph(dict).add_node("call", call).add_edge(START, "call").add_edge("call", END).compile()
    assert go(outer.ainvoke({}))["seen"] == ["succeeded", "succeeded"]


def test_a_refused_plan_leaves_nothing_behind(go: Go) -> None:
    """Nothing ran, so the database has no thread for it."""

    async def scenario() -> None:
        saver = InMemorySaver()
        with pytest.raises(PlanError):
            await arun({"tasks": [{"id": "a", "specialist": "nobody"}]}, checkpointer=saver, thread_id="t")
        assert [item async for item in saver.alist(None)] == []

    go(scenario())


def test_run_is_refused_inside_an_event_loop(go: Go) -> None:
    """The message says what to call there."""

    async def scenario() -> None:
        run(waits({"id": "a"}))

    with pytest.raises(FanwiseError, match="await arun"):
        go(scenario())


def test_run_takes_what_arun_takes_and_says_where_limits_belong() -> None:
    """Its signature tells; an option that does not exist is refused, with no other error around it."""
    assert inspect.signature(run) == inspect.signature(arun) and run.__name__ == "run"
    plan = {"tasks": [{"id": "a", "specialist": "wait"}]}
    for option, words in (
        ("max_parallel", "give context=RunContext(max_parallel=...)"),
        ("specialist", "did you mean 'specialists'?"),
    ):
        with pytest.raises(TypeError) as caught:
            run(plan, **{option: 2})
        assert words in str(caught.value) and caught.value.__context__ is None
    history = MemoryHistory()
    assert run(plan, context=RunContext(max_parallel=2), history=history, batch_size=5).status == "succeeded"
    assert [row.details["max_parallel"] for row in history.runs()] == [2]
    with open_history("memory") as empty:
        assert empty.runs() == []


def test_events_from_inside_batches_reach_the_plain_stream(go: Go) -> None:
    """Whoever streams `custom` sees every task of a large plan, without asking for sub-graphs."""

    async def scenario() -> list[Any]:
        plan = waits(*({"id": f"t{i}", "depends_on": [f"t{i - 1}"] if i else []} for i in range(7)))
        stream = build_graph(batch_size=3).astream({"plan": plan}, stream_mode="custom")
        return [event async for event in stream]

    finished = [event for event in go(scenario()) if event["type"] == "task_finished"]
    assert [event["task_id"] for event in finished] == [f"t{i}" for i in range(7)]
    assert finished[-1]["completed"] == finished[-1]["total"] == 7


def test_events_tell_the_story(go: Go) -> None:
    """Run, queued, started, finished: each task in order, and all of them typed dicts."""
    events: list[Any] = []
    go(arun(waits({"id": "a"}, {"id": "b", "depends_on": ["a"]}), on_event=events.append))
    assert [(event["type"], event.get("task_id")) for event in events] == [
        ("run_started", None),
        ("task_queued", "a"),
        ("task_started", "a"),
        ("attempt_ended", "a"),
        ("task_finished", "a"),
        ("task_queued", "b"),
        ("task_started", "b"),
        ("attempt_ended", "b"),
        ("task_finished", "b"),
        ("run_finished", None),
    ]
    finished = [event for event in events if event["type"] == "task_finished"]
    assert [(event["completed"], event["total"]) for event in finished] == [(1, 2), (2, 2)]


def test_events_from_inside_reviews_reach_the_plain_stream(go: Go) -> None:
    """What happens in a step of a branch is told like all else, and an answer that is given is not asked for again."""
    asked: list[str] = []

    async def person(question: Any) -> str:
        asked.append(question["review"])
        return "approve"

    async def scenario() -> list[str]:
        graph = build_graph([specialist("step")(lambda task: task.id)], checkpointer=InMemorySaver())
        plan = {"tasks": [{"id": "a", "specialist": "step", "review": "both"}]}
        stopped = await execute(graph, {"plan": plan}, "t")
        seen: list[str] = []
        await execute(
            graph,
            None,
            "t",
            answers={stopped.interrupts[0].id: "approve"},
            asker=person,
            on_event=lambda event: seen.append(event["type"]),
        )
        return seen

    assert go(scenario()) == [
        "task_queued",
        "task_started",
        "attempt_ended",
        "task_paused",
        "task_finished",
        "run_finished",
    ]
    assert asked == ["after"]
