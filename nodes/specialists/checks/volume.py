"""Volume against what was to be expected: partial drops and spikes that last.

What was to be expected of a subject is its own median at that time of day, where the log spans three days; else its
usual share of its peers' volume (day and night move them all), where two or more send the same source types; else its
own running median, which only shows what is short. A stretch counts if it is several buckets long, far from what was
expected in share, and far outside of the subject's own usual scatter.

Thresholds: `max_ratio` (0.6 of what was expected is a drop), `min_ratio` (2.0 times is a spike), `z` (6.0 standard
deviations), `bucket_s` (about 1/144 of the log).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from ....schema.results import CheckReport, Finding, Severity
from .clocks import host_offsets
from .context import Context, check
from .errors import is_error
from .parsing import stopped_parsing
from .series import LEVELS, Subject, Table, dispersion, leaves, smooth, stretches
from .silence import Pause, pauses, silences
from .wording import count, evidence, iso, period, share

STEADY = 3
"""Events in the median bucket, below which a subject comes too irregularly to have a baseline."""

COARSER = 4
"""How many buckets make one of the second, coarser look."""


@dataclass(frozen=True)
class Change:
    """A stretch in which a subject's volume was not what was expected."""

    subject: Subject
    start: float
    """Seconds since 1970."""
    end: float
    width: float
    """Seconds of one bucket."""
    events: int
    expected: float
    z: float
    basis: str

    @property
    def ratio(self) -> float:
        """Events seen over events expected."""
        return self.events / self.expected

    @property
    def drop(self) -> bool:
        """Whether there were too few, not too many."""
        return self.ratio < 1


@check(
    "volume",
    description="Compares volume by host, source type and source with its baseline: drops and spikes",
    min_events=100,
)
def volume(context: Context) -> CheckReport:
    """Report drops and spikes that last."""
    table = leaves(context, shifts=host_offsets(context))
    if table.size < 24:
        return context.not_applicable("the log covers too short a time for a baseline")
    total = table.total()
    gone = {key for item in silences(context, table) for key in item.subject.leaves} | stopped_parsing(context, table)
    paused = pauses(context, table)
    changes = find_changes(context, table.without(gone)) if len(gone) < len(table.leaves) else []
    changes = distinct([change for change in changes if not _is_pause(change, paused)])
    findings = [_finding(context, change) for change in changes if not _only_errors(context, change)]
    if median(total.counts) < STEADY:
        return context.not_applicable("events come too irregularly to have a baseline", events=total.events)
    busiest = max(range(table.size), key=total.counts.__getitem__)
    return context.report(
        findings,
        events=total.events,
        per_hour=round(total.events / max(table.size * table.width / 3600, 1e-9), 1),
        busiest={"start": iso(table.moment(busiest)), "events": total.counts[busiest]},
        bucket_s=table.width,
        by={"/".join(level): {s.name: s.events for s in table.subjects(level)[:20]} for level in LEVELS[:3]},
    )


def find_changes(context: Context, table: Table) -> list[Change]:
    """Return every stretch of every subject that is not as expected; one fault may show in several subjects.

    What has few events in a bucket is looked at in longer buckets as well.
    """
    return [*_find(context, table), *_find(context, table.coarser(COARSER))]


def _find(context: Context, table: Table) -> list[Change]:
    found: list[Change] = []
    for level in ((), *LEVELS):
        subjects = table.subjects(level) if level else [table.total()]
        if level and len(subjects) < 2:
            continue
        for subject in subjects:
            if subject.events >= 100:
                peers = [peer for peer in subjects if peer.events >= 50 and _alike(peer, subject)]
                found += _changes(context, table, subject, peers)
    return found


def _alike(peer: Subject, subject: Subject) -> bool:
    """Tell whether a subject is another one of the same kind: with mostly the same source types."""
    types, others = subject.values("sourcetype"), peer.values("sourcetype")
    return peer.leaves.isdisjoint(subject.leaves) and 2 * len(types & others) > len(types | others)


def _changes(context: Context, table: Table, subject: Subject, peers: Sequence[Subject]) -> list[Change]:
    begin = max(1, math.floor((subject.first - table.start) / table.width) + 1)
    counts = subject.counts[begin : table.size - 1] or (0,)
    if median(counts) < STEADY or len(counts) < 16:
        return []
    expected, basis = _expected(table, subject, peers, begin)
    scale = dispersion(counts, expected)
    busy = 1.3 * sorted(counts)[int(0.9 * len(counts))]
    found = []
    for drop in (True, False):
        bound = context.number("max_ratio", 0.6) if drop else context.number("min_ratio", 2.0)
        edge = (1 + bound) / 2
        scores = [(edge * e - c) if drop else (c - edge * e) for c, e in zip(counts, expected, strict=True)]

        def keep(start: int, end: int, bound: float = bound, drop: bool = drop) -> bool:
            seen, due = sum(counts[start:end]), sum(expected[start:end])
            far = seen <= bound * due if drop else seen >= bound * due and seen >= (end - start) * busy
            unlikely = _z(seen, due, scale) >= context.number("z", 6.0)
            return far and unlikely and 3 <= end - start < 0.4 * len(counts) and abs(seen - due) >= (20 if drop else 50)

        for start, end in stretches(scores, keep):
            seen, due = sum(counts[start:end]), max(sum(expected[start:end]), 1.0)
            span = table.moment(begin + start), min(table.moment(begin + end), context.now)
            z = round(_z(seen, due, scale), 1)
            found.append(Change(subject, *span, table.width, seen, due, z, basis))
    return found


def _z(seen: float, due: float, scale: float) -> float:
    return abs(seen - due) / (scale * math.sqrt(max(due, 1.0)))


def _expected(table: Table, subject: Subject, peers: Sequence[Subject], begin: int) -> tuple[list[float], str]:
    """Return what was to be expected of a subject in each bucket, and what that is based on."""
    counts = subject.counts[begin : table.size - 1]
    a_day = round(86400 / table.width)
    if table.width <= 86400 / 4 and len(counts) >= 3 * a_day:
        days = [median(counts[hour::a_day]) for hour in range(a_day)]
        return smooth([days[i % a_day] for i in range(len(counts))], 1), "its own median at that time of day"
    shape = _peer_shape([peer.counts[begin : table.size - 1] for peer in peers])
    if shape is not None:
        level = _level(counts, shape)
        return [level * s for s in shape], "its usual share of what its peers sent at the time"
    return smooth(counts, max(12, len(counts) // 6)), "its own running median"


def _peer_shape(peers: Sequence[Sequence[int]]) -> list[float] | None:
    """Return how the volume of the peers together goes over time; None without two steady peers.

    What one of them sends beyond 2.5 times its usual is left out, so that its burst does not look like their drop.
    """
    steady = [(counts, median(counts)) for counts in peers if counts and median(counts) >= 1]
    if len(steady) < 2:
        return None
    capped = [[min(c, 2.5 * usual + 3) for c in counts] for counts, usual in steady]
    pooled = [float(sum(column)) for column in zip(*capped, strict=True)]
    return [sum(pooled[max(0, i - 1) : i + 2]) / len(pooled[max(0, i - 1) : i + 2]) for i in range(len(pooled))]


def _level(counts: Sequence[int], shape: Sequence[float]) -> float:
    """Return the subject's usual share of a shape, leaving out the fifth of the time in which it is least, and most."""
    ordered = sorted((c / s, c, s) for c, s in zip(counts, shape, strict=True) if s > 0)
    kept = ordered[len(ordered) // 5 : len(ordered) - len(ordered) // 5]
    return sum(c for _, c, _ in kept) / max(sum(s for _, _, s in kept), 1e-9)


def distinct(changes: Sequence[Change]) -> list[Change]:
    """Keep one change for each fault: of those that overlap in time and in events, the coarsest subject that fits.

    A subject fits as well as another one if it changed by as much, to 0.15; if part of it went on, it changed by less.
    """
    left = sorted(changes, key=lambda change: (_size(change), -change.z))
    kept: list[Change] = []
    while left:
        alike = [change for change in left if _size(change) <= _size(left[0]) + 0.15 and _same_fault(change, left[0])]
        best = min(
            [left[0], *alike], key=lambda change: (len(change.subject.level), -len(change.subject.leaves), -change.z)
        )
        kept.append(best)
        left = [change for change in left if change is not best and not _same_fault(change, best)]
    return kept


def _size(change: Change) -> float:
    return change.ratio if change.drop else 1 / change.ratio


def _same_fault(one: Change, other: Change) -> bool:
    overlap = min(one.end, other.end) - max(one.start, other.start)
    shared = not one.subject.leaves.isdisjoint(other.subject.leaves)
    related = shared or not one.subject.level or not other.subject.level
    alike = one.drop == other.drop or overlap >= 0.5 * (one.end - one.start)
    return related and overlap > 0 and alike


def _is_pause(change: Change, paused: Sequence[Pause]) -> bool:
    """Tell whether a drop is a pause, or the rush after one, which the check of silence reports."""
    for pause in paused:
        overlap = min(change.end, pause.end + 2 * change.width) - max(change.start, pause.start - change.width)
        if overlap >= 0.5 * (change.end - change.start) and not change.subject.leaves.isdisjoint(pause.subject.leaves):
            return True
    return False


def _only_errors(context: Context, change: Change) -> bool:
    """Tell whether a spike is an error burst, which the check of errors reports."""
    if change.drop or not (context.has("level") or context.has("status")):
        return False
    where = context.having(**change.subject.fields, start=iso(change.start), end=iso(change.end))
    rows = context.store.counts(["level", "status"], where=where)
    bad: int = sum(r["events"] for r in rows if is_error(r))
    return bad >= 0.5 * (change.events - change.expected)


def _finding(context: Context, change: Change) -> Finding:
    start, end = change.start, change.end
    name = change.subject.name or "all events together"
    lasts = end >= context.now - 2 * change.width
    times = f"since {period(start, start)}" if lasts else f"from {period(start, end)}"
    amount = share(change.events, change.expected) if change.drop else f"{change.ratio:.1f} times"
    difference = round(abs(change.events - change.expected))
    severity: Severity = "medium" if change.drop else "low"
    where = context.having(**change.subject.fields, start=iso(start), end=iso(end))
    return Finding(
        kind="volume_drop" if change.drop else "volume_spike",
        title=f"{name}: volume at {amount} of what is usual {times}",
        severity="high" if change.drop and change.ratio < 0.2 else severity,
        subject=change.subject.name or None,
        detail=(
            f"{count(change.events, 'event')} where about {change.expected:,.0f} were expected by {change.basis}; "
            f"{change.z:,.0f} standard deviations{', and it lasts' if lasts else ''}."
        ),
        numbers={
            "events": change.events,
            "expected": round(change.expected),
            "ratio": round(change.ratio, 3),
            "z": change.z,
            "estimated_missing" if change.drop else "surplus": difference,
        },
        start=iso(start),
        end=iso(end),
        evidence=evidence(context.store.sample(where=where, limit=2)),
        confidence=round(min(0.95, 0.6 + change.z / 60), 2),
        impact=(
            f"About {count(difference, 'event')} are missing; what is left looks healthy but is not complete."
            if change.drop
            else f"{count(difference, 'event')} more than usual have to be carried and stored."
        ),
        recommendation=(
            f"Find what {name} stopped sending at {period(start, start)}: compare a busy minute before with one after."
            if change.drop
            else f"See which events of {name} are new since {period(start, start)}."
        ),
    )
