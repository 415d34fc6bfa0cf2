"""Errors: how many, when they come in bursts, whose they are, and which failures repeat.

An event is an error if its level is `error` or `critical`, or its HTTP status 500 or more. A burst is a stretch with
far more errors than the rest of the log has for that much traffic.

Thresholds: `max_error_rate` (0.02), `min_errors` (10), `burst_ratio` (4.0), `z` (6.0), and those in `failures`.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ....events.protocol import Field, Where
from ....schema.results import CheckReport, Finding, Severity
from ...summary.merge import FOCUS
from .context import Context, check, too_few
from .crashes import crashes
from .failures import LIMIT, LOGIN, as_shown, kinds, login_failures, most_often, repeated_trouble, shown
from .responses import by_path, failed_requests, server_errors
from .series import DIMENSIONS, stretches, width_for
from .templates import Template, anchor, mine
from .wording import count, evidence, iso, lasting, period, seconds, share, when

BAD_LEVELS = ("error", "critical")

MIN_EVENTS = 10
"""Events below which nothing but a stack trace tells anything."""


@dataclass
class Counts:
    """Events and errors over time."""

    start: float
    width: float
    events: list[int]
    errors: list[int]

    def moment(self, index: int) -> float:
        """Return the start of a bucket."""
        return self.start + index * self.width


@check(
    "errors",
    description="Measures the error rate, finds bursts of errors, repeated failures and refused logins",
)
def errors(context: Context) -> CheckReport:
    """Report bursts, a high rate, and failures that repeat."""
    graded = context.has("level") or context.has("status")
    total = sum(row["events"] for row in context.store.counts((), where=context.asked()))
    findings = login_failures(context, context.store.messages(where=context.asked(), limit=LIMIT), total)
    stats: dict[str, Any] = {"events": total}
    if graded:
        counts = count_errors(context)
        bursts = [
            burst for burst in find_bursts(context, counts) if not findings or not _logins(context, counts, *burst)
        ]
        findings += [
            _burst(context, counts, start, end, len(bursts), _outside(counts, bursts)) for start, end in bursts[:3]
        ]
        findings += _rate(context, counts, bursts)
        stats |= {"errors": sum(counts.errors), "error_rate": round(sum(counts.errors) / max(1, sum(counts.events)), 4)}
    else:
        stats["note"] = "no event bears a level or a status, so that failures were told by their words alone"
    findings += _repeated(context, total)
    told_of = [finding for finding in findings if finding.kind in ("error_rate", "error_burst")]
    if not any(finding.kind == "error_rate" for finding in told_of):
        findings += failed_requests(context, told_of)
    findings += crashes(context, graded_too=not told_of)
    if not findings and context.info.events < MIN_EVENTS:
        return context.not_applicable(too_few(context.info.events, MIN_EVENTS))
    if graded and not findings and (told := _few(context, total)):
        stats["aside"] = told
    return context.report(findings, **stats)


def _few(context: Context, total: int) -> str:
    """Tell of errors in the time that is asked about that are too few for a finding; empty if there are none."""
    seen = sum(r["events"] for r in context.store.counts(["level", "status"], where=context.asked()) if is_error(r))
    worded = context.asked(levels=BAD_LEVELS)
    templates = as_shown(mine(context.store.messages(where=worded, limit=LIMIT))) if seen else []
    most = f", {most_often(templates, seen)}" if templates else ""
    where = by_path(server_errors(context))
    most += f", status 500 or more on {where}" if where else ""
    verb = "is an error" if seen == 1 else "are errors"
    return f"{count(seen, 'event')} of {total:,} ({share(seen, total)}) {verb}{most}" if seen else ""


def _repeated(context: Context, total: int) -> list[Finding]:
    rows = context.store.counts(["level"], where=context.asked()) if context.has("level") else []
    if sum(row["events"] for row in rows if row["level"]) < 0.5 * total:
        return repeated_trouble(context, context.store.messages(where=context.asked(), limit=LIMIT), total, "messages")
    warnings = context.asked(levels=("warning",))
    return repeated_trouble(context, context.store.messages(where=warnings, limit=LIMIT), total, "warnings")


def is_error(row: Mapping[str, Any]) -> bool:
    """Tell whether a row of counts is of errors."""
    status = row.get("status")
    return row.get("level") in BAD_LEVELS or (isinstance(status, int) and status >= 500)


def of_focus(context: Context, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return, for a finding's numbers, how many of its events are of what the question is about, and of how many."""
    every: int = sum(row["events"] for row in rows)
    shares = {
        name: [sum(row["events"] for row in rows if row.get(field) == name), every]
        for field, name in context.focus.items()
    }
    return {FOCUS: shares} if shares else {}


def _bad(context: Context, by: Sequence[Field]) -> list[dict[str, Any]]:
    """Return the counts of errors in the time that is asked about."""
    return [row for row in context.store.counts(by, where=context.asked()) if is_error(row)]


def count_errors(context: Context) -> Counts:
    """Count events and errors over time."""
    begin = context.first
    width = context.number("bucket_s", width_for(context.now - begin))
    start = math.floor(begin / width) * width
    size = max(1, math.floor((context.now - start) / width) + 1)
    counts = Counts(start, width, [0] * size, [0] * size)
    for row in context.store.counts(["level", "status"], where=context.where, bucket_s=width):
        index = math.floor((seconds(row["bucket"]) - start) / width)
        if not 0 <= index < size:
            continue
        counts.events[index] += row["events"]
        if is_error(row):
            counts.errors[index] += row["events"]
    return counts


def find_bursts(context: Context, counts: Counts) -> list[tuple[int, int]]:
    """Return the stretches with far more errors than usual, the largest first."""
    usual = _usual_rate(counts)
    floor = usual * sum(counts.events) / max(1, len(counts.events))
    expected = [max(usual * events, floor) + 0.2 for events in counts.events]

    def keep(start: int, end: int) -> bool:
        seen, due = sum(counts.errors[start:end]), sum(expected[start:end])
        enough = seen >= context.number("min_errors", 10) and seen >= context.number("burst_ratio", 4.0) * due
        return enough and (seen - due) / math.sqrt(due) >= context.number("z", 6.0) and end - start < len(expected) / 2

    return stretches([c - 2.5 * e for c, e in zip(counts.errors, expected, strict=True)], keep, limit=6)


def _usual_rate(counts: Counts) -> float:
    """Return the errors for each event, over all but the worst tenth of the buckets."""
    rated = sorted((c / e, c, e) for c, e in zip(counts.errors, counts.events, strict=True) if e)
    kept = rated[: max(1, math.ceil(0.9 * len(rated)))]
    return sum(c for _, c, _ in kept) / max(1, sum(e for _, _, e in kept))


def _logins(context: Context, counts: Counts, first: int, last: int) -> bool:
    """Tell whether a burst is of refused logins, which are a finding of their own."""
    where = context.having(start=iso(counts.moment(first)), end=iso(counts.moment(last)), levels=BAD_LEVELS)
    messages = [text for _, text in context.store.messages(where=where, limit=1000)]
    return sum(1 for text in messages if LOGIN.search(text)) >= 0.7 * max(1, len(messages))


def _outside(counts: Counts, bursts: Sequence[tuple[int, int]]) -> float:
    """Return the errors for each event outside of the bursts."""
    inside = {index for start, end in bursts for index in range(start, end)}
    pairs = [(c, e) for i, (c, e) in enumerate(zip(counts.errors, counts.events, strict=True)) if i not in inside]
    return sum(c for c, _ in pairs) / max(1, sum(e for _, e in pairs))


def _burst(context: Context, counts: Counts, first: int, last: int, bursts: int, rate: float) -> Finding:
    start, end = _exact(context, counts, first, last)
    rows = context.store.counts([*DIMENSIONS, "level", "status"], where=context.having(start=iso(start), end=iso(end)))
    subject, fields = _owner(rows)
    mine = [row for row in rows if all(row[name] == value for name, value in fields.items())]
    seen, events = sum(row["events"] for row in mine if is_error(row)), sum(row["events"] for row in mine)
    others = sum(row["events"] for row in rows if is_error(row)) - seen
    lines, quoted = _examples(context, context.having(start=iso(start), end=iso(end), **fields))
    severity: Severity = "high" if seen >= 0.2 * events else "medium" if seen >= 0.02 * events else "low"
    return Finding(
        kind="error_burst",
        title=(
            f"{f'{subject}: ' if subject else ''}{count(seen, 'error')} {_during(start, end)}, "
            f"{share(seen, events)} of {'its' if subject else 'all'} events then"
        ),
        severity=severity,
        subject=subject,
        detail=(
            (
                f"Outside of bursts {share(rate, 1)} of all events are errors."
                if rate
                else "Outside of bursts is no error."
            )
            + (f" {quoted}" if quoted else "")
            + (f" {count(others, 'more error')} of others fell into that time." if others else "")
            + (f" The log has {bursts if bursts < 6 else 'six or more'} such bursts." if bursts > 3 else "")
        ),
        numbers={"errors": seen, "events": events, "usual_rate": round(rate, 5), "bursts": bursts, **fields}
        | of_focus(context, [row for row in mine if is_error(row)]),
        start=iso(start),
        end=iso(end),
        evidence=evidence(lines),
        confidence=0.9,
        impact=f"What these {seen:,} errors report did not work in that time.",
        recommendation=f"See what {subject or 'the system'} depended on or changed just before {period(start, start)}.",
    )


def _exact(context: Context, counts: Counts, first: int, last: int) -> tuple[float, float]:
    """Return when the first and the last error of a burst were, as far as their level tells."""
    start, end = counts.moment(first), min(counts.moment(last), context.now + 1)
    rows = context.store.counts((), where=context.having(start=iso(start), end=iso(end), levels=BAD_LEVELS))
    if not rows:
        return start, end
    return seconds(rows[0]["first"]), seconds(rows[0]["last"]) + 1


def _during(start: float, end: float) -> str:
    return f"in {period(start, end)}" if end - start < 60 else f"from {period(start, end)}"


def _owner(rows: Sequence[Mapping[str, Any]]) -> tuple[str | None, dict[str, Any]]:
    """Return whose errors they mostly are, as a name and a filter.

    Of the host, source type and source that have most of the errors, it is the one in whose events errors are
    the most frequent; where all events are of one, that one says nothing, unless it is a host.
    """
    total = sum(row["events"] for row in rows if is_error(row))
    found: list[tuple[float, str, str]] = []
    for name in DIMENSIONS:
        bad: Counter[str] = Counter()
        every: Counter[str] = Counter()
        for row in rows:
            if row[name] is not None:
                every[row[name]] += row["events"]
                bad[row[name]] += row["events"] if is_error(row) else 0
        for value, errors in bad.most_common(1):
            if errors >= 0.55 * total and (len(every) > 1 or name == "host"):
                found.append((errors / every[value], name, value))
    if not found:
        return None, {}
    _, field, value = max(found, key=lambda item: item[0])
    return value, {field: value}


def _examples(context: Context, where: Where) -> tuple[Sequence[Mapping[str, Any]], str]:
    """Return example lines of errors, and a sentence with the most frequent message."""
    graded = replace(where, levels=BAD_LEVELS)
    lines: Sequence[Mapping[str, Any]] = context.store.sample(where=graded, limit=3)
    if lines:
        top = mine(context.store.messages(where=graded, limit=20_000))[:1]
        return lines, "".join(f"Most often: '{shown(t.text)}', {count(t.events, 'time')}." for t in top)
    statuses = [r for r in context.store.counts(["status"], where=where) if is_error(r)]
    some = [e for e in context.store.sample(where=where, limit=2000) if is_error(e)]
    return some[:3], "; ".join(f"status {r['status']}, {count(r['events'], 'time')}" for r in statuses[:3])


def _rate(context: Context, counts: Counts, bursts: Sequence[tuple[int, int]]) -> list[Finding]:
    """Find a rate of errors that is high outside of bursts too."""
    inside = {index for start, end in bursts for index in range(start, end)}
    first = max(0, math.floor((context.start - counts.start) / counts.width))
    places = [i for i in range(first, len(counts.events)) if i not in inside]
    seen, events = sum(counts.errors[i] for i in places), sum(counts.events[i] for i in places)
    limit = context.number("max_error_rate", 0.02)
    if seen < context.number("min_errors", 10) or seen <= limit * events:
        return []
    begin, end = max(counts.moment(places[0]), context.first), min(counts.moment(places[-1] + 1), context.now)
    worded = context.asked(levels=BAD_LEVELS)
    spans = [(counts.moment(first), counts.moment(last)) for first, last in bursts]
    texts = context.store.messages(where=worded, limit=LIMIT)
    templates = as_shown(mine(pair for pair in texts if not any(a <= seconds(pair[0]) < b for a, b in spans)))
    graded = context.store.counts((), where=worded)
    since = seconds(graded[0]["first"]) if graded else begin
    late = since - begin > max(60.0, 0.1 * (end - begin))
    lasts = late and seconds(graded[0]["last"]) >= end - 0.05 * (end - begin)
    subject = context.owner(worded) if graded else None
    lines, quoted = _examples(context, context.asked())
    lines = [e for t in templates[:4] for e in context.store.sample(where=_like(worded, t), limit=1)] or lines
    top = f"'{shown(templates[0].text)}'" if templates else ""
    most = f", {most_often(templates, seen)}" if templates else ""
    told = [kinds(templates, "error")] if len(templates) > 1 else [] if templates else [quoted]
    by = by_path(server_errors(context))
    told += [f"Status 500 or more by path: {by}."] if by else []
    told += ["Bursts are not counted in."] if inside else []
    told += [f"Nearly all are from {subject}."] if subject else []
    told += [f"The first is of {when(since)}, {lasting(since - begin)} into the log."] if late else []
    return [
        Finding(
            kind="error_rate",
            title=(
                f"{share(seen, events)} of events{' outside of bursts' if inside else ''} are errors: "
                f"{seen:,} of {events:,}{f', since {when(since)}' if lasts else ''}{most}"
            ),
            severity="high" if seen >= 0.5 * events else "medium" if lasts or seen >= 0.05 * events else "low",
            subject=subject,
            detail=" ".join(part for part in told if part),
            numbers={"errors": seen, "events": events, "rate": round(seen / events, 4)}
            | ({} if inside else of_focus(context, _bad(context, [*DIMENSIONS, "level", "status"]))),
            start=iso(begin),
            end=iso(end),
            evidence=evidence(lines),
            confidence=0.9,
            impact=(
                f"These errors began {when(since)} and went on up to the log's end."
                if lasts
                else "A share this high is either a standing fault or a level that is used too freely."
            ),
            recommendation=f"Find the cause of {top} first." if top else "Start with the most frequent status.",
        )
    ]


def _like(where: Where, template: Template) -> Where:
    return replace(where, text=anchor(template.text))
