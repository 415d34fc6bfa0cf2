"""The summary of a run: results of any kind in, one answer for a person out.

`summarize` is the deterministic summarizer. Anything that fits `Summarizer` can stand in its place.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from ...schema.results import Finding, Severity, Summary
from .merge import gather, merge, rank
from .reading import read_block, readings, unasked, window
from .render import answer, asides, not_checked, render
from .text import clean, sentence
from .views import SEVERITIES, View, plan_tasks, views

__all__ = ["Summarizer", "summarize"]


FAILING = re.compile(r"\b(?:err(?:or)?s?|fail\w*|exceptions?|crash\w*|[45]00s?|5xx|wrong|broken)\b", re.IGNORECASE)
"""Words of a request that ask about failures: what was seen of them is then told at once."""


class Summarizer(Protocol):
    """Turns the results of a run into its summary. It must name no fact that is not in the results."""

    def __call__(
        self,
        results: Mapping[str, Any] | Sequence[Any],
        *,
        request: str = "",
        plan: Mapping[str, Any] | None = None,
        warnings: Sequence[str] = (),
        focus: str | None = None,
    ) -> Summary:
        """Return the summary."""


def summarize(
    results: Mapping[str, Any] | Sequence[Any],
    *,
    request: str = "",
    plan: Mapping[str, Any] | None = None,
    warnings: Sequence[str] = (),
    focus: str | None = None,
) -> Summary:
    """Summarize results of any kind, deterministically and without a model.

    Args:
        results: by task id, or in a row: `TaskResult`s, their dicts, or bare outputs. An output may be a check's
            report, a model or dataclass, or any JSON value.
        request: what the person asked.
        plan: the plan that was run; gives the order, and the tasks that have no result.
        warnings: what else the person should know.
        focus: the host, source or source type that the request is about; found in the plan's inputs, or else in
            the request, if not given.
    """
    tasks = views(results, plan)
    everything = gather(tasks)
    focus = focus or _asked(plan) or _focus(request, everything)
    findings = rank(merge(everything), focus)
    recommendations = tuple(dict.fromkeys(f.recommendation for f in findings if f.recommendation))
    impact = _impact(everything, findings)
    unchecked = not_checked(tasks)
    read = readings(tasks)
    missing = unasked(read)
    nowhere = not findings and any(r.asked and not r.asked.events for r in read)
    known = not any(r.asked and r.asked.unknown for r in read)
    said = answer(findings, tasks, focus, known=known, needed=_lacking(tasks, plan))
    looked = window(read, request)
    said = f"{looked}: {said}" if looked and said else sentence(looked) or said
    seen = asides(tasks) if findings else []
    if seen and FAILING.search(request):
        said, seen = f"{said} {' '.join(seen[:2])}", seen[2:]
    text = render(
        lead=missing if nowhere else f"{missing} {said}".strip(),
        findings=findings,
        impact=impact,
        seen=seen,
        recommendations=recommendations,
        unchecked=unchecked,
        read=read_block(read, findings),
        tasks=tasks,
        warnings=warnings,
    )
    return Summary(
        text=text,
        severity=_severity(findings, tasks),
        findings=tuple(findings),
        recommendations=recommendations,
        impact=impact,
        not_checked=unchecked,
    )


def _lacking(tasks: Sequence[View], plan: Mapping[str, Any] | None) -> int:
    """Return how many successes a run needed that failed for having fewer; 0 where that is not why."""
    given = plan.get("config") if plan is not None else None
    config = given if isinstance(given, Mapping) else {}
    if config.get("on_failure") != "soft":
        return 0
    enough = int(config.get("min_success") or 1)
    optional = {clean(str(task.get("id"))) for task in plan_tasks(plan) if task.get("required") is False}
    failed = any(not (task.ok or task.by_choice) for task in tasks if task.task_id not in optional)
    return enough if failed and sum(task.ok for task in tasks) < enough else 0


def _asked(plan: Mapping[str, Any] | None) -> str | None:
    """Return the host, source or source type that the plan's tasks were given."""
    inputs = [task.get("input") for task in plan_tasks(plan)]
    named = (
        given.get(field) for field in ("host", "source", "sourcetype") for given in inputs if isinstance(given, dict)
    )
    return next((name for name in named if isinstance(name, str) and name), None)


def _focus(request: str, findings: Sequence[Finding]) -> str | None:
    """Return the subject of a finding that the request names as a whole word, the longest if there are several."""
    subjects = {name for f in findings if f.subject for name in (f.subject, *f.subject.split(" / ")) if name}
    named = [s for s in subjects if re.search(rf"(?<![\w.-]){re.escape(s)}(?![\w-]|\.\w)", request, re.IGNORECASE)]
    return max(named, key=lambda name: (len(name), name), default=None)


def _impact(everything: Sequence[Finding], findings: Sequence[Finding]) -> str:
    scope = next((f for f in everything if f.kind == "scope"), None)
    if scope is not None:
        return " ".join(part.rstrip(".") + "." for part in (scope.title, scope.detail) if part)
    return " ".join(dict.fromkeys(f.impact for f in findings[:2] if f.impact))


def _severity(findings: Sequence[Finding], tasks: Sequence[View]) -> Severity | None:
    if findings:
        return max((finding.severity for finding in findings), key=SEVERITIES.index)
    failed = [task for task in tasks if task.status in ("failed", "timed_out")]
    if failed:
        return "medium" if any(task.ok for task in tasks) else "high"
    return "low" if any(task.report and task.report.status == "ok" for task in tasks) else None
