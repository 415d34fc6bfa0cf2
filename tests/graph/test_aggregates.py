"""Aggregates, quorums, `when` and skipping in the graph: what is waited for, what is cancelled, what a run comes to."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from langchain_core.runnables import RunnableLambda
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import interrupt

from fanwise.graph import Skip, Specialist, arun, build_graph, reducer, run, specialist
from fanwise.graph.again import retry
from fanwise.graph.board import Board
from fanwise.graph.fan_out import fan_out
from fanwise.graph.going_on import config_of
from fanwise.graph.run import execute
from fanwise.graph.run import report as show
from fanwise.nodes.attempt import AttemptCut, run_attempt
from fanwise.state import FanwiseError, Plan, PlanError, RunContext, Summary, Task, TaskResult

Go = Callable[[Any], Any]
CONFIG: Any = {"configurable": {"thread_id": "thread"}}
HANG = {"hang": True}


def says(task_id: str, output: Any, **more: Any) -> dict[str, Any]:
    """A task that returns something at once."""
    return {"id": task_id, "specialist": "wait", "input": {"output": output}, **more}


def hangs(task_id: str, **more: Any) -> dict[str, Any]:
    """A task that never ends by itself."""
    return {"id": task_id, "specialist": "wait", "input": HANG, **more}


def fails(task_id: str, **more: Any) -> dict[str, Any]:
    """A task that fails at once."""
    return {"id": task_id, "specialist": "wait", "input": {"fail": "no"}, **more}


def joins(*branches: str, task_id: str = "all", **aggregate: Any) -> dict[str, Any]:
    """A task that combines others."""
    return {"id": task_id, "depends_on": list(branches), "aggregate": aggregate}


def plan(*tasks: dict[str, Any], **config: Any) -> dict[str, Any]:
    """A plan of these tasks."""
    return {"config": config, "tasks": list(tasks)}


def told(report: Any) -> dict[str, str]:
    """Status by task id."""
    return {task_id: result.status for task_id, result in report.results.items()}


def takes(task_id: str, seconds: float, **more: Any) -> dict[str, Any]:
    """A task that takes some time."""
    return {"id": task_id, "specialist": "wait", "input": {"seconds": seconds, "output": "yes"}, **more}


@pytest.mark.parametrize(
    ("tasks", "order"),
    [
        (
            [
                takes("slow", 3),
                takes("mid", 2),
                takes("pre", 0.1),
                takes("fast", 0.3, depends_on=["pre"]),
                joins("slow", "mid", "fast", strategy="race"),
            ],
            ["pre", "fast", "mid", "slow"],
        ),
        (
            [
                takes("c", 3),
                takes("b", 2),
                takes("a", 1, required=False),
                takes("r", 4, required=True),
                joins("c", "b", "a", "r", strategy="merge", mode="concat", first=2),
            ],
            ["r", "a", "b", "c"],
        ),
        (
            [
                takes("long", 3),
                takes("short", 1),
                takes("heavy", 2, weight=2),
                joins("long", "short", "heavy", strategy="vote"),
            ],
            ["heavy", "short", "long"],
        ),
        (
            [takes("long", 3), takes("short", 1), joins("long", "short", strategy="vote", early=False)],
            ["long", "short"],
        ),
        (
            [
                takes("long", 3),
                takes("short", 1),
                joins("long", "short", strategy="race"),
                takes("needs it", 1, depends_on=["long"]),
            ],
            ["long", "short"],
        ),
        ([takes("other", 5), takes("one", 9), takes("two", 2), joins("one", "two", strategy="race")], ["other", "two"]),
    ],
)
def test_the_quickest_of_the_branches_that_replace_each_other_starts_first(tasks: Any, order: list[str]) -> None:
    """Where the first results are enough, weight and then shortness decide; all else starts by its longest path."""
    made = Plan.model_validate(plan(*tasks))
    sends = fan_out({"plan": made.to_state(), "run_id": "r"})
    ranks = {send.arg["task"]["id"]: (-send.arg["rank"], send.arg["order"]) for send in sends}
    assert [name for name in sorted(ranks, key=ranks.__getitem__) if name in order] == order
    report = run({**plan(*(quick(task) for task in tasks), max_parallel=1)})
    assert report.status == "succeeded"
    began = {name: one.started_at for name, one in report.results.items() if one.started_at}
    told = [name for name in sorted(began, key=lambda name: began[name] or "") if name in order]
    assert told == order[: len(told)]


def quick(task: dict[str, Any]) -> dict[str, Any]:
    """The same task, over at once, in an order as if it were not."""
    if "aggregate" in task:
        return task
    return {**task, "input": {**task["input"], "seconds": task["input"]["seconds"] / 50}}


SHARDS = (says("a", {"x": 1, "n": {"p": 1}}), says("b", {"x": 2, "n": {"q": 2}}))


def test_an_aggregate_is_a_task_like_any_other(open_saver: Any, go: Go) -> None:
    """It has a result, events, a place among its dependents' results, and is in the plan under its own name."""
    plan_ = plan(*SHARDS, joins("a", "b", strategy="merge", mode="deep"), says("end", 1, depends_on=["all"]))

    async def scenario() -> Any:
        async with open_saver() as saver:
            graph = build_graph(checkpointer=saver)
            stream = graph.astream({"plan": plan_}, CONFIG, stream_mode=["custom", "values"])
            got = [item async for item in stream]
            return [event for mode, event in got if mode == "custom"], got[-1][1]

    events, out = go(scenario())
    assert out["status"] == "succeeded"
    result = TaskResult.model_validate(out["results"]["all"])
    assert result.output == {"x": 2, "n": {"p": 1, "q": 2}}
    assert (result.specialist, result.attempts) == ("aggregate", 1)
    assert result.started_at and result.finished_at
    own = [event["type"] for event in events if event.get("task_id") == "all"]
    assert [kind for kind in own if kind in ("task_started", "task_finished")] == ["task_started", "task_finished"]


def test_invoke_gives_the_same(go: Go) -> None:
    """Without an event loop, and phase by phase, an aggregate decides with all its branches there."""
    plan_ = plan(*SHARDS, fails("c", required=False), joins("a", "b", "c", strategy="merge", min_results=2))
    graph = build_graph()
    one, other = graph.invoke({"plan": plan_}), go(graph.ainvoke({"plan": plan_}))
    phased = go(graph.ainvoke({"plan": {**plan_, "config": {"schedule": "phased"}}}))
    outputs = [out["results"]["all"]["output"] for out in (one, other, phased)]
    assert outputs == [{"x": 2, "n": {"q": 2}}] * 3
    assert [out["status"] for out in (one, other, phased)] == ["partial"] * 3


def test_a_race_is_won_by_the_first_valid_answer(go: Go) -> None:
    """Who is too poor does not win, who hangs is cancelled at once, and nothing was lost for the run."""
    plan_ = plan(
        says("poor", {"score": 0.3}),
        {"id": "good", "specialist": "wait", "input": {"seconds": 0.05, "output": {"score": 0.9}}},
        hangs("slow"),
        says("behind", 1, depends_on=["slow"]),
        joins("poor", "good", "slow", strategy="race", quality="score", min_quality=0.7),
    )
    begun = time.monotonic()
    report = go(arun({**plan_, "tasks": [t for t in plan_["tasks"] if t["id"] != "behind"]}))
    assert time.monotonic() - begun < 10
    assert told(report) == {"poor": "succeeded", "good": "succeeded", "slow": "cancelled", "all": "succeeded"}
    assert report.results["all"].output == {
        "winner": "good",
        "output": {"score": 0.9},
        "quality": 0.9,
        "rejected": {"poor": "has a quality of 0.3, below 0.7"},
    }
    assert report.results["slow"].error == "lost the race to 'good' (task 'all')"
    assert report.results["slow"].by_choice
    assert report.status == "succeeded"


def test_a_loser_that_others_need_goes_on(go: Go) -> None:
    """Only what nobody else waits for is cancelled."""
    slow = {"id": "slow", "specialist": "wait", "input": {"seconds": 0.3, "output": 2}}
    report = go(
        arun(
            plan(
                says("quick", 1), slow, says("reader", 3, depends_on=["slow"]), joins("quick", "slow", strategy="race")
            )
        )
    )
    assert set(told(report).values()) == {"succeeded"}


def test_a_race_cancels_what_only_its_losers_need(go: Go) -> None:
    """A loser that still waits for its own dependency takes that with it."""
    report = go(
        arun(
            plan(
                says("quick", 1),
                hangs("source"),
                says("late", 2, depends_on=["source"]),
                joins("quick", "late", strategy="race"),
            )
        )
    )
    assert told(report) == {"quick": "succeeded", "source": "cancelled", "late": "cancelled", "all": "succeeded"}
    assert report.status == "succeeded"


def test_a_race_without_a_winner_names_each(go: Go) -> None:
    """With why."""
    report = go(arun(plan(fails("a"), says("b", {}), joins("a", "b", strategy="race", valid="found"))))
    assert report.results["all"].error == (
        "no branch won: 'a' failed (WaitFailed: no); 'b' is not valid (found) "
        "('valid' leads nowhere: found is not there; the output is empty)"
    )
    assert told(report)["all"] == "failed"


def test_a_quorum_does_not_wait_for_the_slow_ones(go: Go) -> None:
    """Three of five agree; the two that hang are cancelled."""
    voters = [says(name, {"verdict": "Yes"}) for name in ("a", "b", "c")] + [hangs("d"), hangs("e")]
    report = go(arun(plan(*voters, joins("a", "b", "c", "d", "e", strategy="vote", answer="verdict"))))
    assert report.results["all"].output["winner"] == "Yes"
    assert report.results["all"].output["no_vote"] == {"d": "not waited for", "e": "not waited for"}
    assert told(report)["d"] == told(report)["e"] == "cancelled"
    assert report.status == "succeeded"


def test_weights_decide_and_failures_are_no_votes(go: Go) -> None:
    """The heavy branch outweighs two; one that fails, one that times out, and one that is skipped say nothing."""
    voters = (
        says("heavy", "x", weight=3),
        says("a", "y"),
        says("b", "y"),
        fails("c", weight=50, required=False),
        hangs("d", timeout_s=0.05, weight=50, required=False),
        says("e", "y", weight=50, when="input.never"),
    )
    report = go(arun(plan(*voters, joins("heavy", "a", "b", "c", "d", "e", strategy="vote"))))
    output = report.results["all"].output
    assert (output["winner"], output["confidence"], output["distribution"]) == ("x", 0.6, {"x": 3, "y": 2})
    assert output["no_vote"] == {
        "c": "failed (WaitFailed: no)",
        "d": "timed out (no answer within 0.05 s)",
        "e": "was skipped (its `when` is false: input.never)",
    }
    assert report.status == "partial"


def test_the_first_k_are_enough(go: Go) -> None:
    """The rest is cancelled, or goes on where the plan says so."""
    branches = [says("a", [1]), says("b", [2]), hangs("c")]
    report = go(arun(plan(*branches, joins("c", "a", "b", strategy="merge", mode="concat", first=2))))
    assert report.results["all"].output == [1, 2]
    assert told(report)["c"] == "cancelled"
    slow = {"id": "c", "specialist": "wait", "input": {"seconds": 0.1, "output": [3]}}
    report = go(
        arun(
            plan(
                *branches[:2],
                slow,
                joins("c", "a", "b", strategy="reduce", function="concat", first=2, cancel_rest=False),
            )
        )
    )
    assert report.results["all"].output == [1, 2]
    assert told(report)["c"] == "succeeded"


def test_a_failure_is_told_at_once_and_leaves_the_others_be(go: Go) -> None:
    """What siblings do after a failure is the plan's `on_failure`, and not the aggregate's business."""
    slow = {"id": "slow", "specialist": "wait", "input": {"seconds": 0.2, "output": {}}}
    merge = joins("bad", "slow", strategy="merge")
    report = go(arun(plan(fails("bad"), slow, merge)))
    assert report.results["all"].error == "required 'bad' failed (WaitFailed: no)"
    assert told(report)["slow"] == "succeeded"
    assert report.results["all"].finished_at < report.results["slow"].finished_at
    rescued = go(arun(plan(fails("bad"), slow, {**merge, "fallback": {"output": {"rows": 0}}})))
    assert rescued.results["all"].output == {"rows": 0} and rescued.results["all"].fallback


def test_required_branches_and_a_minimum(go: Go) -> None:
    """Two must succeed, two may; where a required one fails, two others don't help."""
    optional = (says("c", {"c": 1}, required=False), fails("d", required=False))
    names = ("a", "b", "c", "d")
    good = plan(says("a", {"a": 1}, required=True), says("b", {"b": 1}, required=True), *optional)
    bad = plan(fails("a", required=True), says("b", {"b": 1}, required=True), *optional)
    merge = joins(*names, strategy="merge", mode="deep", min_results=2)
    report = go(arun({"tasks": [*good["tasks"], merge]}))
    assert report.results["all"].output == {"a": 1, "b": 1, "c": 1}
    report = go(arun({"tasks": [*bad["tasks"], merge]}))
    assert report.results["all"].error == "required 'a' failed (WaitFailed: no)"


def test_functions_of_the_callers_own_combine(go: Go) -> None:
    """In a thread, on copies, in the plan's order; what they raise fails the task, an unknown one the plan."""

    def collect(so_far: Any, value: Any) -> Any:
        so_far.update(value)
        return so_far

    def broken(so_far: Any, value: Any) -> Any:
        raise RuntimeError("out of order")

    shards = [says("a", {"x": 1}), says("b", {"y": 2})]
    own = {"collect": collect, "broken": broken}
    report = go(arun(plan(*shards, joins("b", "a", strategy="merge", mode="collect")), functions=own))
    assert report.results["all"].output == {"y": 2, "x": 1}
    assert report.results["b"].output == {"y": 2}
    report = go(arun(plan(*shards, joins("a", "b", strategy="reduce", function="broken")), functions=own))
    assert report.results["all"].error == "RuntimeError: out of order"
    with pytest.raises(PlanError, match=r"tasks\[2\]\.aggregate\.function: unknown function 'colect'; did you mean"):
        go(arun(plan(*shards, joins("a", "b", strategy="reduce", function="colect")), functions=own))
    with pytest.raises(FanwiseError, match="a function can't be called 'sum'"):
        build_graph(functions={"sum": collect})
    decorated = reducer("gather")(collect)
    report = go(arun(plan(*shards, joins("a", "b", strategy="merge", mode="gather")), functions=[decorated]))
    assert report.results["all"].output == {"x": 1, "y": 2} == decorated({"x": 1}, {"y": 2})
    with pytest.raises(FanwiseError, match="is no reducer: decorate the function"):
        build_graph(functions=[collect])  # type: ignore[list-item]
    with pytest.raises(FanwiseError, match="a specialist can't be called 'aggregate'"):
        build_graph([Specialist("aggregate", RunnableLambda(lambda given: 1))])


def test_a_function_that_takes_too_long_is_ended(go: Go) -> None:
    """By the task's own time-out, with a warning that its thread goes on."""

    def slow(so_far: Any, value: Any) -> Any:
        time.sleep(0.4)
        return value

    merge = {**joins("a", "b", strategy="reduce", function="slow"), "timeout_s": 0.05}
    report = go(arun(plan(says("a", 1), says("b", 2), merge), functions={"slow": slow}))
    assert told(report)["all"] == "timed_out"
    assert any("its function goes on in its thread" in warning for warning in report.warnings)


def test_results_are_summed_up(go: Go) -> None:
    """By the deterministic summarizer, or the graph's own one."""

    def shout(results: Mapping[str, Any], **_: Any) -> Summary:
        return Summary(text=" ".join(sorted(results)).upper())

    task = joins("a", "b", strategy="synthesize", min_results=1)
    report = go(arun(plan(says("a", {"rows": 3}), fails("b"), task)))
    assert "1 of 2 tasks succeeded" in report.results["all"].output["text"]
    report = go(arun(plan(says("a", {"rows": 3}), fails("b"), task), summarizer=shout))
    assert report.results["all"].output["text"] == "A B"


def test_outputs_that_are_kept_apart_are_combined(go: Go) -> None:
    """An aggregate, `when` and `transform` see whole outputs, wherever they are kept."""
    from langgraph.store.memory import InMemoryStore

    big = "x" * 500
    plan_ = plan(
        says("a", {"a": big}),
        says("b", {"b": big}),
        joins("a", "b", strategy="merge"),
        {"id": "end", "specialist": "wait", "depends_on": ["all"], "when": "results.all.b"}
        | {"transform": "{output: length(results.all.a)}"},
    )
    graph = build_graph(checkpointer=InMemorySaver(), store=InMemoryStore(), keep_apart=100)
    out = go(graph.ainvoke({"plan": plan_}, CONFIG))
    assert out["results"]["all"]["output_ref"] and out["results"]["end"]["output"] == 500


def test_the_deadline_cancels_an_aggregate_that_waits(go: Go) -> None:
    """It is cancelled like any other task."""
    report = go(arun(plan(hangs("a"), joins("a", strategy="merge")), context=RunContext(deadline_at=time.time() + 0.1)))
    assert told(report) == {"a": "cancelled", "all": "cancelled"}
    assert not report.results["a"].by_choice


def test_an_aggregate_waits_for_a_person_or_not(go: Go) -> None:
    """A branch that asks holds up whoever needs it; a run goes on where it stopped."""

    @specialist("asks")
    async def asks(task: Task) -> Any:
        return interrupt({"question": "how many?"})

    async def scenario() -> Any:
        graph = build_graph([asks], checkpointer=InMemorySaver())
        tasks = [{"id": "a", "specialist": "asks"}, says("b", 2), joins("a", "b", strategy="reduce", function="sum")]
        first = await execute(graph, {"plan": plan(*tasks)}, "thread")
        assert first.status == "paused" and told(first)["all"] == "pending"
        return await execute(graph, None, "thread", answers={first.interrupts[0].id: 40})

    report = go(scenario())
    assert report.status == "succeeded" and report.results["all"].output == 42


def test_a_loser_that_waits_for_a_person_is_not_asked_again(go: Go) -> None:
    """LangGraph leaves the question open when the race is over; whoever goes on with the run need not answer it."""
    calls: list[int] = []

    @specialist("asks")
    async def asks(task: Task) -> Any:
        calls.append(1)
        return interrupt({"question": "how many?"})

    async def scenario() -> Any:
        graph = build_graph([asks], checkpointer=InMemorySaver())
        slow = {"id": "b", "specialist": "wait", "input": {"seconds": 0.05, "output": 2}}
        tasks = [{"id": "a", "specialist": "asks"}, slow, joins("a", "b", strategy="race")]
        await graph.ainvoke({"plan": plan(*tasks)}, config_of("thread"))
        first = await show(graph, "thread")
        assert first.status == "paused" and told(first)["all"] == "succeeded"
        return await execute(graph, None, "thread")

    report = go(scenario())
    assert told(report) == {"a": "cancelled", "b": "succeeded", "all": "succeeded"}
    assert report.results["a"].by_choice and report.results["all"].let_go == ("a",)
    assert report.status == "succeeded" and len(calls) == 1


def test_a_loser_does_not_run_again_after_a_crash(go: Go, monkeypatch: pytest.MonkeyPatch) -> None:
    """The race had been decided; the process ended before the loser did."""
    monkeypatch.setattr("fanwise.nodes.attempt.GRACE_S", 0.2)
    ran: list[str] = []

    async def scenario() -> Any:
        ending = asyncio.Event()

        @specialist("work")
        async def work(task: Task) -> Any:
            ran.append(task.id)
            if task.id == "winner":
                return 1
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                ending.set()
                await asyncio.sleep(60)

        graph = build_graph([work], checkpointer=InMemorySaver())
        tasks = [{"id": name, "specialist": "work"} for name in ("loser", "winner")]
        first = asyncio.create_task(
            graph.ainvoke({"plan": plan(*tasks, joins("loser", "winner", strategy="race"))}, CONFIG)
        )
        await ending.wait()
        await asyncio.sleep(0.05)
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        return await graph.ainvoke(None, CONFIG)

    out = go(scenario())
    assert out["status"] == "succeeded" and out["results"]["loser"]["status"] == "cancelled"
    assert sorted(ran) == ["loser", "winner"]


def test_a_run_that_was_stopped_decides_as_it_would_have(go: Go) -> None:
    """What had ended before is there, and is not run again."""
    ran: list[str] = []

    async def scenario() -> Any:
        blocked, at_work = asyncio.Event(), asyncio.Event()

        @specialist("work")
        async def work(task: Task) -> Any:
            ran.append(task.id)
            if task.id == "slow":
                at_work.set()
                await blocked.wait()
            return task.id

        graph = build_graph([work], checkpointer=InMemorySaver())
        tasks = [{"id": name, "specialist": "work"} for name in ("a", "b", "slow")]
        vote = joins("a", "b", "slow", strategy="reduce", function="concat")
        first = asyncio.create_task(graph.ainvoke({"plan": plan(*tasks, vote)}, CONFIG))
        await at_work.wait()
        await asyncio.sleep(0.05)
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        blocked.set()
        return await graph.ainvoke(None, CONFIG)

    out = go(scenario())
    assert out["results"]["all"]["output"] == ["a", "b", "slow"]
    assert sorted(ran) == ["a", "b", "slow", "slow"]


def test_branches_in_other_batches_are_watched(go: Go) -> None:
    """An aggregate in one batch watches branches in others."""
    names = [f"t{i}" for i in range(300)]
    tasks = [says(name, 1) for name in names]
    report = go(arun(plan(*tasks, joins(*names, strategy="reduce", function="sum")), batch_size=50))
    assert report.results["all"].output == 300


def test_when_skips_what_has_nothing_to_do(go: Go) -> None:
    """It counts as done: dependents run without its result, and the run has succeeded."""
    seen: dict[str, Any] = {}

    @specialist("look")
    async def look(task: Task, results: Mapping[str, TaskResult]) -> Any:
        seen[task.id] = list(results)
        return 1

    plan_ = plan(
        says("load", {"rows": 0}),
        says("clean", 1, depends_on=["load"], when="results.load.rows > `0`"),
        {"id": "end", "specialist": "look", "depends_on": ["load", "clean"]},
        {"id": "any", "specialist": "look", "depends_on": ["clean"], "run_if": "none_failed"},
    )
    report = go(arun(plan_, specialists=[look]))
    assert told(report) == {"load": "succeeded", "clean": "skipped", "end": "succeeded", "any": "succeeded"}
    assert report.results["clean"].error == "its `when` is false: results.load.rows > `0`"
    assert seen == {"end": ["load"], "any": []}
    assert report.status == "succeeded"
    phased = go(arun({**plan_, "config": {"schedule": "phased"}}, specialists=[look]))
    assert told(phased) == told(report)


@pytest.mark.parametrize(
    ("when", "lost"),
    [
        ("results.load.row > `0`", "results.load.row is not there; results.load has rows, by"),
        ("results.load.by.eu.x", "results.load.by.eu is not there; results.load.by is empty"),
        ("results.load.items[0].x", "results.load.items is not there; results.load has rows, by"),
        ("results.load.rows.x", "results.load.rows.x is not there; results.load.rows is a whole number"),
    ],
)
def test_a_when_that_looks_at_nothing_says_so(go: Go, when: str, lost: str) -> None:
    """It may be meant, or misspelt: the task is skipped all the same, and reason and warning tell what is there."""
    tasks = (says("load", {"rows": 0, "by": {}}), says("clean", 1, depends_on=["load"], when=when))
    report = go(arun(plan(*tasks)))
    assert (report.status, told(report)["clean"]) == ("succeeded", "skipped")
    assert report.results["clean"].error == f"its `when` is false: {when} ({lost})"
    assert list(report.warnings) == [f"task 'clean' was skipped, and its `when` leads nowhere: {lost}"]


@pytest.mark.parametrize("when", ["input.x", "results.load.none", "results.no.x", "status.no == 'failed'"])
def test_a_when_that_is_just_false_warns_of_nothing(go: Go, when: str) -> None:
    """Nor does one that looks at a null, at an optional input, or at a result that a dependency did not come to."""
    no = says("no", 1, when="input.x")
    report = go(arun(plan(says("load", {"none": None}), no, says("clean", 1, depends_on=["load", "no"], when=when))))
    assert (told(report)["clean"], report.warnings) == ("skipped", ())


def test_a_when_that_fails_names_what_is_not_there(go: Go) -> None:
    """In words of its own, not in those of the library."""
    tasks = (says("load", {"rows": []}), says("clean", 1, depends_on=["load"], when="length(results.load.row) > `0`"))
    report = go(arun(plan(*tasks)))
    assert report.results["clean"].error == (
        "its `when` can't be evaluated: 'length(results.load.row) > `0`': length() takes text, a list or an object, "
        "got null; results.load.row is not there; results.load has rows"
    )


def test_an_aggregate_that_no_branch_gives_anything_says_so(go: Go) -> None:
    """Where nulls are left out, a misspelt path would be a sum of nothing, and a success."""
    report = go(arun(plan(*SHARDS, joins("a", "b", strategy="reduce", function="sum", value="y", nulls="skip"))))
    assert (report.status, report.results["all"].output) == ("succeeded", 0)
    assert list(report.warnings) == [
        "task 'all' was given nothing by its branches: 'a' ('value' leads nowhere: y is not there; the output has x, "
        "n); 'b' ('value' leads nowhere: y is not there; the output has x, n)"
    ]
    some = go(arun(plan(*SHARDS, says("c", {"y": 1}), joins("a", "c", strategy="merge", mode="concat", value="y"))))
    assert (some.results["all"].output, some.warnings) == ([None, 1], ())


@pytest.mark.parametrize("how", ["returned", "raised", "in a thread", "a runnable"])
def test_a_specialist_may_have_nothing_to_do(go: Go, how: str) -> None:
    """It says so by what it returns or raises; it is not tried again and no fallback takes its place."""
    calls: list[int] = []

    async def returned() -> Any:
        calls.append(1)
        return Skip("the log is empty")

    async def raised() -> Any:
        calls.append(1)
        try:
            raise Skip("the log is empty")
        except Exception:
            return "not reached"

    def in_thread() -> Any:
        calls.append(1)
        raise Skip("the log is empty")

    work = {"returned": returned, "raised": raised, "in a thread": in_thread, "a runnable": None}[how]
    made = Specialist("work", work or RunnableLambda(lambda given: Skip("the log is empty")))
    task = {"id": "a", "specialist": "work", "retry": {"max_attempts": 3, "initial_s": 0}, "fallback": {"output": 1}}
    report = go(arun(plan(task, says("b", 1, depends_on=["a"])), specialists=[made]))
    assert (report.results["a"].status, report.results["a"].error) == ("skipped", "the log is empty")
    assert report.results["b"].status == "succeeded" and report.status == "succeeded"
    assert len(calls) <= 1


def test_transform_makes_the_input(go: Go) -> None:
    """An object is laid over the input that is written; what can't be evaluated fails the task."""
    plan_ = plan(
        says("load", {"rows": 3}),
        says("a", 1, depends_on=["load"], transform="{output: results.load.rows}"),
        {
            "id": "b",
            "specialist": "wait",
            "depends_on": ["load"],
            "transform": "{output: input}",
            "input": {"seconds": 0},
        },
        says("c", 1, depends_on=["load"], transform="abs(results.load)"),
    )
    report = go(arun(plan_))
    assert report.results["a"].output == 3
    assert report.results["b"].output == {"seconds": 0}
    assert report.results["c"].status == "failed"
    assert "its `transform` can't be evaluated: 'abs(results.load)': abs() takes a number" in report.results["c"].error


def test_run_gives_the_report_of_an_aggregate() -> None:
    """The one-call form takes functions too."""
    report = run(plan(says("a", 1), says("b", 2), joins("a", "b", strategy="reduce", function="mean")))
    assert report.results["all"].output == 1.5


def test_what_is_cut_between_its_start_and_its_work_ends(go: Go) -> None:
    """A loser that was told to start, and has not begun, does not begin to hang."""

    async def scenario() -> None:
        board = Board(None, {}, lambda event: None, None)
        seat = board.enter({"task": {"id": "a", "specialist": "wait"}})
        assert await seat.admitted() == "start"
        seat.cut_short("lost the race")
        with pytest.raises(AttemptCut):
            await asyncio.wait_for(run_attempt(asyncio.sleep(3600), None, seat), 5)

    go(scenario())


def test_what_failed_is_tried_again_and_what_lost_is_not(go: Go) -> None:
    """A retry leaves the losers of a race alone, and lets an aggregate that failed decide anew."""
    broken = [True]

    @specialist("flaky")
    async def flaky(task: Task) -> Any:
        if broken[0]:
            raise RuntimeError("not yet")
        return 1

    async def scenario() -> Any:
        graph = build_graph([flaky], checkpointer=InMemorySaver())
        race, total = (
            joins("quick", "slow", strategy="race", task_id="race"),
            joins("a", "race", strategy="reduce", function="count"),
        )
        tasks = [says("quick", 1), hangs("slow"), race, {"id": "a", "specialist": "flaky"}, total]
        first = await execute(graph, {"plan": plan(*tasks)}, "thread")
        assert told(first)["all"] == "failed" and first.status == "failed"
        broken[0] = False
        again = await retry(graph, "thread")
        return again, await execute(graph, None, "thread")

    again, report = go(scenario())
    assert again == ["a", "all"]
    assert report.status == "succeeded" and report.results["all"].output == 2
    assert told(report)["slow"] == "cancelled"
