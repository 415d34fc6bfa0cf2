"""The text that a person reads first: the answer, the findings, what to do, and what was not checked."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence

from ...schema.results import Finding
from .merge import is_about
from .text import clean, sentence, shorten
from .views import View, json_native

FINDINGS = 8
"""Findings that are written out; the rest are counted."""

OUTPUTS = 12
"""Tasks whose outputs are written out."""

LINES = 60
"""Lines of the whole text, at most."""

_ENDED = {
    "failed": "failed",
    "timed_out": "timed out",
    "skipped": "was skipped",
    "cancelled": "was cancelled",
    "paused": "waits for a person",
    "pending": "has no result",
    "running": "has not ended",
}


def not_checked(tasks: Sequence[View]) -> tuple[str, ...]:
    """Return what gave no answer, each with its reason."""
    found = []
    for task in tasks:
        if not task.ok:
            reason = f": {shorten(task.error, 240)}" if task.error else ""
            found.append(f"{task.task_id} {_ENDED.get(task.status, task.status)}{reason}")
        elif task.report and task.report.status == "not_applicable":
            found.append(f"{task.task_id} does not apply here: {shorten(task.report.reason, 240) or 'no reason given'}")
        elif task.fallback:
            reason = f": {shorten(task.error, 240)}" if task.error else ""
            found.append(f"{task.task_id} gave its fallback{reason}")
    return tuple(found)


def answer(findings: Sequence[Finding], tasks: Sequence[View], focus: str | None, *, known: bool = True) -> str:
    """Return the direct answer: what was found about what was asked, or what there is instead.

    Args:
        findings: ranked.
        tasks: what ran.
        focus: what the request is about.
        known: whether the log has events of that; if not, that nothing was found about it says nothing.
    """
    checks = [task for task in tasks if task.report]
    said = " ".join(_said(checks, "answer")[:3])
    if findings:
        lead = _found(findings, focus, known)
        return lead if not said or any(is_about(f, focus) for f in findings) else f"{clean(said, 600)} {lead}"
    if not tasks:
        return "There are no results: no task has run."
    done = sum(task.ok for task in tasks)
    if not checks:
        return f"{done} of {len(tasks)} task{'s' if len(tasks) != 1 else ''} succeeded{_others(tasks)}."
    if said:
        return clean(said, 600)
    told = [task for task in checks if task.report and task.report.status != "not_applicable"]
    about = f" about {clean(focus, 80)}" if focus and known else ""
    aside = "".join(f" {text}" for text in _said(checks, "aside")[:2])
    if not told:
        return f"No check could tell anything{about}: see below why."
    return (
        f"Nothing wrong was found{about}: {len(told)} of {len(tasks)} checks looked, the others could not."
        if len(told) < len(tasks)
        else f"Nothing wrong was found{about} by {len(told)} check{'s' if len(told) != 1 else ''}."
    ) + aside


def _others(tasks: Sequence[View]) -> str:
    """Return how many tasks ended otherwise, and how."""
    counts = Counter(_ENDED.get(task.status, task.status) for task in tasks if not task.ok)
    return "".join(f", {count} {told}" for told, count in counts.items())


def _said(checks: Sequence[View], key: str) -> list[str]:
    """Return what checks say in words under a key of their figures, in their order.

    An `answer` leads the text; an `aside` is told where nothing was found.
    """
    given = (task.report.stats.get(key) for task in checks if task.report)
    return [sentence(answer) for answer in given if isinstance(answer, str) and answer.strip()]


def _found(findings: Sequence[Finding], focus: str | None, known: bool) -> str:
    if not known:
        findings = [finding for finding in findings if not finding.kind.endswith("_unknown")]
        if not findings:
            return ""
    mine = [finding for finding in findings if is_about(finding, focus)]
    lead = (mine or findings)[0]
    text = sentence(lead.title)
    text = text[0].upper() + text[1:] if lead.subject is None or not text.startswith(lead.subject) else text
    cause = _cause(lead)
    if cause:
        text += f" {cause}"
    if focus and not mine:
        nothing = f"Nothing was found about {clean(focus, 80)} itself. " if known else ""
        text = f"{nothing}The most severe finding: {text}"
    return text


def _cause(finding: Finding) -> str:
    mark = "Likely cause: "
    place = finding.detail.find(mark)
    return finding.detail[place:] if place >= 0 else ""


def render(
    *,
    lead: str,
    findings: Sequence[Finding],
    impact: str,
    recommendations: Sequence[str],
    unchecked: Sequence[str],
    read: Sequence[str],
    tasks: Sequence[View],
    warnings: Sequence[str],
) -> str:
    """Return the whole text, plain, at most about 60 lines; what was read is told however long the rest is."""
    blocks = [[lead]]
    if findings:
        counts = Counter(finding.severity for finding in findings)
        tally = ", ".join(f"{counts[s]} {s}" for s in ("critical", "high", "medium", "low") if counts[s])
        blocks.append([f"Findings ({tally}):", *_findings(findings, lead)])
        if impact:
            blocks.append([f"Impact: {impact}"])
    if recommendations:
        blocks.append(["What to do:", *(f"{n}. {sentence(text)}" for n, text in enumerate(recommendations[:8], 1))])
    outputs = _outputs(tasks)
    if outputs:
        head = f"Results ({sum(t.ok for t in tasks)} of {len(tasks)} tasks succeeded):"
        blocks.append([head if findings or any(t.report for t in tasks) else "Results:", *outputs])
    if unchecked:
        head = "Not checked:" if any(task.report for task in tasks) else "Not done:"
        blocks.append([head, *_capped([f"- {sentence(line)}" for line in unchecked], 10)])
    if warnings:
        blocks.append(["Warnings:", *_capped([f"- {sentence(shorten(text, 300))}" for text in warnings], 6)])
    lines = "\n\n".join("\n".join(block) for block in blocks).split("\n")
    tail = ["", *read] if read else []
    room = LINES - len(tail)
    if len(lines) > room:
        lines = [*lines[: room - 1], f"… {len(lines) - room + 1} more lines; the full report has all of it."]
    return "\n".join([*lines, *tail])


def _findings(findings: Sequence[Finding], lead: str) -> list[str]:
    lines = []
    for number, finding in enumerate(findings[:FINDINGS], 1):
        lines.append(f"{number}. {finding.severity.upper()}: {sentence(finding.title)}")
        cause = _cause(finding)
        detail = finding.detail.replace(cause, "").strip() if cause and cause in lead else finding.detail
        if detail:
            lines.append(f"   {clean(detail, 500)}")
        shown = 3 if number == 1 else 2 if number <= 4 else 1
        lines += [f"   > {clean(line, 180)}" for line in finding.evidence[:shown]]
    if len(findings) > FINDINGS:
        lines.append(f"… and {len(findings) - FINDINGS} more findings; the full report has them.")
    return lines


def _outputs(tasks: Sequence[View]) -> list[str]:
    plain = [task for task in tasks if task.ok and task.report is None]
    shown = [f"- {task.task_id}: {_short(task)}" for task in plain[:OUTPUTS]]
    return shown if len(plain) <= OUTPUTS else [*shown, f"… and {len(plain) - OUTPUTS} more."]


def _short(task: View) -> str:
    output = json_native(task.output)
    if output is None:
        return "done, no output"
    if isinstance(output, str):
        return shorten(output, 240) or "empty text"
    return shorten(json.dumps(output, ensure_ascii=False, default=str), 240)


def _capped(lines: list[str], limit: int) -> list[str]:
    return lines if len(lines) <= limit else [*lines[:limit], f"… and {len(lines) - limit} more."]
