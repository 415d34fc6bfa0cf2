"""One finding for each fault: findings of several checks about one thing are merged, then ranked."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from ...schema.results import Finding
from .text import clean, sentence
from .views import SEVERITIES, View

FAMILIES: dict[str, str] = {
    "host_silent": "absence",
    "sourcetype_silent": "absence",
    "source_silent": "absence",
    "gap": "absence",
    "volume_drop": "absence",
    "parse_failure": "absence",
    "clock_skew": "time",
    "timezone_error": "time",
    "future_timestamps": "time",
    "past_timestamps": "time",
    "error_burst": "errors",
    "error_rate": "errors rate",
    "volume_spike": "errors",
}
"""Kinds that may be faces of one fault. A kind that is not here is a family of its own."""

EVENTFUL = (
    "error_burst",
    "host_silent",
    "source_silent",
    "sourcetype_silent",
    "volume_drop",
    "volume_spike",
    "late_arrival",
)
"""Faults that bring new kinds of messages with them."""

FOCUS = "of_focus"
"""Key of a finding's numbers: by name of what the question is about, how many of the events are its, of how many."""

SEARCHES = "searches"
"""Key of a finding's numbers, and of a report's figures: the searches of a server that gave its evidence."""

NEAR = 900.0
"""Seconds within which a new kind of message is held to belong to a fault's beginning."""

EVIDENCE = 5


def gather(tasks: Iterable[View]) -> list[Finding]:
    """Return all findings, each with its task's id and fit to be shown."""
    return [_shown(finding, task.task_id) for task in tasks if task.report for finding in task.report.findings]


def _shown(finding: Finding, task_id: str) -> Finding:
    return finding.model_copy(
        update={
            "title": clean(finding.title, 300) or clean(finding.kind) or "a finding without a title",
            "subject": None if finding.subject is None else clean(finding.subject),
            "detail": clean(finding.detail, 800),
            "impact": clean(finding.impact, 400),
            "recommendation": clean(finding.recommendation, 400),
            "evidence": tuple(clean(line, 240) for line in finding.evidence[:EVIDENCE]),
            "task_id": finding.task_id or task_id,
        }
    )


def merge(findings: Sequence[Finding]) -> list[Finding]:
    """Merge the findings that are about one fault; likely causes go to what they explain.

    Findings of kind `scope` are left out: they add up the others (see `Summary.impact`).
    """
    plain = [f for f in findings if f.kind not in ("likely_cause", "scope", "new_pattern")]
    groups: list[list[Finding]] = []
    for finding in sorted(plain, key=_weight):
        home = next((group for group in groups if _same_fault(group[0], finding)), None)
        if home is None:
            groups.append([finding])
        else:
            home.append(finding)
    for extra in (f for f in findings if f.kind in ("likely_cause", "new_pattern")):
        home = next((group for group in groups if _belongs(extra, group[0])), None)
        if home is None:
            groups.append([extra])
        else:
            home.append(extra)
    return [_merged(group) for group in groups]


def rank(findings: Iterable[Finding], focus: str | None) -> list[Finding]:
    """Order findings: what the question is about first, then by severity, confidence, time and title."""
    return sorted(findings, key=lambda f: (not is_about(f, focus), *_weight(f)))


def is_about(finding: Finding, focus: str | None) -> bool:
    """Tell whether a finding's subject is, or is part of, what the question is about."""
    if not focus or not finding.subject:
        return False
    return focus.lower() in (name.lower() for name in [finding.subject, *finding.subject.split(" / ")])


def _weight(finding: Finding) -> tuple[int, float, str, str]:
    return (-SEVERITIES.index(finding.severity), -finding.confidence, finding.start or "", finding.title)


def _same_fault(one: Finding, other: Finding) -> bool:
    if FAMILIES.get(one.kind, one.kind) != FAMILIES.get(other.kind, other.kind):
        return False
    if one.kind == other.kind and one.kind not in FAMILIES:
        return one.title == other.title
    return one.subject is not None and one.subject == other.subject and _overlap(one, other)


def _overlap(one: Finding, other: Finding) -> bool:
    spans = [(_seconds(f.start), _seconds(f.end)) for f in (one, other)]
    (a, b), (c, d) = spans
    if a is None or b is None or c is None or d is None:
        return True
    return a <= d + NEAR and c <= b + NEAR


def _belongs(extra: Finding, fault: Finding) -> bool:
    if extra.kind == "likely_cause":
        return extra.subject == fault.subject and FAMILIES.get(fault.kind) == "absence" and _overlap(extra, fault)
    start, begun = _seconds(extra.start), _seconds(fault.start)
    return fault.kind in EVENTFUL and start is not None and begun is not None and abs(start - begun) <= NEAR


def _seconds(moment: str | None) -> float | None:
    if moment is None:
        return None
    try:
        parsed = datetime.fromisoformat(moment)
    except ValueError:
        return None
    return (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).timestamp()


def _merged(group: Sequence[Finding]) -> Finding:
    main, *others = group
    if not others:
        return main
    details = [sentence(main.detail)]
    for other in others:
        lead = {"likely_cause": "Likely cause: ", "new_pattern": "At that time: "}.get(other.kind, "Also: ")
        details.append(f"{lead}{sentence(other.title)}")
        if other.kind == "likely_cause":
            details.append(sentence(other.detail))
    causes = [other for other in others if other.kind == "likely_cause"]
    lines = dict.fromkeys(line for finding in [*causes, main, *others] for line in finding.evidence)
    numbers = {name: value for finding in reversed(group) for name, value in finding.numbers.items()}
    if SEARCHES in numbers:
        numbers[SEARCHES] = list(dict.fromkeys(sid for f in group for sid in f.numbers.get(SEARCHES, ())))
    return main.model_copy(
        update={
            "detail": " ".join(part for part in details if part),
            "numbers": numbers,
            "evidence": tuple(lines)[:EVIDENCE],
            "recommendation": next((c.recommendation for c in causes if c.recommendation), main.recommendation),
            "task_id": ", ".join(dict.fromkeys(f.task_id for f in group if f.task_id)),
        }
    )
