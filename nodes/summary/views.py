"""Results of any kind, made alike: what each task was, how it ended, what it returned, and what it found."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_args

from pydantic import BaseModel, JsonValue, ValidationError

from ...schema.results import CheckReport, Finding, Severity, TaskResult, TaskStatus
from .text import clean

STATUSES: tuple[str, ...] = get_args(TaskStatus)
SEVERITIES: tuple[Severity, ...] = get_args(Severity)
"""From the least to the most severe."""

_DEPTH = 40
"""Levels of nesting that are looked into."""


@dataclass(slots=True)
class View:
    """One task as the summary sees it."""

    task_id: str
    status: str
    output: Any
    """What it returned, as it was."""
    error: str | None
    report: CheckReport | None
    """What it returned, if that is a check's report or looks like one."""
    fallback: bool = False
    title: str = ""
    """What the plan calls it, if that is not its id alone."""
    is_end: bool = True
    """Whether no other task of the plan depends on it."""
    by_choice: bool = False
    """Whether it did not run, or not to its end, by choice."""

    @property
    def label(self) -> str:
        """Its id, and its title where it has one."""
        return f"{self.task_id} ({self.title})" if self.title else self.task_id

    @property
    def ok(self) -> bool:
        """Whether the task succeeded."""
        return self.status == "succeeded"

    @property
    def failed(self) -> bool:
        """Whether it failed or timed out."""
        return self.status in ("failed", "timed_out")


def views(results: Any, plan: Mapping[str, Any] | None = None) -> list[View]:
    """Return results as views, in the plan's order where there is a plan, else in their own.

    Tasks of the plan that have no result are there too, as `pending`.
    """
    found: dict[str, View] = {}
    for name, value in _named(results):
        view = _view(name, value)
        found[_unused(view.task_id, found)] = view
    ids = [str(task.get("id")) for task in plan_tasks(plan) if task.get("id") is not None]
    ordered = [
        found.pop(name) if name in found else View(clean(name), "pending", None, None, None)
        for name in dict.fromkeys(ids)
    ]
    needed = {str(need) for task in plan_tasks(plan) for need in task.get("depends_on") or ()}
    for name, view in zip(dict.fromkeys(ids), ordered, strict=True) if needed else ():
        view.is_end = name not in needed
    titles = {str(task.get("id")): str(task["title"]) for task in plan_tasks(plan) if task.get("title")}
    for name, view in zip(dict.fromkeys(ids), ordered, strict=True) if titles else ():
        view.title = clean(titles.get(name, ""), 80)
    return [*ordered, *found.values()]


def plan_tasks(plan: Mapping[str, Any] | None) -> list[Mapping[str, Any]]:
    """Return a plan's tasks, as far as they are objects."""
    tasks = plan.get("tasks") if isinstance(plan, Mapping) else None
    return [task for task in tasks if isinstance(task, Mapping)] if isinstance(tasks, list | tuple) else []


def _named(results: Any) -> list[tuple[str, Any]]:
    if isinstance(results, Mapping):
        return [(str(name), value) for name, value in results.items()]
    if isinstance(results, Sequence) and not isinstance(results, str | bytes):
        return [(f"result {index}", value) for index, value in enumerate(results, 1)]
    return [] if results is None else [("result", results)]


def _unused(name: str, taken: Mapping[str, Any]) -> str:
    while name in taken:
        name += "'"
    return name


def _view(name: str, value: Any) -> View:
    if isinstance(value, TaskResult):
        value = value.model_dump()
    if isinstance(value, Mapping) and value.get("status") in STATUSES and ("task_id" in value or "output" in value):
        output, error = value.get("output"), value.get("error")
        status = str(value["status"])
        task_id = clean(str(value.get("task_id") or name))
        report = as_report(output) if status == "succeeded" else None
        told = None if error is None else str(error)
        fallback, by_choice = bool(value.get("fallback")), bool(value.get("by_choice"))
        return View(task_id, status, output, told, report, fallback, by_choice=by_choice)
    return View(clean(name), "succeeded", value, None, as_report(value))


def json_native(value: Any, depth: int = _DEPTH) -> JsonValue:
    """Return any value as JSON: models and dataclasses become objects, what JSON does not know becomes text."""
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if value == value and abs(value) != float("inf") else str(value)
    if depth <= 0:
        return "…"
    if isinstance(value, BaseModel):
        value = value.model_dump()
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        value = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): json_native(item, depth - 1) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, bytes | bytearray):
        return [json_native(item, depth - 1) for item in value]
    if isinstance(value, set | frozenset):
        return sorted((json_native(item, depth - 1) for item in value), key=str)
    return str(value)


def as_report(value: Any) -> CheckReport | None:
    """Return an output as a check's report: as it is, or, if it has a list of findings, as far as they can be read."""
    if isinstance(value, dict) and not ("findings" in value or "check" in value):
        return None
    output = json_native(value)
    if not isinstance(output, dict):
        return None
    try:
        return CheckReport.model_validate(output)
    except ValidationError:
        pass
    listed = output.get("findings")
    if not isinstance(listed, list):
        return None
    findings = [found for found in map(as_finding, listed) if found is not None]
    if not findings:
        return None
    return CheckReport(check=clean(str(output.get("check") or "")), status="findings", findings=tuple(findings))


def as_finding(value: JsonValue) -> Finding | None:
    """Return a finding that was written as text, or as an object with at least a title; None for anything else."""
    if isinstance(value, str) and value.strip():
        return Finding(kind="finding", title=value, severity="low", confidence=0.5)
    if not isinstance(value, dict):
        return None
    try:
        return Finding.model_validate(value)
    except ValidationError:
        pass
    title = next(
        (value[k] for k in ("title", "message", "summary", "description") if isinstance(value.get(k), str)), None
    )
    if not isinstance(title, str) or not title.strip():
        return None
    severity = str(value.get("severity", "low")).lower()
    texts: dict[str, Any] = {
        k: v for k in ("subject", "detail", "impact", "recommendation") if isinstance(v := value.get(k), str)
    }
    raw = value.get("evidence")
    evidence = raw if isinstance(raw, list) else [raw] if isinstance(raw, str) else []
    return Finding(
        kind=str(value.get("kind") or "finding"),
        title=title,
        severity=next((s for s in SEVERITIES if s == severity), "low"),
        confidence=0.5,
        evidence=tuple(item for item in evidence if isinstance(item, str))[:5],
        **texts,
    )
