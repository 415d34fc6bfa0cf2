"""Answers of a web server with status 500 or more: on which paths, and since when."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from ....schema.results import Finding
from .context import Context
from .wording import count, evidence, iso, lasting, listed, period, seconds, share, when


def server_errors(context: Context) -> list[dict[str, Any]]:
    """Return the counts of events with status 500 or more by status and path, the most frequent first."""
    if not context.has("status"):
        return []
    rows = context.store.counts(["status", "path"], where=context.asked())
    bad = [row for row in rows if isinstance(row["status"], int) and row["status"] >= 500]
    return sorted(bad, key=lambda row: (-row["events"], str(row["path"])))


def paths(rows: list[dict[str, Any]]) -> Counter[str]:
    """Return the events of such counts by path, without what follows a question mark."""
    found: Counter[str] = Counter()
    for row in rows:
        if row["path"]:
            found[str(row["path"]).split("?", 1)[0]] += row["events"]
    return found


def by_path(rows: list[dict[str, Any]], limit: int = 4) -> str:
    """Return how many such events each path has, in words; empty if no event bears a path."""
    found = paths(rows)
    return listed([f"{path} {count(events, 'time')}" for path, events in found.most_common()], limit)


def failed_requests(context: Context, bursts: Sequence[Finding] = ()) -> list[Finding]:
    """Report statuses of 500 or more where there are ten, and they are more than the background of a busy server.

    Args:
        context: what is looked at.
        bursts: what was found already: those in these times alone need no finding more.

    Thresholds: `min_errors` (10), `min_share` (0.005).
    """
    rows = server_errors(context)
    seen = sum(row["events"] for row in rows)
    every = context.store.counts(["status"], where=context.asked())
    total = sum(row["events"] for row in every if row["status"] is not None)
    if seen - _inside(context, bursts) < context.number("min_errors", 10):
        return []
    if seen < context.number("min_share", 0.005) * total:
        return []
    begin, end = min(seconds(r["first"]) for r in rows), max(seconds(r["last"]) for r in rows)
    statuses: Counter[int] = Counter()
    for row in rows:
        statuses[row["status"]] += row["events"]
    first = max(context.start, context.first)
    late = begin - first > max(60.0, 0.1 * (context.now - first))
    over = context.now - end > 0.1 * (context.now - first)
    span = period(begin, end) if over or not late else f"since {when(begin)}"
    worst = paths(rows).most_common(1)
    named = ", ".join(f"{status}" for status, _ in statuses.most_common(3))
    most = f", most often on {worst[0][0]} ({count(worst[0][1], 'time')})" if worst else ""
    told = [f"By path: {by_path(rows)}." if worst else ""]
    graded = [f"{status} {count(events, 'time')}" for status, events in statuses.most_common()]
    told += [f"By status: {listed(graded, 4)}."] if len(graded) > 1 else []
    told += [f"By time: {_busiest(context)}."]
    told += [f"The first is {lasting(begin - first)} into the time that was looked at."] if late else []
    return [
        Finding(
            kind="server_errors",
            title=f"{seen:,} of {count(total, 'request')} ({share(seen, total)}) have status {named}, {span}{most}",
            severity="medium" if seen >= 0.05 * total else "low",
            detail=" ".join(part for part in told if part),
            numbers={"errors": seen, "events": total, "paths": dict(paths(rows).most_common(8))},
            start=iso(begin),
            end=iso(end),
            evidence=evidence(event for row in rows[:4] for event in _example(context, row)),
            confidence=0.9,
            impact=f"{count(seen, 'request')} had no good answer.",
            recommendation=(
                f"See what {worst[0][0] if worst else 'the server'} depends on, in the log of what serves it"
                f"{f', from {when(begin)} on' if late else ''}."
            ),
        )
    ]


def _inside(context: Context, bursts: Sequence[Finding]) -> int:
    """Return how many of them fell into these findings' times."""
    return sum(
        row["events"]
        for burst in bursts
        for row in context.store.counts(["status"], where=context.having(start=burst.start, end=burst.end))
        if isinstance(row["status"], int) and row["status"] >= 500
    )


def _busiest(context: Context) -> str:
    """Return the hours, or for a short log the tenths of its time, with most of them, in words."""
    span = context.now - max(context.start, context.first)
    width = 86400.0 if span > 5 * 86400 else 3600.0 if span > 4 * 3600 else 600.0 if span > 3600 else 60.0
    hits: Counter[float] = Counter()
    for row in context.store.counts(["status"], where=context.asked(), bucket_s=width):
        if isinstance(row["status"], int) and row["status"] >= 500:
            hits[seconds(row["bucket"])] += row["events"]
    top = sorted(hits.most_common(3))
    more = sum(hits.values()) - sum(events for _, events in top)
    told = [f"{period(moment, moment + width)} {count(events, 'time')}" for moment, events in top]
    return "; ".join([*told, *([f"else {count(more, 'time')}"] if more else [])])


def _example(context: Context, row: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the first event of a count."""
    at = seconds(row["first"])
    near = context.store.sample(where=context.having(start=iso(at), end=iso(at + 1)), limit=2000)
    return [e for e in near if e.get("status") == row["status"] and e.get("path") == row["path"]][:1]
