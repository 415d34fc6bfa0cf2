"""What a reader of a run's trace sees: the bytes that LangSmith's own client posts, put together again."""

from __future__ import annotations

import asyncio
import logging
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import interrupt
from langsmith_sink import Sink, metadata
from openai_server import OpenAIServer, Say

from fanwise.graph import arun, build_graph, specialist
from fanwise.graph.again import retry
from fanwise.graph.going_on import config_of
from fanwise.graph.run import execute
from fanwise.state import Report
from fanwise.tracing import Tracing, flush
from fanwise.tracing.relays import close_all


def wait_task(task_id: str, **fields: Any) -> dict[str, Any]:
    """Return a task that waits for a moment."""
    return {"id": task_id, "specialist": "wait", "input": {"seconds": 0.01}, **fields}


def traced(plan: dict[str, Any], **options: Any) -> Report:
    """Run a plan, and wait until its trace is sent."""
    report = asyncio.run(arun(plan, **options))
    assert flush(10)
    return report


RELEASE = {
    "name": "release",
    "request": "Is the release ready?",
    "config": {"max_parallel": 1},
    "tasks": [
        wait_task("build", description="Builds the wheel", input={"seconds": 0.03, "output": {"wheel": "shop.whl"}}),
        wait_task("lint", input={"seconds": 0.01, "fail_times": 1}, retry={"max_attempts": 3, "initial_s": 0.03}),
        wait_task(
            "publish", depends_on=["build", "lint"], input={"seconds": 5}, timeout_s=0.05, fallback={"output": 0}
        ),
        {"id": "all", "specialist": "aggregate", "depends_on": ["build", "lint"], "aggregate": {"strategy": "merge"}},
    ],
}


def test_the_tree_tells_the_run_its_tasks_attempts_and_waits(sink: Sink) -> None:
    """Each task has its own name; waits, attempts and aggregates stand under it."""
    assert traced(RELEASE).status == "succeeded"
    (root,) = sink.roots()
    assert root["name"] == "Is the release ready?"
    rows = [child["name"] for child in sink.children(root)]
    assert rows[0] == "planner" and rows[-2:] == ["collect", "synthesizer"]
    assert set(rows[1:-2]) == {"build: Builds the wheel", "lint", "publish", "all"}
    below = {row: [child["name"] for child in sink.children(sink.named(row))] for row in rows}
    assert below["build: Builds the wheel"][-1] == "attempt 1"
    lint = [row for row in below["lint"] if row != "waits for a slot"]  # as it may, where others are quicker
    assert lint[-3:] == ["attempt 1", "waits to try again", "attempt 2"]
    assert below["publish"][0] == "waits for build, lint" and below["publish"][-1] == "attempt 1"
    assert below["all"][0] == "waits for build, lint" and below["all"][-1] == "merge"
    assert all(run.get("end_time") for run in sink.runs.values())
    waits = [run for run in sink.runs.values() if "wait" in run.get("tags", ())]
    assert {metadata(run)["wait"] for run in waits} == {"slot", "retry", "dependencies"}


def test_tasks_can_be_found_by_metadata_and_tags(sink: Sink) -> None:
    """Task id, specialist, attempt, status, superstep, plan and thread."""
    report = traced(RELEASE)
    build = sink.named("build: Builds the wheel")
    told = metadata(build)
    assert told["task_id"] == "build" and told["specialist"] == "wait" and told["superstep"] == 0
    assert told["status"] == "succeeded" and told["plan"] == "release" and told["thread_id"] == report.thread_id
    assert {"task", "task:build", "specialist:wait", "status:succeeded"} <= set(build["tags"])
    assert build["inputs"]["description"] == "Builds the wheel"
    assert build["outputs"]["output"] == {"wheel": "shop.whl"}
    failed = next(run for run in sink.children(sink.named("lint")) if run["name"] == "attempt 1")
    assert "told to fail" in failed["error"] and metadata(failed)["attempt"] == 1
    assert metadata(failed)["task_id"] == "lint" and metadata(failed)["status"] == "failed"
    timed_out = sink.children(sink.named("publish"))[-1]
    assert timed_out["error"].startswith("TimeoutError('no answer within 0.05 s')")
    assert metadata(timed_out)["status"] == "timed_out"


def test_a_failed_task_is_an_error_in_the_trace(sink: Sink) -> None:
    """A failed task is a result like any other in the run, and stands out in its trace all the same."""
    plan = {"tasks": [wait_task("bad", input={"seconds": 0, "fail_times": 9}), wait_task("good")]}
    assert traced(plan).status == "failed"
    assert sink.named("bad")["error"].startswith("TaskError('failed: ")
    assert metadata(sink.named("bad"))["status"] == "failed"
    assert not sink.named("good").get("error")


def test_a_pause_its_resume_and_a_retry_are_linked(sink: Sink) -> None:
    """They are three traces of one thread, and each names the one before."""
    calls: list[int] = []

    @specialist("ask")
    def ask(task: Any) -> Any:
        calls.append(1)
        answer = interrupt({"question": "which host?"})
        if answer == "none":
            raise ValueError("there must be one")
        return answer

    graph = build_graph([ask], checkpointer=InMemorySaver())
    plan = {"request": "Restart a host", "tasks": [{"id": "host", "specialist": "ask"}, wait_task("other")]}

    async def three() -> list[str]:
        paused = await execute(graph, {"plan": plan}, "t1")
        answer = {paused.interrupts[0].id: "none"}
        failed = await execute(graph, None, "t1", answers=answer)
        await retry(graph, "t1")
        again = await execute(graph, None, "t1")
        return [paused.status, failed.status, again.status]

    assert asyncio.run(three()) == ["paused", "failed", "paused"]
    assert flush(10)
    first, second, third = sink.roots()
    assert {root["name"] for root in (first, second, third)} == {"Restart a host"}
    assert {metadata(root)["thread_id"] for root in (first, second, third)} == {"t1"}
    assert metadata(second)["resumes"] == first["id"] and metadata(third)["resumes"] == second["id"]
    assert "run" in first["tags"] and "resume" in second["tags"] and "retry" in third["tags"]
    paused = next(run for run in sink.children(first) if run["name"] == "host")
    assert paused["error"].startswith("GraphInterrupt(") and metadata(paused)["status"] == "paused"
    assert "status:paused" in paused["tags"]
    assert [run["name"] for run in sink.children(second) if metadata(run).get("task_id")] == ["host"]


def test_a_cancelled_run_leaves_no_open_row(sink: Sink) -> None:
    """What was at work is marked as cancelled."""

    async def cancelled() -> None:
        begun = asyncio.Event()

        def on_event(event: Any) -> None:
            if event["type"] == "task_started":
                begun.set()

        running = asyncio.create_task(arun({"tasks": [wait_task("long", input={"seconds": 30})]}, on_event=on_event))
        await begun.wait()
        await asyncio.sleep(0.05)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running

    asyncio.run(cancelled())
    assert flush(10)
    assert all(run.get("end_time") for run in sink.runs.values())
    assert "CancelledError" in sink.named("attempt 1")["error"]


def test_a_deadline_is_told_of_the_attempt_that_it_cut(sink: Sink) -> None:
    """The attempt says why it was ended."""
    plan = {"config": {"deadline_s": 1.5}, "tasks": [wait_task("long", input={"seconds": 30})]}
    traced(plan)
    assert "deadline" in sink.named("attempt 1")["error"]
    assert metadata(sink.named("long"))["status"] == "cancelled"


@pytest.mark.parametrize("zstd", [True, False])
def test_many_tasks(monkeypatch: pytest.MonkeyPatch, sink: Sink, zstd: bool) -> None:
    """Every one of 150 tasks, in batches, arrives, compressed or not."""
    sink.zstd = zstd
    tasks = [wait_task(f"t{n}", input={"seconds": 0}) for n in range(150)]
    assert traced({"name": "many", "tasks": tasks}).status == "succeeded"
    (root,) = sink.roots()
    names = [run["name"] for run in sink.under(root) if "task" in run.get("tags", ())]
    assert sorted(names) == sorted(f"t{n}" for n in range(150))
    assert ("zstd" in sink.encodings) == zstd
    assert all(run.get("end_time") for run in sink.runs.values())


def test_refused_batches_are_sent_again(sink: Sink) -> None:
    """A server that has too many requests gets all of it later."""
    sink.left_to_fail = 2
    traced(RELEASE)
    assert {"planner", "build: Builds the wheel", "synthesizer"} <= {run["name"] for run in sink.runs.values()}


def test_models_and_tools_stand_under_the_attempt_that_calls_them(sink: Sink, monkeypatch: pytest.MonkeyPatch) -> None:
    """With ChatOpenAI against a server that speaks its protocol: an agent's model, its tool, the summary's model."""
    from langchain.agents import create_agent

    @tool
    def rows(table: str) -> int:
        """Count the rows of a table."""
        return len(table)

    def answer(body: dict[str, Any]) -> Say:
        if body["messages"][-1]["role"] == "tool" or not body.get("tools"):
            return Say("There are 6 rows.")
        return Say(tools=[("rows", {"table": "orders"})])

    with OpenAIServer(answer) as server:
        monkeypatch.setenv("OPENAI_API_KEY", "test-key")
        model = ChatOpenAI(model="scripted", base_url=server.base_url, api_key="test-key", max_retries=0)
        agent = create_agent(model, [rows])

        @specialist("asks")
        async def asks(task: Any) -> Any:
            return (await model.ainvoke("How many?")).text

        @specialist("asks_in_thread")
        def asks_in_thread(task: Any) -> Any:
            return model.invoke("How many?").text

        plan = {
            "request": "Count",
            "tasks": [
                {"id": "count", "specialist": "counter", "description": "Counts the orders"},
                {"id": "direct", "specialist": "asks"},
                {"id": "thread", "specialist": "asks_in_thread"},
            ],
        }
        specialists = {"counter": agent, "asks": asks, "asks_in_thread": asks_in_thread}
        report = traced(plan, specialists=specialists, model=model)
    assert report.status == "succeeded"
    by_task = {
        run["name"]: [(inner["name"], inner["run_type"]) for inner in sink.under(run) if inner["run_type"] != "chain"]
        for run in sink.children(sink.roots()[0])
    }
    assert by_task["count: Counts the orders"] == [("ChatOpenAI", "llm"), ("rows", "tool"), ("ChatOpenAI", "llm")]
    assert by_task["direct"] == by_task["thread"] == [("ChatOpenAI", "llm")]
    assert by_task["synthesizer"] == [("ChatOpenAI", "llm")]
    llm = next(run for run in sink.under(sink.named("direct")) if run["run_type"] == "llm")
    assert metadata(llm)["task_id"] == "direct" and metadata(llm)["attempt"] == 1
    assert metadata(llm)["usage_metadata"]["total_tokens"] > 0
    assert len([run for run in sink.runs.values() if run["run_type"] == "llm"]) == 5


def test_feedback_tells_the_status_and_scores(sink: Sink) -> None:
    """With `feedback`, a run's status is its feedback; a function makes further scores."""

    def scores(output: Any) -> dict[str, float]:
        return {"tasks": float(len(output["results"]))}

    traced({"tasks": [wait_task("a"), wait_task("b")]}, tracing=Tracing(feedback=scores))
    given = {item["key"]: (item.get("score"), item.get("value")) for item in sink.feedback}
    assert given == {"status": (1.0, "succeeded"), "tasks": (2.0, None)}
    assert {item["run_id"] for item in sink.feedback} == {sink.roots()[0]["id"]}


def test_the_caller_s_own_names_stand(sink: Sink) -> None:
    """`run_name`, tags and metadata of a caller's configuration go before ours."""
    graph = build_graph(checkpointer=InMemorySaver())
    config: Any = {**config_of("t2"), "run_name": "mine", "tags": ["nightly"], "metadata": {"team": "shop"}}
    asyncio.run(graph.ainvoke({"plan": {"tasks": [wait_task("a")]}}, config))
    assert flush(10)
    (root,) = sink.roots()
    assert root["name"] == "mine" and "nightly" in root["tags"] and metadata(root)["team"] == "shop"


def test_a_run_inside_another_trace_stands_below_it(sink: Sink) -> None:
    """A function that is traced with LangSmith's own decorator is the run's parent."""
    from langsmith import traceable

    @traceable(name="nightly job")
    async def job() -> str:
        return (await arun({"name": "inner", "tasks": [wait_task("a")]})).status

    assert asyncio.run(job()) == "succeeded"
    assert flush(10)
    from langchain_core.tracers.langchain import wait_for_all_tracers

    wait_for_all_tracers()
    assert sink.named("inner")["parent_run_id"] == sink.named("nightly job")["id"]
    _close_default_client()


def _close_default_client() -> None:
    from langsmith import run_trees

    if run_trees._CLIENT is not None:
        run_trees._CLIENT.close(5)
        run_trees._CLIENT = None


def test_invoke_is_traced_too(sink: Sink) -> None:
    """Without an event loop."""
    build_graph().invoke({"plan": {"name": "sync", "tasks": [wait_task("a", description="Waits")]}})
    assert flush(10)
    assert [run["name"] for run in sink.children(sink.named("a: Waits"))] == ["attempt 1"]


def test_an_endpoint_that_is_down_costs_nothing(monkeypatch: pytest.MonkeyPatch, caplog: Any, tmp_path: Path) -> None:
    """The run is as fast, its end is not held up, and the log says once that nothing was sent."""
    monkeypatch.setenv("LANGSMITH_TRACING", "true")
    monkeypatch.setenv("LANGSMITH_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("LANGSMITH_API_KEY", "lsv2_pt_none_at_all")
    begun = time.monotonic()
    report = asyncio.run(arun(RELEASE))
    assert report.status == "succeeded"
    with caplog.at_level(logging.WARNING, logger="fanwise"):
        assert not flush(5)
        close_all(5)
    assert time.monotonic() - begun < 4
    assert [record.getMessage() for record in caplog.records if record.name == "fanwise.tracing"] == [
        "traces were not sent: LangSmith can't be reached"
    ]


def test_nothing_is_sent_where_tracing_is_off(sink: Sink) -> None:
    """`Tracing(langsmith=False)` wins over the environment."""
    asyncio.run(arun(RELEASE, tracing=Tracing(langsmith=False)))
    flush(1)
    assert not sink.raw


def test_a_wait_for_a_person_who_is_there_is_a_row(sink: Sink) -> None:
    """It is told apart from the work."""

    async def asker(question: Any) -> Any:
        await asyncio.sleep(0.05)
        return {"type": "approve"}

    graph = build_graph(checkpointer=InMemorySaver())
    plan = {"tasks": [wait_task("deploy", review="before")]}
    report = asyncio.run(execute(graph, {"plan": plan}, "t3", asker=asker))
    assert report.status == "succeeded" and flush(10)
    below = {run["name"] for run in sink.under(sink.named("deploy"))}
    assert {"review", "attempts", "waits for a person", "attempt 1"} <= below
    assert metadata(sink.named("waits for a person"))["wait"] == "person"


SCRIPT = """
import asyncio
from fanwise.graph import arun
plan = {"name": "script", "tasks": [{"id": f"t{n}", "specialist": "wait"} for n in range(20)]}
print(asyncio.run(arun(plan)).status)
"""


def test_a_program_that_ends_has_sent_its_traces(sink: Sink) -> None:
    """Without a call of `flush`; and one whose server is down ends all the same."""
    for place, arrives in ((sink.url, True), ("http://127.0.0.1:9", False)):
        sink.runs.clear()
        env = {**os.environ, "LANGSMITH_ENDPOINT": place}
        done = subprocess.run([sys.executable, "-c", SCRIPT], env=env, capture_output=True, text=True, timeout=100)
        assert done.stdout == "succeeded\n" and done.returncode == 0, done.stderr
        assert [run["name"] for run in sink.roots()] == (["script"] if arrives else [])
        assert all(run.get("end_time") for run in sink.runs.values())
        assert len([run for run in sink.runs.values() if "task" in run["tags"]]) == (20 if arrives else 0)
