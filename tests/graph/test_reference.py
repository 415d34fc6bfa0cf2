"""Random plans against a small model of what must have run, failed, been skipped."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Mapping
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from langgraph.checkpoint.memory import InMemorySaver
from thorough import examples

from fanwise.graph import build_graph, specialist
from fanwise.state import Task, TaskResult

RULES = ["all_success", "all_done", "one_success", "one_failed", "none_failed", "always"]
BEHAVIOURS = ["ok", "ok", "ok", "fail", "hang", "flaky", "fallback"]


@st.composite
def plans(draw: st.DrawFn) -> dict[str, Any]:
    """A random plan: dependencies, rules, failures, time-outs, retries, slots, schedule."""
    tasks = []
    for index in range(draw(st.integers(1, 14))):
        behaviour = draw(st.sampled_from(BEHAVIOURS))
        task: dict[str, Any] = {
            "id": f"t{index}",
            "specialist": draw(st.sampled_from(["work", "work in thread"])) if behaviour != "hang" else "work",
            "depends_on": [f"t{i}" for i in sorted(draw(st.sets(st.integers(0, index - 1), max_size=3)))]
            if index
            else [],
            "run_if": draw(st.sampled_from(RULES)),
            "required": draw(st.booleans()),
            "input": {"do": behaviour, "s": draw(st.sampled_from([0, 0, 0.001, 0.003]))},
            "retry": {"max_attempts": draw(st.integers(1, 3)), "initial_s": 0.001},
        }
        if behaviour == "hang":
            task |= {"timeout_s": 0.03, "retry": None}
        if behaviour == "flaky":
            task["retry"] = {"max_attempts": 2, "initial_s": 0.001}
        if behaviour == "fallback":
            task["fallback"] = {"output": "fallback"}
        tasks.append(task)
    soft = draw(st.booleans())
    config = {
        "max_parallel": draw(st.sampled_from([None, 1, 2, 5])),
        "schedule": draw(st.sampled_from(["dataflow", "phased"])),
        **({"on_failure": "soft", "min_success": draw(st.integers(1, len(tasks)))} if soft else {}),
    }
    return {"tasks": draw(st.permutations(tasks)), "config": config}


def expected(plan: dict[str, Any]) -> dict[str, str]:
    """The reference: each task's final status, by the meaning of the rules alone; `idle`: nothing failed for it."""
    tasks, found = {task["id"]: task for task in plan["tasks"]}, dict[str, str]()
    for number in range(len(tasks)):
        task = tasks[f"t{number}"]
        ended = [found[need] for need in task["depends_on"]]
        failed = [status for status in ended if status in ("failed", "timed_out")]
        idle = ended and set(ended) <= ({"succeeded", "idle"} if task["run_if"] == "one_failed" else {"idle"})
        runs = not (idle and task["run_if"] not in ("all_done", "always")) and (
            not ended
            or {
                "all_success": all(status in ("succeeded", "idle") for status in ended),
                "all_done": True,
                "one_success": "succeeded" in ended,
                "one_failed": bool(failed),
                "none_failed": not failed,
                "always": True,
            }[task["run_if"]]
        )
        ends = {"fail": "failed", "hang": "timed_out"}.get(task["input"]["do"], "succeeded")
        found[task["id"]] = ends if runs else "idle" if idle else "skipped"
    return found


class Meter:
    """Counts what runs, and how many at once."""

    def __init__(self) -> None:
        self.calls: Counter[str] = Counter()
        self.now = self.most = 0

    def __enter__(self) -> None:
        self.now += 1
        self.most = max(self.most, self.now)

    def __exit__(self, *_: object) -> None:
        self.now -= 1


@settings(max_examples=examples(40, 300), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(plans(), st.sampled_from([2, 5, 250]), st.booleans())
def test_every_task_ends_as_the_reference_says(plan: dict[str, Any], batch_size: int, saved: bool) -> None:
    """Statuses, attempts, outputs, the run's status and the limit hold for any plan, schedule and batching."""
    meter = Meter()

    def outcome(task: Task, results: Mapping[str, TaskResult], attempt: int) -> Any:
        assert isinstance(task.input, dict)
        if task.input["do"] in ("fail", "fallback") or (task.input["do"] == "flaky" and attempt == 1):
            raise OSError("as told")
        return {"id": task.id, "got": sorted(results)}

    @specialist("work")
    async def work(task: Task, results: Mapping[str, TaskResult], attempt: int) -> Any:
        meter.calls[task.id] += 1
        with meter:
            assert isinstance(task.input, dict)
            await asyncio.sleep(60 if task.input["do"] == "hang" else task.input["s"])  # type: ignore[arg-type]
            return outcome(task, results, attempt)

    @specialist("work in thread")
    def work_in_thread(task: Task, results: Mapping[str, TaskResult], attempt: int) -> Any:
        meter.calls[task.id] += 1
        with meter:
            assert isinstance(task.input, dict)
            time.sleep(task.input["s"])  # type: ignore[arg-type]
            return outcome(task, results, attempt)

    graph = build_graph([work, work_in_thread], checkpointer=InMemorySaver() if saved else None, batch_size=batch_size)
    out = asyncio.run(asyncio.wait_for(graph.ainvoke({"plan": plan}, {"configurable": {"thread_id": "t"}}), 30))

    reference, results = expected(plan), out["results"]
    assert {key: "idle" if one.get("by_choice") else one["status"] for key, one in results.items()} == reference
    assert list(results) == [task["id"] for task in plan["tasks"]]
    for task in plan["tasks"]:
        result, calls = results[task["id"]], meter.calls[task["id"]]
        attempts = {"flaky": 2, "hang": 1, "ok": 1}.get(task["input"]["do"], (task["retry"] or {}).get("max_attempts"))
        assert result["attempts"] == calls == (0 if reference[task["id"]] in ("skipped", "idle") else attempts)
        if result["status"] == "succeeded" and not result["fallback"]:
            assert result["output"]["id"] == task["id"]
            if task["run_if"] in ("all_success", "all_done", "none_failed"):
                there = [need for need in task["depends_on"] if reference[need] != "idle"]
                assert result["output"]["got"] == sorted(there)
    limit = plan["config"]["max_parallel"]
    assert limit is None or meter.most <= limit
    assert out["status"] == _run_status(plan, reference)


def _run_status(plan: dict[str, Any], reference: Mapping[str, str]) -> str:
    done = {task_id for task_id, status in reference.items() if status == "succeeded"}
    good = {task_id for task_id, status in reference.items() if status in ("succeeded", "idle")}
    if len(good) == len(reference):
        return "succeeded"
    if all(task["id"] in good for task in plan["tasks"] if task["required"]):
        return "partial"
    if plan["config"].get("on_failure") == "soft" and len(done) >= plan["config"]["min_success"]:
        return "partial"
    return "failed"
