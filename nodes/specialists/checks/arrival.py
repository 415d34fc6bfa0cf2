"""How late events arrive, and whether some arrive twice.

An event is late if it arrived more than `max_delay_s` after it happened (300, or ten times the usual delay). A host
whose delay is large but constant has a clock that is off: that is the check `clock`'s. Identical lines with the same
timestamp, host and source are duplicates once they are more than `max_duplicates` (0.02) of the events, or five times
that where timestamps are whole seconds, in which a log may well repeat itself.

Thresholds: `max_delay_s`, `min_late` (5 events), `max_duplicates`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ....schema.results import CheckReport, Finding, Severity
from .clocks import host_offsets, usual_delay
from .context import Context, check
from .wording import count, evidence, iso, lasting, period, seconds, share


@check(
    "arrival",
    description="Measures the delay between event and arrival, and finds late and duplicate events",
    min_events=10,
)
def arrival(context: Context) -> CheckReport:
    """Report who sends late and what was sent twice."""
    repeated = _duplicates(context)
    if not context.has("received"):
        reason = "events bear no arrival time, so their delay is not known"
        if repeated:
            return context.report(repeated, delay=reason)
        return context.not_applicable(reason, duplicates=0)
    rows = context.store.quantiles("delay_s", ["host"], where=context.where)
    off = host_offsets(context)
    rows = [row for row in rows if row["host"] not in off]
    usual = max(usual_delay(rows), 0.0)
    limit = context.number("max_delay_s", max(300.0, 10 * usual))
    late = [found for row in rows if row["max"] > limit for found in _late(context, row, usual, limit)]
    delays = {str(row["host"]): {"p50_s": row["p50"], "p95_s": row["p95"], "max_s": row["max"]} for row in rows[:50]}
    return context.report([*late, *repeated], usual_delay_s=round(usual, 1), limit_s=limit, delays=delays)


def _late(context: Context, row: Mapping[str, Any], usual: float, limit: float) -> list[Finding]:
    """Find when a host's events were late, hour by hour or finer, as one finding."""
    windows = _windows(context, row["host"], limit)
    if not windows:
        return []
    start, end = windows[0][0], windows[-1][1]
    where = context.having(host=row["host"], start=iso(start), end=iso(end))
    measured = context.store.quantiles("delay_s", ["host"], where=where)
    if not measured or sum(w[2] for w in windows) < context.number("min_late", 5):
        return []
    return [_late_finding(context, measured[0], start, end, usual)]


def _windows(context: Context, host: str | None, limit: float) -> list[tuple[float, float, int]]:
    """Return the windows, each 1/48 of the log, in which at least one event in twenty of a host was late."""
    begin = context.first
    width = max(1.0, (context.now - begin) / 48)
    found = []
    for index in range(49):
        start = begin + index * width
        where = context.having(host=host, start=iso(start), end=iso(start + width))
        for row in context.store.quantiles("delay_s", ["host"], where=where):
            if row["host"] == host and row["p95"] > limit:
                found.append((start, start + width, int(row["events"])))
    return found


def _late_finding(context: Context, row: Mapping[str, Any], start: float, end: float, usual: float) -> Finding:
    where = context.having(host=row["host"], start=iso(start), end=iso(end))
    events = context.store.sample(where=where, limit=400)
    slow = [e for e in events if e.get("received") and seconds(e["received"]) - seconds(e["ts"]) > row["p50"] * 0.8]
    severity: Severity = "medium" if row["p95"] >= 900 else "low"
    host = row["host"]
    name = host or "events without a host"
    return Finding(
        kind="late_arrival",
        title=f"{name}: events from {period(start, end)} arrived up to {lasting(row['max'])} late",
        severity=severity,
        subject=host,
        detail=(
            f"{count(row['events'], 'event')} of that time: half arrived {lasting(row['p50'])} or more after they "
            f"happened, against {lasting(usual)} as usual."
        ),
        numbers={
            "events": row["events"],
            "p50_s": round(row["p50"], 1),
            "p95_s": round(row["p95"], 1),
            "max_s": round(row["max"], 1),
            "usual_s": round(usual, 1),
        },
        start=iso(start),
        end=iso(end),
        evidence=evidence((slow or events)[:3]),
        confidence=0.9,
        impact=f"Searches and alerts over the latest minutes missed these events of {name} when they ran.",
        recommendation=f"Look for a backlog on {name}: a full queue of its forwarder, or a slow or broken link.",
    )


def _duplicates(context: Context) -> list[Finding]:
    rows = context.store.duplicates(where=context.asked(), limit=1000)
    surplus = sum(row["events"] - 1 for row in rows)
    limit = context.number("max_duplicates", 0.02)
    whole = all(seconds(row["ts"]) % 1 == 0 for row in rows)
    total = sum(row["events"] for row in context.store.counts((), where=context.asked()))
    if surplus < 10 or surplus <= limit * (5 if whole else 1) * total:
        return []
    hosts = sorted({row["host"] for row in rows if row["host"]})
    start, end = min(seconds(row["ts"]) for row in rows), max(seconds(row["ts"]) for row in rows)
    subject = hosts[0] if len(hosts) == 1 else None
    more = "At least " if len(rows) == 1000 else ""
    return [
        Finding(
            kind="duplicates",
            title=f"{more}{count(surplus, 'event')} ({share(surplus, total)}) repeat an earlier one exactly",
            severity="low",
            subject=subject,
            detail=f"Same text, timestamp, host and source; between {period(start, end)}.",
            numbers={"surplus": surplus, "events": total, "distinct": len(rows)},
            start=iso(start),
            end=iso(end),
            evidence=evidence(
                context.store.sample(where=context.having(text=rows[0]["raw"][:150], start=rows[0]["ts"]), limit=2)
            ),
            confidence=0.6 if whole else 0.9,
            impact="Counts and rates are too high where events are stored twice.",
            recommendation="See whether a file is read twice, or a forwarder sends again what was not confirmed.",
        )
    ]
