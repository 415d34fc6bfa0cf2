"""What is slow and what is busy.

`latency` needs events with a duration: which hosts, paths and source types are slow, the slowest events, and when all
became slower. `load` needs nothing but time: the busiest moments, hosts, clients and paths.

Thresholds: `slow_ratio` (3.0 times what is usual), `min_slow_ms` (100), `peak_ratio` (5.0 times the usual busy minute).
"""

from __future__ import annotations

from collections import Counter
from statistics import median
from typing import Any

from ....schema.results import CheckReport, Finding
from .context import Context, check
from .series import stretches, width_for
from .templates import anchor, mask
from .wording import count, evidence, iso, lasting, period, seconds, share, when

SLOW_BY = ("path", "host", "sourcetype")

LIKE = 0.05
"""Share of a stretch's events, the slowest ones, that tell of what kind the slow events are."""


@check(
    "latency",
    description="Finds what is slow: hosts, paths and times with long durations, and the slowest events",
    min_events=20,
)
def latency(context: Context) -> CheckReport:
    """Report what takes long, and when it began to."""
    if not context.has("duration_ms"):
        reason = "no event says how long something took"
        return context.not_applicable(reason, answer=f"Whether it is slow cannot be told: {reason}")
    overall = context.store.quantiles("duration_ms", (), where=context.asked())
    if not overall or overall[0]["events"] < 20:
        return context.not_applicable("fewer than 20 events say how long something took")
    usual = overall[0]
    findings = _slow_times(context)
    for field in SLOW_BY:
        findings += _slow_groups(context, field, usual)
    slowest = context.store.sample(where=context.asked(), limit=5, order="slowest")
    return context.report(
        findings,
        answer=(
            f"Half of {count(usual['events'], 'timed event')} took {usual['p50']:,.0f} ms or less, "
            f"95% {usual['p95']:,.0f} ms or less, the slowest {usual['max']:,.0f} ms{_by_source(context, usual)}"
        ),
        events=usual["events"],
        **{f"{name}_ms": round(usual[name], 1) for name in ("p50", "p95", "p99", "max")},
        slowest=list(evidence(slowest, durations=True)),
    )


def _by_source(context: Context, usual: dict[str, Any]) -> str:
    """Return the same for each of the sources, where several say how long something took: they are not alike."""
    rows = [
        row
        for row in context.store.quantiles("duration_ms", ["source"], where=context.asked())
        if row["source"] and row["events"] >= max(20, 0.02 * usual["events"])
    ]
    if not 2 <= len(rows) <= 4:
        return ""
    told = "; ".join(
        f"{row['source']} ({row['events']:,}): half {row['p50']:,.0f} ms or less, 95% {row['p95']:,.0f} ms or less"
        for row in rows
    )
    return f". By source: {told}"


def _slow_groups(context: Context, field: Any, usual: dict[str, Any]) -> list[Finding]:
    if not context.has(field):
        return []
    rows = [
        r
        for r in context.store.quantiles("duration_ms", [field], where=context.asked())
        if r[field] and r["events"] >= 20
    ]
    ratio, least = context.number("slow_ratio", 3.0), context.number("min_slow_ms", 100)
    far = [r for r in rows if r["p50"] >= least and r["p50"] >= 2 * usual["p50"]] if len(rows) >= 3 else []
    slow = [r for r in far if r["p50"] >= ratio * _others(rows, r)]
    return [_slow_group(context, field, row, usual) for row in sorted(slow, key=lambda r: -r["p50"])[:3]]


def _others(rows: list[dict[str, Any]], row: dict[str, Any]) -> float:
    return max(float(median(r["p50"] for r in rows if r is not row)), 1e-9)


def _slow_group(context: Context, field: str, row: dict[str, Any], usual: dict[str, Any]) -> Finding:
    lines: list[dict[str, Any]] = []
    if field in ("host", "sourcetype"):
        lines = context.store.sample(where=context.asked(**{field: row[field]}), limit=3, order="slowest")
    else:
        found = context.store.sample(where=context.asked(text=row[field]), limit=3, order="slowest")
        lines = [event for event in found if event.get(field) == row[field]]
    return Finding(
        kind="slow",
        title=(
            f"{row[field]}: half of {count(row['events'], 'event')} took {row['p50']:,.0f} ms or more "
            f"(all: {usual['p50']:,.0f} ms)"
        ),
        severity="medium",
        subject=row[field],
        detail=f"95% stayed below {row['p95']:,.0f} ms; the slowest took {row['max']:,.0f} ms.",
        numbers={name: round(row[name], 1) for name in ("events", "p50", "p95", "p99", "max")},
        evidence=evidence(lines, durations=True),
        confidence=0.85,
        impact=f"Who uses {row[field]} waits longer than elsewhere.",
        recommendation=f"Trace one slow call of {row[field]} and see where the time goes.",
    )


def _slow_times(context: Context) -> list[Finding]:
    """Find the stretch in which the median duration was far above what is usual."""
    begin, size = context.first, 48
    width = max(1.0, (context.now - begin) / size)
    rows: list[dict[str, Any] | None] = []
    for index in range(size):
        where = context.having(start=iso(begin + index * width), end=iso(begin + (index + 1) * width))
        found = context.store.quantiles("duration_ms", (), where=where)
        rows.append(found[0] if found and found[0]["events"] >= 10 else None)
    values = [row["p95"] for row in rows if row]
    if len(values) < 12:
        return []
    usual = float(median(values))
    ratio, least = context.number("slow_ratio", 3.0), context.number("min_slow_ms", 100)

    def keep(start: int, end: int) -> bool:
        inside = [row["p95"] for row in rows[start:end] if row]
        return len(inside) >= 2 and median(inside) >= max(ratio * usual, least) and end - start < size / 2

    found_at = stretches([row["p95"] - 2 * usual if row else 0.0 for row in rows], keep, limit=2)
    spans = [(rows[a:b], begin + a * width, begin + b * width) for a, b in found_at]
    return [
        _slow_time(context, part, start, end, usual)
        for part, start, end in spans
        if _slower_than_its_like(context, part, start, end, ratio)
    ]


def _slower_than_its_like(
    context: Context, rows: list[dict[str, Any] | None], start: float, end: float, ratio: float
) -> bool:
    """Tell whether the slow events of a stretch took longer than events of their kind do at other times.

    Where they did not, only the mix of events was another one: builds take minutes at any time, requests never do.
    """
    many = max(5, round(LIKE * sum(row["events"] for row in rows if row)))
    where = context.having(start=iso(start), end=iso(end))
    slow = context.store.sample(where=where, limit=min(many, 200), order="slowest")
    anchors = Counter(anchor(mask(str(event.get("message") or ""))) for event in slow)
    text, _ = anchors.most_common(1)[0]
    fixed = {"text": text} if len(text) >= 4 else {}
    apart = [context.having(**fixed, end=iso(start)), context.having(**fixed, start=iso(end))]
    others = [row for place in apart for row in context.store.quantiles("duration_ms", (), where=place)]
    seen = sum(row["events"] for row in others)
    if seen < 5:
        return True
    inside = context.store.quantiles("duration_ms", (), where=context.having(**fixed, start=iso(start), end=iso(end)))
    usual = sum(row["p95"] * row["events"] for row in others) / seen
    return bool(inside) and inside[0]["p95"] >= 0.6 * ratio * usual


def _slow_time(context: Context, rows: list[dict[str, Any] | None], start: float, end: float, usual: float) -> Finding:
    slow = float(median(row["p95"] for row in rows if row))
    where = context.having(start=iso(start), end=iso(end))
    return Finding(
        kind="slow_period",
        title=f"Slow from {period(start, end)}: 5% of events took {slow:,.0f} ms or more, usually {usual:,.0f} ms",
        severity="medium",
        detail=f"{slow / usual:.1f} times the usual 95% mark, for {lasting(end - start)}.",
        numbers={"p95_ms": round(slow, 1), "usual_p95_ms": round(usual, 1)},
        start=iso(start),
        end=iso(end),
        evidence=evidence(context.store.sample(where=where, limit=3, order="slowest"), durations=True),
        confidence=0.85,
        impact="Everyone who used the system then had to wait.",
        recommendation=f"See what was deployed, backed up or blocked at {period(start, start)}.",
    )


@check("load", description="Finds the busiest moments, hosts, clients and paths", min_events=20)
def load(context: Context) -> CheckReport:
    """Report peaks of load, and whoever makes most of it."""
    begin = max(context.first, context.start)
    width = width_for(max(1.0, context.now - begin))
    rows = [
        r
        for r in context.store.counts((), where=context.asked(), bucket_s=width)
        if seconds(r["bucket"]) <= context.now
    ]
    if not rows:
        return context.not_applicable("no event lies in the time that is asked about")
    total = sum(row["events"] for row in rows)
    peak = max(rows, key=lambda row: row["events"])
    top = {
        field: _top(context, field) for field in ("host", "client", "path", "user", "sourcetype") if context.has(field)
    }
    findings = [*_peak(context, rows, peak, width), *_heavy(context, top, total)]
    rate = total / max(context.now - begin, 1.0)
    busiest = max(width, 1.0)
    return context.report(
        findings,
        answer=(
            f"Busiest were the {lasting(busiest)} from {when(seconds(peak['bucket']), exact=width < 60)} with "
            f"{count(peak['events'], 'event')}; on average {lasting(busiest)} have {rate * busiest:,.1f}"
        ),
        events=total,
        per_second=round(rate, 3),
        peak={
            "start": peak["bucket"],
            "seconds": width,
            "events": peak["events"],
            "per_second": round(peak["events"] / width, 3),
        },
        top={field: dict(rows) for field, rows in top.items()},
    )


def _top(context: Context, field: Any) -> list[tuple[str, int]]:
    rows = [r for r in context.store.counts([field], where=context.asked()) if r[field] is not None]
    return [(str(r[field]), int(r["events"])) for r in sorted(rows, key=lambda r: (-r["events"], str(r[field])))[:5]]


def _peak(context: Context, rows: list[dict[str, Any]], peak: dict[str, Any], width: float) -> list[Finding]:
    if len(rows) < 24:
        return []
    usual = float(median(sorted(row["events"] for row in rows)[len(rows) // 2 :]))
    if peak["events"] < context.number("peak_ratio", 5.0) * usual or peak["events"] < 50:
        return []
    start = seconds(peak["bucket"])
    where = context.having(start=iso(start), end=iso(start + width))
    return [
        Finding(
            kind="busy",
            title=(
                f"Busiest in the {lasting(width)} from {period(start, start)}: {count(peak['events'], 'event')}, "
                f"usually {usual:,.0f} when busy"
            ),
            severity="low",
            numbers={"events": peak["events"], "usual": usual, "seconds": width},
            start=iso(start),
            end=iso(start + width),
            evidence=evidence(context.store.sample(where=where, limit=3)),
            confidence=0.8,
            impact="Queues and disks have to take such a peak.",
            recommendation=f"See who sent most at {period(start, start)}.",
        )
    ]


def _heavy(context: Context, top: dict[str, list[tuple[str, int]]], total: int) -> list[Finding]:
    """Find one client that makes a large part of all requests."""
    rows = top.get("client", [])
    if len(rows) < 5 or rows[0][1] < 0.25 * total or rows[0][1] < 100 or rows[0][1] < 5 * rows[1][1]:
        return []
    client, events = rows[0]
    return [
        Finding(
            kind="busy",
            title=f"Client {client} makes {share(events, total)} of all events: {events:,} of {total:,}",
            severity="low",
            subject=client,
            detail=f"The next one, {rows[1][0]}, makes {rows[1][1]:,}.",
            numbers={"events": events, "total": total},
            evidence=evidence(context.store.sample(where=context.asked(text=client), limit=3)),
            confidence=0.8,
            impact="One client's habits decide the load.",
            recommendation=(
                f"Find out what {client} is: a proxy that many use, or one caller whose rate can be limited."
            ),
        )
    ]
