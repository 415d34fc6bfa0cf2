"""What the tools return: typed, bounded in size, with a way to get what was left out."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import pydantic_core
from pydantic import BaseModel, Field, JsonValue

from ..graph.explain import Explanation
from ..nodes.summary.text import clean
from ..runs.question_text import whole_text
from ..runs.questions import Asked, all_asked
from ..schema.results import Finding, Report, RunStatus, Severity, TaskResult, TaskStatus

TEXT = 16_000
"""Characters of a summary."""

LISTED = 100
"""Tasks, and phases of a plan, in one result."""

FINDINGS = 20
"""Findings, recommendations, warnings and the like in one result."""

OUTPUT = 2_000
"""Characters of a task's output, as JSON, that stands in its run's result."""

OUTPUTS = 20_000
"""Characters of all outputs there."""

LINE = 600
"""Characters of an error, a recommendation and the like."""

DEEP = 50
"""Levels of an output that stands in a result: the protocol's own library gives up at a few hundred."""

PAGE = 30_000
"""Characters of one task's output that `get_run` returns at once."""

FIRST = ("failed", "timed_out", "paused", "cancelled", "running", "pending")
"""Tasks of these kinds stand first where not all are listed."""


class TaskOutcome(BaseModel):
    """One task of a run."""

    task_id: str
    specialist: str
    status: TaskStatus
    error: str | None = None
    duration_s: float = 0.0
    attempts: int = 0
    output: JsonValue = None
    """What it returned; `null` where that is large or nested deeply, see `output_chars`."""
    output_chars: int | None = None
    """Size of an output that was left out: `get_run` with this `task_id` returns it."""


class Question(BaseModel):
    """Something that a person has to decide before the run can go on."""

    id: str
    task_id: str | None = None
    """The task that asks; none for the plan."""
    kind: Literal["plan", "before", "after", "tools", "call", "own"]
    question: str
    """What is asked, as text."""
    allowed: list[str] = Field(default_factory=list)
    """Decisions that may be given; empty where any text or JSON will do."""
    expires_at: str | None = None


class Answer(BaseModel):
    """The summary of a run."""

    text: str
    severity: Severity | None = None
    impact: str = ""
    findings: list[Finding] = Field(default_factory=list)
    recommendations: list[str] = Field(default_factory=list)
    not_checked: list[str] = Field(default_factory=list)


class Counts(BaseModel):
    """Counts and times of a run; times are seconds."""

    tasks: int
    succeeded: int
    failed: int
    timed_out: int
    skipped: int
    cancelled: int
    makespan_s: float
    sequential_s: float
    speedup: float | None = None
    tokens: int | None = None
    cost: float | None = None


class RunResult(BaseModel):
    """How a run ended, or where it stands."""

    thread_id: str
    """The run's name, for `resume_run` and `get_run`."""
    status: RunStatus
    next: str = ""
    """What can be done now, where there is something."""
    summary: Answer
    questions: list[Question] = Field(default_factory=list)
    metrics: Counts
    tasks: list[TaskOutcome] = Field(default_factory=list)
    tasks_left_out: int = 0
    """Tasks that are not listed; `get_run` with `first_task` lists them."""
    warnings: list[str] = Field(default_factory=list)


class RunDetails(RunResult):
    """A run, and the whole output of one of its tasks where that was asked for."""

    output_text: str | None = None
    """The task's output as JSON text, from `offset` on."""
    next_offset: int | None = None
    """Where the rest begins; none if there is no rest."""


class PlanExplanation(BaseModel):
    """What is to be expected of a plan; times are seconds."""

    tasks: int
    slots: int | None
    phases: list[list[str]]
    """Ids by level; where there are many, the first ones."""
    phase_sizes: list[int]
    """Tasks of each level."""
    critical_path: list[str]
    critical_path_s: float
    total_s: float
    lower_bound_s: float
    expected_makespan_s: float
    phased_makespan_s: float
    speedup: float


def run_result(report: Report, first_task: int = 0) -> RunResult:
    """Return a report in the size that a client is sent.

    Args:
        report: the run's.
        first_task: which task the list begins with, where not all fit.
    """
    tasks, left = _tasks(list(report.results.values()), first_task)
    return RunResult(
        thread_id=report.thread_id,
        status=report.status,
        next=_next(report),
        summary=_answer(report),
        questions=questions(report),
        metrics=_counts(report),
        tasks=tasks,
        tasks_left_out=left,
        warnings=[clean(text, LINE) for text in report.warnings[:FINDINGS]],
    )


def run_details(report: Report, task_id: str | None, offset: int, first_task: int) -> RunDetails:
    """Return a report, and a page of one task's output; the task is there."""
    details = RunDetails(**dict(run_result(report, first_task)))
    if task_id is None:
        return details
    text = _json(report.results[task_id].output)
    end = offset + PAGE
    return details.model_copy(
        update={
            "tasks": [_outcome(report.results[task_id], 0)],
            "tasks_left_out": len(report.results) - 1,
            "output_text": text[offset:end],
            "next_offset": end if end < len(text) else None,
        }
    )


def plan_explanation(found: Explanation) -> PlanExplanation:
    """Return an explanation in the size that a client is sent."""
    told = found.model_dump(exclude={"phases", "critical_path"})
    return PlanExplanation(
        **told,
        phases=[list(phase[:LISTED]) for phase in found.phases[:LISTED]],
        phase_sizes=[len(phase) for phase in found.phases[: 10 * LISTED]],
        critical_path=list(found.critical_path[: 10 * LISTED]),
    )


def questions(report: Report) -> list[Question]:
    """Return what a run asks."""
    return [_question(asked) for asked in all_asked(report.interrupts)[:LISTED]]


def question_text(asked: Asked) -> str:
    """Return what is asked, for a person to read."""
    return whole_text(asked)[:OUTPUT]


def _question(asked: Asked) -> Question:
    allowed = dict.fromkeys(word for action in asked.actions for word in action.allowed)
    return Question(
        id=asked.id,
        task_id=asked.task_id,
        kind=asked.kind,
        question=question_text(asked),
        allowed=list(allowed),
        expires_at=asked.until,
    )


def _next(report: Report) -> str:
    if report.status == "paused":
        first = all_asked(report.interrupts)[0]
        example = '"approve"' if first.actions else '"..."'
        named = first.task_id or "plan"
        return (
            f"The run waits for a person. Ask the user, then call resume_run with thread_id={report.thread_id!r} and "
            f'answers={{"{named}": {example}}}, by question id or task; a decision is a word of `allowed`, or '
            '{"type": "reject", "message": "why"}.'
        )
    if report.status == "interrupted":
        return f"The run was stopped: resume_run with thread_id={report.thread_id!r} goes on; finished work is kept."
    if report.status == "running":
        return "The run is at work: get_run tells again how it stands."
    return ""


def _answer(report: Report) -> Answer:
    summary = report.summary
    text = summary.text
    if len(text) > TEXT:
        text = f"{text[:TEXT]}\n[... {len(text) - TEXT:,} more characters]"
    return Answer(
        text=text,
        severity=summary.severity,
        impact=summary.impact[:LINE],
        findings=[_bounded(item) for item in summary.findings[:FINDINGS]],
        recommendations=[item[:LINE] for item in summary.recommendations[:FINDINGS]],
        not_checked=[item[:LINE] for item in summary.not_checked[:FINDINGS]],
    )


def _bounded(found: Finding) -> Finding:
    """Return a finding without its evidence and figures, where they are large; the task's output has them."""
    if len(found.model_dump_json()) <= OUTPUT:
        return found
    cut = {name: getattr(found, name)[:LINE] for name in ("title", "detail", "impact", "recommendation")}
    return found.model_copy(update={"evidence": (), "numbers": {}, **cut})


def _counts(report: Report) -> Counts:
    usage: Mapping[str, Any] = report.metrics.usage or {}
    known = report.metrics.model_dump(include=set(Counts.model_fields))
    return Counts(**known, tokens=usage.get("total_tokens"), cost=usage.get("cost"))


def _tasks(results: Sequence[TaskResult], first_task: int) -> tuple[list[TaskOutcome], int]:
    if len(results) > LISTED:  # what went wrong is worth more than what went right
        results = sorted(results, key=lambda result: result.status not in FIRST)
    shown, room = [], OUTPUTS
    for result in results[first_task : first_task + LISTED]:
        outcome = _outcome(result, min(OUTPUT, room))
        if outcome.output_chars is None and outcome.output is not None:
            room -= len(_json(outcome.output))
        shown.append(outcome)
    return shown, len(results) - len(shown)


def _outcome(result: TaskResult, room: int) -> TaskOutcome:
    size = _size(result)
    fits = result.output_ref is None and size <= room and not _is_deep(result.output, DEEP)
    return TaskOutcome(
        task_id=result.task_id,
        specialist=result.specialist,
        status=result.status,
        error=None if result.error is None else result.error[:LINE],
        duration_s=round(result.duration_s, 3),
        attempts=result.attempts,
        output=result.output if fits else None,
        output_chars=None if fits else size,
    )


def _size(result: TaskResult) -> int:
    if result.output_ref is not None:
        return result.output_ref.bytes
    return 0 if result.output is None else len(_json(result.output))


def _is_deep(value: Any, levels: int) -> bool:
    """Tell whether a value is nested more than so many levels."""
    inner = value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else ()
    return any(levels == 0 or _is_deep(item, levels - 1) for item in inner)


def _json(value: Any) -> str:
    return json.dumps(pydantic_core.to_jsonable_python(value, inf_nan_mode="strings"), ensure_ascii=False)
