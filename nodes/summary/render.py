"""The text that a person reads first: the answer, the findings, what to do, and what was not checked."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

from ...schema.results import Finding
from .merge import FOCUS, SEARCHES, is_about
from .text import clean, sentence, shorten
from .views import View, json_native

FINDINGS = 8
"""Findings that are written out; the rest are counted."""

OUTPUTS = 12
"""Tasks whose outputs are written out."""

LINES = 60
"""Lines of the whole text, at most; more where many tasks failed."""

NOT_DONE, FAILURES = 10, 50
"""Tasks without an answer that are written out, and failed ones among them: these stand first."""

ALL = "`fanwise show` lists them all"
"""Where the rest is."""

_ENDED = {
    "failed": "failed",
    "timed_out": "timed out",
    "skipped": "was skipped",
    "cancelled": "was cancelled",
    "paused": "waits for a person",
    "pending": "has no result",
    "running": "has not ended",
}

_MANY = {
    "skipped": "were skipped",
    "cancelled": "were cancelled",
    "paused": "wait for a person",
    "pending": "have no result",
    "running": "have not ended",
}
"""The same of several tasks, where it differs."""


def not_checked(tasks: Sequence[View]) -> tuple[str, ...]:
    """Return what gave no answer, each with its reason; what failed stands first."""
    found = []
    for task in sorted(tasks, key=lambda task: not task.failed):
        if not task.ok:
            reason = f": {shorten(task.error, 240)}" if task.error else ""
            found.append(f"{task.label} {_ENDED.get(task.status, task.status)}{reason}")
        elif task.report and task.report.status == "not_applicable":
            found.append(f"{task.label} does not apply here: {shorten(task.report.reason, 240) or 'no reason given'}")
        elif task.fallback:
            reason = f": {shorten(task.error, 240)}" if task.error else ""
            found.append(f"{task.label} gave its fallback{reason}")
        elif task.report and (note := _text(task.report.stats.get("note"))):
            found.append(f"{task.label} looked, but {shorten(note, 240)}")
    return tuple(found)


def answer(
    findings: Sequence[Finding], tasks: Sequence[View], focus: str | None, *, known: bool = True, needed: int = 0
) -> str:
    """Return the direct answer: what was found about what was asked, or what there is instead.

    Args:
        findings: ranked.
        tasks: what ran.
        focus: what the request is about.
        known: whether the log has events of that; if not, that nothing was found about it says nothing.
        needed: successes that the run needed and does not have.
    """
    checks = [task for task in tasks if task.report]
    said = " ".join(_said(checks, "answer")[:3])
    if findings:
        lead = _found(findings, focus, known)
        lead = lead if not said or any(is_about(f, focus) for f in findings) else f"{clean(said, 600)} {lead}"
        return " ".join(part for part in (lead, _failed(tasks), _lacking(tasks, needed)) if part)
    if not tasks:
        return "There are no results: no task has run."
    done = sum(task.ok for task in tasks)
    if not checks:
        return f"{done} of {_tasks(len(tasks))} succeeded{_others(tasks)}{_wanted(needed)}."
    ended = " ".join(part for part in (_failed(tasks), _unended(tasks), _lacking(tasks, needed)) if part)
    return f"{ended} {_nothing(checks, said, focus if known else None)}".strip()


def _nothing(checks: Sequence[View], said: str, focus: str | None) -> str:
    """Return what the checks that ended say where none of them found anything."""
    if said:
        return clean(said, 600)
    told = [task for task in checks if task.report and task.report.status != "not_applicable"]
    about = f" about {clean(focus, 80)}" if focus else ""
    aside = "".join(f" {text}" for text in _said(checks, "aside")[:2])
    if not told:
        return f"No check could tell anything{about}: see below why."
    return (
        f"Nothing wrong was found{about}: {len(told)} of {len(checks)} checks looked, the others could not."
        if len(told) < len(checks)
        else f"Nothing wrong was found{about} by {len(told)} check{'s' if len(told) != 1 else ''}."
    ) + aside


def _wanted(needed: int) -> str:
    return f"; {needed} {'was' if needed == 1 else 'were'} needed (min_success)" if needed else ""


def _lacking(tasks: Sequence[View], needed: int) -> str:
    """Return a sentence on the successes that the run lacks; empty if it has enough."""
    done = sum(task.ok for task in tasks)
    return f"{done} of {_tasks(len(tasks))} succeeded{_wanted(needed)}." if needed else ""


def _failed(tasks: Sequence[View]) -> str:
    """Return a sentence on the tasks that failed and why; empty if none did."""
    failed = [task for task in tasks if task.failed]
    if not failed:
        return ""
    named = "; ".join(f"{task.label}: {clean(task.error or _ENDED[task.status], 120)}" for task in failed[:3])
    more = f"; and {len(failed) - 3} more" if len(failed) > 3 else ""
    return sentence(f"{len(failed)} of {_tasks(len(tasks))} failed: {named}{more}")


def _unended(tasks: Sequence[View]) -> str:
    """Return a sentence on the tasks that neither succeeded nor failed; empty if there are none."""
    told = _others([task for task in tasks if task.status not in ("failed", "timed_out")]).removeprefix(", ")
    return f"Of {_tasks(len(tasks))}, {told}." if told else ""


def _tasks(number: int) -> str:
    return f"{number} task{'s' if number != 1 else ''}"


def _others(tasks: Sequence[View]) -> str:
    """Return how many tasks ended otherwise, and how."""
    counts = Counter(task.status for task in tasks if not task.ok)
    return "".join(
        f", {count} {(_MANY.get(status) if count > 1 else None) or _ENDED.get(status, status)}"
        for status, count in counts.items()
    )


def _said(checks: Sequence[View], key: str) -> list[str]:
    """Return what checks say in words under a key of their figures, in their order.

    An `answer` leads the text; an `aside` is told beside what was found, and changes no severity; a `note` is what
    the check could not go by, and stands under what was not checked.
    """
    given = (_text(task.report.stats.get(key)) for task in checks if task.report)
    return [sentence(told) for told in given if told]


def _text(value: Any) -> str:
    return value.strip() if isinstance(value, str) else ""


def asides(tasks: Sequence[View]) -> list[str]:
    """Return what checks saw that is too little for a finding, as sentences."""
    told = _said([task for task in tasks if task.report], "aside")
    return [clean(text, 400) for text in dict.fromkeys(told)]


def _found(findings: Sequence[Finding], focus: str | None, known: bool) -> str:
    if not known:
        findings = [finding for finding in findings if not finding.kind.endswith("_unknown")]
        if not findings:
            return ""
    mine = [finding for finding in findings if is_about(finding, focus)]
    with_it = [finding for finding in findings if focus and known and _part(finding, focus)]
    lead = (mine or with_it or findings)[0]
    text = sentence(lead.title)
    text = text[0].upper() + text[1:] if lead.subject is None or not text.startswith(lead.subject) else text
    cause = _cause(lead)
    if cause:
        text += f" {cause}"
    if focus and not mine:
        part = _part(lead, focus) if known else ""
        nothing = f"Nothing was found about {clean(focus, 80)} itself. " if known and not part else ""
        text = f"{text}{part}" if part else f"{nothing}The most severe finding: {text}"
    return text


def _part(finding: Finding, focus: str) -> str:
    """Return a sentence on how much of a finding is of what the question is about; empty if none is, or not known."""
    shares = finding.numbers.get(FOCUS)
    counts = shares.get(focus) if isinstance(shares, dict) else None
    if isinstance(counts, list) and len(counts) == 2 and counts[0]:
        return f" {clean(focus, 80)} has {counts[0]:,} of these {counts[1]:,}."
    whole = re.compile(rf"(?<![\w.-]){re.escape(focus)}(?![\w-]|\.\w)", re.IGNORECASE)
    seen = any(whole.search(line) for line in finding.evidence)
    return f" {clean(focus, 80)} is among these." if seen else ""


def _cause(finding: Finding) -> str:
    mark = "Likely cause: "
    place = finding.detail.find(mark)
    return finding.detail[place:] if place >= 0 else ""


def render(
    *,
    lead: str,
    findings: Sequence[Finding],
    impact: str,
    seen: Sequence[str],
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
        if seen:
            blocks.append(["Also seen:", *_capped([f"- {text}" for text in seen], 4)])
    if recommendations:
        blocks.append(["What to do:", *(f"{n}. {sentence(text)}" for n, text in enumerate(recommendations[:8], 1))])
    outputs = _outputs(tasks)
    if outputs:
        head = f"Results ({sum(t.ok for t in tasks)} of {_tasks(len(tasks))} succeeded):"
        blocks.append([head if findings or any(t.report for t in tasks) else "Results:", *outputs])
    if unchecked:
        head = "Not checked:" if any(task.report for task in tasks) else "Not done:"
        blocks.append([head, *not_done(unchecked, sum(task.failed for task in tasks))])
    if warnings:
        blocks.append(
            ["Warnings:", *_capped([f"- {sentence(shorten(text, 300))}" for text in dict.fromkeys(warnings)], 6)]
        )
    lines = "\n\n".join("\n".join(block) for block in blocks).split("\n")
    tail = ["", *read] if read else []
    room = LINES + max(0, min(FAILURES, sum(task.failed for task in tasks)) - NOT_DONE) - len(tail)
    if len(lines) > room:
        lines = [*lines[: room - 1], f"… {len(lines) - room + 1} more lines; `fanwise show` has all of it."]
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
        lines += _jobs(finding)
    if len(findings) > FINDINGS:
        lines.append(f"… and {len(findings) - FINDINGS} more findings; the full report has them.")
    return lines


def _jobs(finding: Finding) -> list[str]:
    """Return a line with the searches of a server that gave a finding's evidence, if there are any."""
    sids = finding.numbers.get(SEARCHES)
    if not isinstance(sids, list) or not sids:
        return []
    more = f" and {len(sids) - 2} more" if len(sids) > 2 else ""
    named = ", ".join(clean(str(sid), 60) for sid in sids[:2])
    return [f"   from search job{'s' if len(sids) > 1 else ''} {named}{more}"]


def _outputs(tasks: Sequence[View]) -> list[str]:
    """Return the outputs, where there are too many those that nothing was made of before all others."""
    plain = [task for task in tasks if task.ok and task.report is None]
    if len(plain) > OUTPUTS:
        plain.sort(key=lambda task: not task.is_end)
    return _capped([f"- {task.label}: {_short(task)}" for task in plain], OUTPUTS, f"; {ALL}")


def _short(task: View) -> str:
    output = json_native(task.output)
    if output is None:
        return "done, no output"
    if isinstance(output, str):
        return shorten(output, 240) or "empty text"
    return shorten(json.dumps(output, ensure_ascii=False, default=str), 240)


def not_done(lines: Sequence[str], failed: int) -> list[str]:
    """Return what gave no answer as list items, the failed ones, which stand first, as far as there is room."""
    return _capped([f"- {sentence(line)}" for line in lines], max(NOT_DONE, min(FAILURES, failed)), f"; {ALL}")


def _capped(lines: list[str], limit: int, where: str = "") -> list[str]:
    return lines if len(lines) <= limit else [*lines[:limit], f"… and {len(lines) - limit} more{where}."]
