"""Why something stopped: what it, and others, logged just before, compared with what it logs at any time.

This check depends on others and explains their findings. Every cause is stated as a likelihood, with its evidence.

Thresholds: `before_s` (1800: how far back to look for a cause).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ....schema.results import CheckReport, Finding
from .context import Context, check
from .dependencies import SILENT, fields_of, found_before, of_kind
from .templates import anchor, mask
from .wording import EVIDENCE_LINES, clean, count, evidence, iso, lasting, listed, seconds, share, when


@dataclass(frozen=True)
class Cause:
    """A kind of cause, the words that tell of it, and how to say it and what to do."""

    name: str
    words: re.Pattern[str]
    says: str
    advice: str
    confidence: float


def _cause(name: str, words: str, says: str, advice: str, confidence: float) -> Cause:
    return Cause(name, re.compile(words, re.IGNORECASE), says, advice, confidence)


CAUSES = (
    _cause(
        "resources",
        r"out of memory|oom[- ]kill|no space left|disk (?:is )?full|too many open files|kernel panic|read-only file",
        "{subject} most likely ran out of memory or disk",
        "Free memory or disk on {subject}, then restart what stopped.",
        0.8,
    ),
    _cause(
        "forwarder",
        r"(?:forward|splunkd|tcpout|fluent|filebeat|logstash|rsyslog|syslog-ng|shipper|output queue|indexer).*"
        r"(?:fail|block|full|refus|reset|lost|timed? ?out|unreachable|retry|cannot|could not|paus|stop|exit|error|drop)"
        r"|(?:fail|block|full|refus|reset|lost|timed? ?out|cannot|could not).*(?:forward|tcpout|output queue|indexer)",
        "the forwarder of {subject} most likely lost its connection, or was blocked",
        "Check the forwarder on {subject}: its own log, its queue, its certificate and the way to the receiver.",
        0.85,
    ),
    _cause(
        "shutdown",
        r"shut(?:ting)? ?down|reboot|power(?:ing)? ?(?:off|down)|system halt|sigterm|terminating on signal",
        "{subject} was most likely shut down or restarted, and did not come back",
        "Check whether {subject} was stopped on purpose, and start it again.",
        0.8,
    ),
    _cause(
        "network",
        r"link (?:is )?down|no route to host|network is unreachable|carrier lost|connection (?:refused|reset)",
        "{subject} most likely lost its network",
        "Check the network of {subject}: link, route, firewall.",
        0.7,
    ),
)
"""Causes that a log tells of by itself, the most telling first."""


@dataclass(frozen=True)
class Clue:
    """Lines that speak of a cause, and are not what the subject logs at any time."""

    cause: Cause
    lines: tuple[Mapping[str, Any], ...]
    by: str
    """Whether the subject itself wrote them, or others about it."""


@check("correlate", description="Looks for the likely cause of what went silent or dropped: what happened just before")
def correlate(context: Context) -> CheckReport:
    """Explain what stopped."""
    findings, lacking = found_before(context)
    stopped = of_kind(findings, (*SILENT, "volume_drop"))
    stopped.sort(key=lambda finding: finding.kind not in SILENT)
    explanations = (_explain(context, finding, findings) for finding in stopped[:10])
    explained = [found for found in explanations if found is not None]
    return context.report(
        [*_about_focus(context, findings), *explained],
        explained=[finding.subject for finding in stopped[:10]],
        without_report=lacking,
    )


def _explain(context: Context, finding: Finding, findings: Sequence[Finding]) -> Finding | None:
    subject = finding.subject or "all events"
    stop = seconds(finding.start) if finding.start else context.now
    fields = fields_of(context, finding)
    together = _together(finding, findings, stop)
    clue = _clue(context, fields, finding, stop)
    gone = {f.subject for f in of_kind(findings, ["host_silent"])}
    peers = _peers(context, fields, stop, gone)
    if clue is not None:
        says, advice = clue.cause.says.format(subject=subject), clue.cause.advice.format(subject=subject)
        confidence, lines = clue.cause.confidence, clue.lines
        first = seconds(clue.lines[0]["ts"])
        basis = (
            f"{count(len(lines), 'line')} {clue.by} from {when(first)} on ({lasting(max(0.0, stop - first))} before) "
        )
        basis += f"{'says' if len(lines) == 1 else 'say'} so, and hardly any before that"
    elif together:
        says = f"{subject} and {listed(together)} stopped within five minutes: most likely a common cause"
        advice = f"Check what {subject} and {listed(together)} share: network, receiver, power, a deployment."
        confidence, lines, basis = 0.6, (), "several stopped at once, and none logged a reason"
    elif finding.kind == "volume_drop":
        return None
    else:
        says = _unsaid(finding, subject)
        advice, confidence, lines = finding.recommendation, 0.5, ()
        basis = f"in the {lasting(_before(context))} before, no event gives a reason"
    return Finding(
        kind="likely_cause",
        title=f"{says[0].upper()}{says[1:]}" if not says.startswith(subject) else says,
        severity=finding.severity,
        subject=finding.subject,
        detail=f"{basis[0].upper()}{basis[1:]}. {peers}{_also(finding, findings)}".strip(),
        numbers={"stopped": iso(stop), "clues": len(lines), "cause": clue.cause.name if clue else None},
        start=finding.start,
        end=finding.end,
        evidence=evidence(lines[-EVIDENCE_LINES:]),
        confidence=confidence,
        recommendation=advice,
    )


def _unsaid(finding: Finding, subject: str) -> str:
    if finding.kind == "volume_drop":
        return (
            f"the cause of the drop of {subject} is not in this log; most likely some of its inputs or workers stopped"
        )
    if finding.kind != "host_silent":
        return f"{subject} most likely is no longer written or no longer read, as its host goes on"
    return f"{subject} itself, or its forwarder, most likely went down without a word"


def _before(context: Context) -> float:
    return context.number("before_s", 1800)


def _clue(context: Context, fields: Mapping[str, str], finding: Finding, stop: float) -> Clue | None:
    """Return the most telling lines of the time just before, by the subject's host or about the subject."""
    before = _before(context)
    own = {"host": fields["host"]} if "host" in fields else dict(fields)
    start, end = iso(stop - before), iso(stop + 60)
    sources: list[tuple[str, list[dict[str, Any]]]] = []
    if own:
        where = context.having(**own, start=start, end=end)
        sources.append(("of its own", context.store.sample(where=where, limit=2000, order="last")))
    if finding.subject and " / " not in finding.subject:
        where = context.having(text=finding.subject, start=start, end=iso(stop + before))
        told = context.store.sample(where=where, limit=1000)
        sources.append(("of others about it", [e for e in told if e.get("host") not in own.values()]))
    for cause in CAUSES:
        for by, events in sources:
            lines = [e for e in events if cause.words.search(_text(e))]
            lines = [e for e in lines if _unusual(context, own, e, lines, stop - before)]
            if lines:
                return Clue(cause, tuple(sorted(lines, key=lambda e: (e["ts"], e.get("line") or 0))), by)
    return None


def _text(event: Mapping[str, Any]) -> str:
    return (
        f"{event.get('source') or ''} {event.get('sourcetype') or ''} {event.get('message') or event.get('raw') or ''}"
    )


def _unusual(
    context: Context, own: Mapping[str, str], event: Mapping[str, Any], lines: Sequence[Mapping[str, Any]], until: float
) -> bool:
    """Tell whether a line is rarer in all the time before than in the short time in which it was found."""
    fixed = anchor(mask(str(event.get("message") or event.get("raw") or "")))
    earlier = context.store.counts((), where=context.having(**own, text=fixed, end=iso(until)))
    seen: int = sum(row["events"] for row in earlier)
    history: float = max(until - context.first, 1.0)
    return not seen or len(lines) / _before(context) >= 5 * seen / history


def _together(finding: Finding, findings: Sequence[Finding], stop: float) -> list[str]:
    others = of_kind(findings, [finding.kind])
    near = {
        f.subject for f in others if f.start and abs(seconds(f.start) - stop) <= 300 and f.subject != finding.subject
    }
    return sorted(name for name in near if name)


def _peers(context: Context, fields: Mapping[str, str], stop: float, gone: Collection[str | None]) -> str:
    host = fields.get("host")
    if not host or len(context.info.hosts) < 2:
        return ""
    rows = context.store.counts(["host"], where=context.having(start=iso(stop + 1)))
    others = [row["host"] for row in rows if row["host"] and row["host"] != host and row["host"] not in gone]
    total = len([name for name in context.info.hosts if name != host])
    return f"{len(others)} of {total} other hosts went on. " if total else ""


def _also(finding: Finding, findings: Sequence[Finding]) -> str:
    """Name what else was found about the same subject: it may explain it, or follow from it."""
    host = (finding.subject or "").split(" / ")[0]
    others = [f for f in findings if f.subject == host and f.kind not in (finding.kind, "volume_drop", "gap")]
    return f"Also found: {'; '.join(clean(f.title) for f in others[:2])}." if others else ""


def _about_focus(context: Context, findings: Sequence[Finding]) -> list[Finding]:
    """Answer for a host, source or source type that the question names and that is unknown, or is not silent."""
    known = {"host": context.info.hosts, "source": context.info.sources, "sourcetype": context.info.sourcetypes}
    answers = []
    for field, name in context.focus.items():
        if name not in known[field]:
            answers.append(_unknown(field, name, known[field]))
        elif not any(name in (f.subject or "").split(" / ") for f in findings):
            answers += _healthy(context, field, name)
    return answers


def _unknown(field: str, name: str, known: Sequence[str]) -> Finding:
    there = f"it has {listed(known, 8)}" if known else f"it names no {field} at all"
    return Finding(
        kind=f"{field}_unknown",
        title=f"{name}: no event in this log; {there}",
        severity="medium",
        subject=name,
        numbers={"events": 0, "known": len(known)},
        confidence=1.0,
        impact=f"Nothing can be said of {name} from this log.",
        recommendation=f"Check the name {name}, and whether its events go to another place.",
    )


def _healthy(context: Context, field: str, name: str) -> list[Finding]:
    rows = context.store.counts([field], where=context.having(**{field: name}))  # type: ignore[list-item]
    if not rows:
        return []
    events, last = sum(row["events"] for row in rows), max(seconds(row["last"]) for row in rows)
    total = sum(row["events"] for row in context.store.counts((), where=context.where))
    title = f"{name} has not gone quiet by what the checks see: its last event is at {when(last)}"
    if events == total:
        title = f"{name} wrote this whole log, to its end at {when(last)}; whether it went quiet then cannot be told"
    return [
        Finding(
            kind="still_sending",
            title=title,
            severity="low",
            subject=name,
            detail=""
            if events == total
            else f"{lasting(context.now - last)} before the end; {share(events, total)} of all events.",
            numbers={"events": events, "last_event": iso(last)},
            start=iso(last),
            end=iso(context.now),
            evidence=evidence(context.store.sample(where=context.having(**{field: name}), limit=1, order="last")),
            confidence=0.8,
        )
    ]
