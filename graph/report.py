"""A run's state as the report that people and scripts read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from langgraph.types import StateSnapshot

from ..reducers.outcome import run_metrics
from ..schema.errors import RunError
from ..schema.results import Metrics, PendingInterrupt, Report, RunStatus, Summary, TaskResult, TaskStatus
from .runtime import saved_results


def report_of(snapshot: StateSnapshot, thread_id: str) -> Report:
    """Return the report of a run, finished or not.

    Results that finished branches of an interrupted superstep have saved are in it; tasks without a result are
    `pending`, or `paused` where they wait for a person.

    Raises:
        RunError: the thread holds no run.
    """
    values = snapshot.values
    if not values.get("run_id"):
        raise RunError(f"thread {thread_id!r} holds no planned run")
    results = {**(values.get("results") or {}), **dict(saved_results(snapshot))}
    interrupts = _open_questions(snapshot, results)
    finished = bool(values.get("summary")) and not snapshot.next
    waiting = {question.task_id for question in interrupts}
    tasks = values["plan"]["tasks"]
    return Report(
        thread_id=thread_id,
        status=values["status"] if finished else _unfinished(interrupts),
        summary=_summary(values, finished, len(results), len(tasks)),
        results={task["id"]: _result(task, results, waiting) for task in tasks},
        metrics=Metrics.model_validate(values["metrics"])
        if finished
        else run_metrics(tasks, results, values.get("superstep", 0)),
        interrupts=interrupts,
        warnings=tuple(values.get("warnings") or ()),
    )


def _unfinished(interrupts: tuple[PendingInterrupt, ...]) -> RunStatus:
    return "paused" if interrupts else "interrupted"


def _summary(values: Mapping[str, Any], finished: bool, done: int, total: int) -> Summary:
    if finished:
        return Summary.model_validate(values["summary"])
    return Summary(text=f"The run is not finished: {done} of {total} tasks have ended.")


def _result(task: Mapping[str, Any], results: Mapping[str, Any], waiting: set[str | None]) -> TaskResult:
    if (result := results.get(task["id"])) is not None:
        return TaskResult.model_validate(result)
    status: TaskStatus = "paused" if task["id"] in waiting else "pending"
    return TaskResult(task_id=task["id"], specialist=task["specialist"], status=status)


def _open_questions(snapshot: StateSnapshot, results: Mapping[str, Any]) -> tuple[PendingInterrupt, ...]:
    """Return the questions that wait for a person, of tasks that have no result yet."""
    found: dict[str, PendingInterrupt] = {}
    for task in snapshot.tasks:
        inner = task.state if isinstance(task.state, StateSnapshot) else None
        if inner is not None:
            found.update((question.id, question) for question in _open_questions(inner, results))
            continue
        for interrupt in task.interrupts:
            found[interrupt.id] = PendingInterrupt(
                id=interrupt.id, task_id=_task_id(interrupt.value), value=interrupt.value
            )
    return tuple(question for question in found.values() if question.task_id not in results)


def _task_id(value: Any) -> str | None:
    """Return the task that asks, where the question names it."""
    return value.get("task_id") if isinstance(value, Mapping) else None
