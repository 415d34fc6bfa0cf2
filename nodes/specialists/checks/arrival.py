"""How late events arrive, and whether some arrive twice.

An event is late if it arrived more than `max_delay_s` after it happened (300, or ten times the usual delay). A host
whose delay is large but constant has a clock that is off: that is the check `clock`'s. Identical lines with the same
timestamp, host and source are duplicates once they are more than `max_duplicates` (0.02) of the events; it takes
fifteen times that where timestamps are whole seconds, in which a log may well repeat itself, and what it says at other
times too does not count then.

Thresholds: `max_delay_s`, `min_late` (5 events), `max_duplicates`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from ....schema.results import CheckReport, Finding, Severity
from .clocks import host_offsets, usual_delay
from .context import Context, check
from .failures import LIMIT
from .series import DIMENSIONS, Key, named
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
    off = host_offsets(context)
    rows = [
        row for row in context.store.quantiles("delay_s", DIMENSIONS, where=context.where) if row["host"] not in off
    ]
    if not rows:
        return context.not_applicable("no event of a host whose clock is right bears an arrival time")
    usual = max(usual_delay(rows), 0.0)
    limit = context.number("max_delay_s", max(300.0, 10 * usual))
    spells = late_spells(context, limit, off) if any(row["max"] > limit for row in rows) else {}
    parts = named(spells, [_key(row) for row in rows])
    late = [_late_finding(context, fields, [spells[key] for key in keys], usual) for fields, keys in parts]
    delays = {"/".join(str(k) for k in _key(r) if k): {"p50_s": r["p50"], "max_s": r["max"]} for r in rows[:50]}
    return context.report([*late, *repeated], usual_delay_s=round(usual, 1), limit_s=limit, delays=delays)


def _key(row: Mapping[str, Any]) -> Key:
    return tuple(row[dimension] for dimension in DIMENSIONS)


def late_spells(context: Context, limit: float, off: Collection[str]) -> dict[Key, tuple[float, float]]:
    """Return from when to when most events of a host's source were late, in steps of 1/96 of the log."""
    begin, enough = context.first, context.number("min_late", 5)
    width = max(1.0, (context.now - begin) / 96)
    seen: dict[Key, list[tuple[float, int]]] = {}
    for index in range(97):
        start = begin + index * width
        where = context.having(start=iso(start), end=iso(start + width))
        for row in context.store.quantiles("delay_s", DIMENSIONS, where=where):
            if row["p50"] > limit and row["host"] not in off:
                seen.setdefault(_key(row), []).append((start, int(row["events"])))
    kept = {key: found for key, found in seen.items() if sum(events for _, events in found) >= enough}
    return {key: (found[0][0], found[-1][0] + width) for key, found in kept.items()}


def _late_finding(
    context: Context, fields: Mapping[str, str], spells: Sequence[tuple[float, float]], usual: float
) -> Finding:
    start, end = min(s for s, _ in spells), min(max(e for _, e in spells), context.now)
    where = context.having(**fields, start=iso(start), end=iso(end))
    row = context.store.quantiles("delay_s", (), where=where)[0]
    name = " / ".join(fields.values()) or "events without a host"
    events = context.store.sample(where=where, limit=400)
    slow = [e for e in events if e.get("received") and seconds(e["received"]) - seconds(e["ts"]) >= row["p50"] * 0.9]
    severity: Severity = "medium" if row["p95"] >= 900 else "low"
    return Finding(
        kind="late_arrival",
        title=f"{name}: events from {period(start, end)} arrived up to {lasting(row['max'])} late",
        severity=severity,
        subject=name if fields else None,
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
        recommendation=f"Look for a backlog on the way of {name}: a full forwarder queue, a slow or broken link.",
    )


def _usual_messages(context: Context) -> set[str]:
    """Return the messages that come at more than one moment."""
    first: dict[str, str] = {}
    again: set[str] = set()
    for ts, message in context.store.messages(where=context.asked(), limit=LIMIT):
        if first.setdefault(message, ts) != ts:
            again.add(message.strip())
    return again


def _says(raw: str, messages: set[str]) -> bool:
    """Tell whether a line ends with one of the messages."""
    line = raw.strip()
    return any(line[place:] in messages for place in range(min(len(line), 120)))


def _duplicates(context: Context) -> list[Finding]:
    rows = context.store.duplicates(where=context.asked(), limit=1000)
    limit = context.number("max_duplicates", 0.02)
    whole = all(seconds(row["ts"]) % 1 == 0 for row in rows)
    if whole and rows:
        usual = _usual_messages(context)
        rows = [row for row in rows if not _says(row["raw"], usual)]
    surplus = sum(row["events"] - 1 for row in rows)
    total = sum(row["events"] for row in context.store.counts((), where=context.asked()))
    if surplus < 10 or surplus <= limit * (15 if whole else 1) * total:
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
