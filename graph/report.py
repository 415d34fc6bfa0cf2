"""A run's state as the report that people and scripts read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from langgraph.checkpoint.base import BaseCheckpointSaver, CheckpointTuple
from langgraph.types import StateSnapshot

from ..nodes.outputs import Outputs
from ..reducers.outcome import run_metrics
from ..schema.errors import RunError
from ..schema.results import Metrics, Report, RunStatus, Summary, TaskResult, TaskStatus
from .questions import Questions
from .runtime import saved_results

PLAN = "plan"
"""The channel that holds the plan."""


def report_of(snapshot: StateSnapshot, thread_id: str, questions: Questions) -> Report:
    """Return the report of a run, finished or not.

    Results that finished branches of an interrupted superstep have saved are in it; tasks without a result are
    `pending`, or `paused` where they wait for a person.

    Args:
        snapshot: the run's state, with its sub-graphs.
        thread_id: the run.
        questions: what waits for a person, or is answered.

    Raises:
        RunError: the thread holds no run.
    """
    values = snapshot.values
    if not is_planned(values):
        raise RunError(f"thread {thread_id!r} holds no planned run")
    results = {**(values.get("results") or {}), **dict(saved_results(snapshot))}
    finished = bool(values.get("summary")) and not snapshot.next
    waiting = {question.task_id for question in questions.open}
    tasks = values["plan"]["tasks"]
    return Report(
        thread_id=thread_id,
        status=values["status"] if finished else _unfinished(questions),
        summary=_summary(values, finished, len(results), len(tasks), questions),
        results={task["id"]: _result(task, results, waiting) for task in tasks},
        metrics=Metrics.model_validate(values["metrics"])
        if finished
        else run_metrics(tasks, results, values.get("superstep", 0), values.get("usage"), values.get("currency")),
        interrupts=questions.open,
        answered=questions.answered,
        warnings=tuple(values.get("warnings") or ()),
        left_out=values.get("left_out") or 0,
    )


async def with_outputs(report: Report, outputs: Outputs) -> Report:
    """Return a report with its large outputs in it; one that is lost, or not to be read, stays a reference."""
    if outputs.store is None or not any(result.output_ref for result in report.results.values()):
        return report
    dumped = {
        task_id: result.model_dump(mode="json") for task_id, result in report.results.items() if result.output_ref
    }
    read, lost = await outputs.read(dumped)
    whole = {task_id: TaskResult.model_validate(result) for task_id, result in read.items()}
    return report.model_copy(update={"results": {**report.results, **whole}, "warnings": (*report.warnings, *lost)})


async def stored_plan(saver: BaseCheckpointSaver[Any], saved: CheckpointTuple) -> Mapping[str, Any] | None:
    """Return the plan of the run that a checkpoint belongs to, without its graph; `None` where it has none yet.

    The plan's channel keeps changes: what was written last, or else what an ancestor holds whole, is the plan.
    """
    held = saved.checkpoint["channel_values"].get(PLAN)
    if held is None:
        history = (await saver.aget_delta_channel_history(config=saved.config, channels=[PLAN]))[PLAN]
        written = [value for _, _, value in history["writes"]]
        held = written[-1] if written else history.get("seed")
    plan: Mapping[str, Any] | None = held if held is None or isinstance(held, Mapping) else held.value
    return plan or None


def is_planned(values: Mapping[str, Any]) -> bool:
    """Tell whether a state holds a run with its plan, and not an input that is yet to be planned."""
    return bool(values.get("run_id") and values.get("plan"))


def _unfinished(questions: Questions) -> RunStatus:
    return "paused" if questions.open else "interrupted"


def _summary(values: Mapping[str, Any], finished: bool, done: int, total: int, questions: Questions) -> Summary:
    if finished:
        return Summary.model_validate(values["summary"])
    verb = "has" if 1 in (done, total) else "have"
    text = f"The run is not finished: {done} of {_counted(total, 'task')} {verb} ended."
    if questions.open:
        text += f" It waits for a person: {_counted(len(questions.open), 'question')}."
    if questions.answered:
        text += f" {_counted(len(questions.answered), 'answer')} will be used when it goes on."
    return Summary(text=text)


def _counted(count: int, word: str) -> str:
    return f"{count} {word}{'s' * (count != 1)}"


def _result(task: Mapping[str, Any], results: Mapping[str, Any], waiting: set[str | None]) -> TaskResult:
    if (result := results.get(task["id"])) is not None:
        return TaskResult.model_validate(result)
    status: TaskStatus = "paused" if task["id"] in waiting else "pending"
    return TaskResult(task_id=task["id"], specialist=task["specialist"], status=status)
