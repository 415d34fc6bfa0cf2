"""Clocks that are off, time zones that were read wrongly, timestamps in the future or far in the past.

Where events bear their arrival, a host's clock is off if the delay from event to arrival is far from what other hosts
have *and* hardly varies; a delay that varies is late arrival (see `arrival`). An offset near a whole number of half
hours is called a time-zone error candidate. Without arrivals, a host that begins and ends earlier or later than all
the others, by the same amount, is a candidate too, with less confidence.

Thresholds: `min_skew_s` (120).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from statistics import median
from typing import Any

from ....events.protocol import Where
from ....schema.results import CheckReport, Finding
from .context import Context, check
from .wording import count, evidence, iso, lasting, seconds, when

HALF_HOUR = 1800.0
"""Time zones differ by whole numbers of these (three of them by a quarter hour more)."""


@dataclass(frozen=True)
class Offset:
    """By how much a host's clock is off: add `seconds` to its timestamps to get the right time."""

    host: str
    seconds: float
    events: int
    confidence: float
    basis: str
    """What shows it."""

    @property
    def zones(self) -> int:
        """Half hours nearest to the offset, or 0 if it is not near a whole number of them."""
        halves = round(self.seconds / HALF_HOUR)
        return halves if halves and abs(self.seconds - halves * HALF_HOUR) <= 90 and abs(halves) <= 28 else 0


@check(
    "clock",
    description="Finds clocks that are off, time-zone errors and timestamps in the future or far past",
    min_events=20,
)
def clock(context: Context) -> CheckReport:
    """Report hosts whose timestamps cannot be trusted."""
    found = offsets(context)
    findings = [_finding(context, offset) for offset in found]
    findings += _outside(context, {offset.host for offset in found})
    if not findings and not context.has("received") and len(context.info.hosts) < 3:
        return context.not_applicable(
            "events bear no arrival time, and there are fewer than three hosts to compare with one another",
            future=0,
        )
    basis = (
        "arrival times" if context.has("received") else "start and end of each host's events; they bear no arrival time"
    )
    return context.report(findings, hosts=len(context.info.hosts), compared_by=basis)


def host_offsets(context: Context) -> dict[str, float]:
    """Return the seconds to add to each host's timestamps, for the hosts whose clock is off."""
    return {offset.host: offset.seconds for offset in offsets(context)}


def offsets(context: Context) -> list[Offset]:
    """Find the hosts whose clock is off."""
    if context.has("received"):
        return _by_delay(context)
    return _by_range(context)


def usual_delay(rows: list[dict[str, Any]]) -> float:
    """Return the delay that most hosts have, seconds."""
    return (
        median(row["p50"] for row in rows) if len(rows) > 2 else min((row["p50"] for row in rows), key=abs, default=0.0)
    )


def _by_delay(context: Context) -> list[Offset]:
    rows = [
        r for r in context.store.quantiles("delay_s", ["host"], where=context.where) if r["host"] and r["events"] >= 10
    ]
    usual = usual_delay(rows)
    found = []
    for row in rows:
        off = row["p50"] - usual
        if abs(off) < context.number("min_skew_s", 120) or not _steady(row):
            continue
        found.append(Offset(row["host"], off, row["events"], 0.95, "the delay from event to arrival hardly varies"))
    return found


def _steady(row: Mapping[str, Any]) -> bool:
    """Tell whether a delay is a clock's (constant) rather than a queue's (it grows and shrinks)."""
    room = max(60.0, 0.05 * abs(row["p50"]))
    return bool(row["p95"] - row["p50"] <= room and row["p50"] - row["min"] <= room)


def _by_range(context: Context) -> list[Offset]:
    rows = [r for r in context.store.counts(["host"], where=context.where) if r["host"] and r["events"] >= 20]
    if len(rows) < 3:
        return []
    first, last = (median(seconds(row[end]) for row in rows) for end in ("first", "last"))
    found = []
    for row in rows:
        late, over = seconds(row["first"]) - first, seconds(row["last"]) - last
        offset = Offset(
            row["host"], -(late + over) / 2, row["events"], 0.6, "it begins and ends that much apart from the others"
        )
        if abs(late - over) <= 300 and abs(late) >= HALF_HOUR - 300 and offset.zones:
            found.append(offset)
    return found if len(found) * 2 < len(rows) else []


def _finding(context: Context, offset: Offset) -> Finding:
    rows = context.store.counts(["host"], where=context.having(host=offset.host))
    behind = offset.seconds > 0
    zones = offset.zones
    amount = lasting(zones * HALF_HOUR if zones else offset.seconds)
    direction = "behind" if behind else "ahead"
    title = f"{offset.host}: clock is {amount} {direction}"
    if zones:
        title = f"{offset.host}: clock is {amount} {direction}, by whole half hours: probably a time-zone error"
    return Finding(
        kind="clock_skew",
        title=title,
        severity="medium",
        subject=offset.host,
        detail=f"{count(offset.events, 'event')}: {offset.basis}; the offset is {abs(offset.seconds):,.0f} s.",
        numbers={"offset_s": round(-offset.seconds), "timezone_candidate": bool(zones), "events": offset.events},
        start=rows[0]["first"] if rows else None,
        end=rows[0]["last"] if rows else None,
        evidence=_arrivals(context, offset.host),
        confidence=offset.confidence,
        impact=f"Searches by time miss events of {offset.host} or show them at the wrong moment; it can look silent.",
        recommendation=(
            f"Set the time zone of {offset.host}, or the one that its input is read with, and check NTP on it."
            if zones
            else f"Check NTP on {offset.host}."
        ),
    )


def _arrivals(context: Context, host: str) -> tuple[str, ...]:
    events = context.store.sample(where=Where(host=host, end=context.where.end), limit=2, order="last")
    return evidence(events)


def _outside(context: Context, known: set[str]) -> list[Finding]:
    """Find timestamps after now and lone ones long before the rest."""
    found = []
    ahead = context.having(start=iso(context.now + 300))
    for row in context.store.counts(["host"], where=ahead):
        if row["host"] not in known:
            found.append(_stray(context, row, ahead, "future"))
    begin = context.first
    old = _early(context, begin)
    if old is not None:
        before = context.having(end=iso(old))
        for row in context.store.counts(["host"], where=before):
            if row["host"] not in known:
                found.append(_stray(context, row, before, "past"))
    return found


def _early(context: Context, begin: float) -> float | None:
    """Return the moment before which only a few strays lie, a year or more before everything else."""
    rows = context.store.counts((), where=context.where, bucket_s=86400.0)
    total = sum(row["events"] for row in rows)
    seen = 0
    for row, following in pairwise(rows):
        seen += row["events"]
        if seen > 0.05 * total:
            return None
        if seconds(following["bucket"]) - seconds(row["last"]) > 300 * 86400:
            return seconds(following["bucket"])
    return None


def _stray(context: Context, row: Mapping[str, Any], where: Where, side: str) -> Finding:
    host = row["host"]
    name = host or "events without a host"
    return Finding(
        kind=f"{side}_timestamps",
        title=f"{name}: {count(row['events'], 'event')} with a timestamp " + _side(context, row, side),
        severity="low",
        subject=host,
        numbers={"events": row["events"], "first": row["first"], "last": row["last"]},
        start=row["first"],
        end=row["last"],
        evidence=evidence(context.store.sample(where=Where(host=host, start=where.start, end=where.end), limit=3)),
        confidence=0.8,
        impact="Searches by time do not show them where they belong.",
        recommendation=f"Check the clock of {name} and how its timestamps are read.",
    )


def _side(context: Context, row: Mapping[str, Any], side: str) -> str:
    if side == "future":
        return f"after the log's end, {when(context.now)}; the latest says {when(seconds(row['last']))}"
    return f"long before the rest; the first says {when(seconds(row['first']))}"
