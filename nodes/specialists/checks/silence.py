"""Hosts, source types and sources that have gone silent, and pauses that are over again.

A subject counts as silent if its last event is far back while others go on, and its own history makes that unlikely:
with a share `p` of its buckets active until then, `n` silent ones have the chance `(1 - p) ** n`, and they must be
more than any pause that it took before. At its usual share of what went on, it would have sent more than a few events
since (nights are quiet for all). A clock that is off is not silence: known offsets are taken out first.

Thresholds: `chance` (0.001, for all subjects together), `min_events` (20),
`min_missing` (12), `bucket_s` (about 1/144 of the log).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from ....schema.results import CheckReport, Finding, Severity
from .clocks import host_offsets
from .context import Context, check
from .parsing import stopped_parsing
from .series import LEVELS, Subject, Table, leaves, runs
from .wording import count, evidence, iso, lasting, listed, seconds, when

STEADY = 0.3
"""Share of buckets in which a subject must be active for its silence to mean anything."""


@dataclass(frozen=True)
class Silence:
    """A subject that has stopped."""

    subject: Subject
    chance: float
    """Of so long a pause, by its own history."""
    rate: float
    """Events a second while it was active."""
    longest: float
    """Its longest pause before, in seconds."""


@dataclass(frozen=True)
class Pause:
    """A pause that is over; seconds since 1970."""

    subject: Subject
    start: float
    end: float


@check(
    "silence",
    description="Finds hosts, source types and sources that went silent, and pauses in their events",
    min_events=20,
)
def silence(context: Context) -> CheckReport:
    """Report who stopped sending and who paused."""
    table = leaves(context, shifts=host_offsets(context))
    silent = silences(context, table)
    found = [_finding(context, table, item, silent) for item in silent]
    known = frozenset().union(*(item.subject.leaves for item in silent))
    paused = [pause for pause in pauses(context, table) if not pause.subject.leaves <= known]
    stats = {
        "hosts": len(table.subjects(("host",))),
        "sources": len(table.subjects(("source",))),
        "sourcetypes": len(table.subjects(("sourcetype",))),
        "bucket_s": table.width,
        "silent": [item.subject.name for item in silent],
        "last_event": {s.name: iso(s.last) for s in table.subjects(("host",))[:50]},
        "events": {"/".join(level): {s.name: s.events for s in table.subjects(level)[:20]} for level in LEVELS[:3]},
    }
    if table.size < 12:
        return context.not_applicable("the log covers too short a time to tell silence from a pause", **stats)
    return context.report([*found, *(_pause_finding(context, table, pause) for pause in paused)], **stats)


def silences(context: Context, table: Table) -> list[Silence]:
    """Return the subjects that stopped before now; a silent host's own sources are not listed again."""
    found: list[Silence] = []
    explained: set[tuple[str | None, ...]] = set(stopped_parsing(context, table))
    for level in LEVELS:
        subjects = table.subjects(level)
        for subject in subjects:
            if subject.leaves <= explained or len(table.leaves) == len(subject.leaves):
                continue
            item = _judge(context, table, subject, subjects)
            if item is not None:
                found.append(item)
                explained |= subject.leaves
    return found


def _judge(context: Context, table: Table, subject: Subject, peers: Sequence[Subject]) -> Silence | None:
    active = [i for i, events in enumerate(subject.counts) if events]
    if subject.events < context.number("min_events", 20) or not active or subject.last > context.now:
        return None
    first, last = active[0], active[-1]
    life = last - first + 1
    quiet = table.size - 1 - last
    present = min(len(active) / life, 0.99)
    longest = max((end - start for start, end in runs(c == 0 for c in subject.counts[first:last])), default=0)
    if life < 6 or quiet < 2 or present < STEADY or quiet < 1.5 * longest + 1:
        return None
    chance = (1 - present) ** quiet
    if chance > context.number("chance", 0.001) / max(1, len(peers)) or _due(subject, peers, last) < context.number(
        "min_missing", 12
    ):
        return None
    return Silence(subject, chance, subject.events / (life * table.width), longest * table.width)


def _due(subject: Subject, peers: Sequence[Subject], last: int) -> float:
    """Return how many events would have come by now, at the subject's usual share of those that went on."""
    going = [peer for peer in peers if any(peer.counts[last + 2 :])]
    before = sum(sum(peer.counts[: last + 1]) for peer in going)
    after = sum(sum(peer.counts[last + 1 :]) for peer in going)
    return subject.events * after / before if before else 0.0


def _finding(context: Context, table: Table, item: Silence, silent: Sequence[Silence]) -> Finding:
    subject = item.subject
    silent_s = context.now - subject.last
    later = [s for s in table.subjects(subject.level) if s.names != subject.names and s.last > subject.last]
    gone = frozenset().union(*(other.subject.leaves for other in silent))
    others = [s for s in later if not s.leaves <= gone]
    too = [s for s in later if s.leaves <= gone]
    missing = round(item.rate * silent_s)
    everyone = len(later) <= 1 and subject.level == ("host",)
    severity: Severity = "critical" if everyone else "high" if subject.level == ("host",) else "medium"
    noun = {"host": "host", "source": "source", "sourcetype": "source type"}[subject.noun]
    return Finding(
        kind=f"{subject.noun}_silent",
        title=f"{subject.name} went silent at {when(subject.last)}: no event for {lasting(silent_s)}",
        severity=severity,
        subject=subject.name,
        detail=(
            f"Until then this {noun} sent about {_often(item.rate)} and never paused longer than "
            f"{lasting(max(item.longest, table.width))}; {_others(others, too, noun)}."
        ),
        numbers={
            "last_event": iso(subject.last),
            "silent_s": round(silent_s),
            "events_per_hour": round(item.rate * 3600, 1),
            "estimated_missing": missing,
            "others_sending": len(others),
            "longest_pause_s": round(item.longest),
        },
        start=iso(subject.last),
        end=iso(context.now),
        evidence=evidence(context.store.sample(where=context.having(**subject.fields), limit=2, order="last")),
        confidence=_confidence(item.chance),
        impact=f"About {count(missing, 'event')} of {subject.name} are missing so far; alerts on them cannot fire.",
        recommendation=_advice(subject),
    )


def _often(rate: float) -> str:
    """Return events a second in words."""
    hourly = rate * 3600 >= 2
    return f"{rate * 3600:,.0f} events an hour" if hourly else f"{rate * 86400:,.1f} events a day"


def _others(others: Sequence[Subject], too: Sequence[Subject], noun: str) -> str:
    """Return who goes on, and who went silent later, in words."""
    later = f"; {listed([s.name for s in too], 4)} went silent later" if too else ""
    if not others:
        return f"no other {noun} {'goes on' if too else 'went on after it'}{later}"
    verb = "goes" if len(others) == 1 else "go"
    return f"{listed([s.name for s in others], 4)} {verb} on{later}"


def _confidence(chance: float) -> float:
    return round(min(0.99, 0.8 + min(-math.log10(max(chance, 1e-12)), 10) / 50), 2)


def _advice(subject: Subject) -> str:
    if subject.level == ("host",):
        return f"Check that {subject.name} is up and reachable, then its forwarder and the way to the receiver."
    return f"Check that {subject.name} is still written, and still listed in the forwarder's inputs."


def pauses(context: Context, table: Table) -> list[Pause]:
    """Find pauses that ended: of everything first, then of hosts and source types that did not pause with it."""
    found: list[Pause] = []
    for subject in [table.total(), *table.subjects(("host",)), *table.subjects(("sourcetype",))]:
        span = _longest_pause(table, subject)
        if span is None:
            continue
        start, end = table.moment(span[0]), table.moment(span[1])
        if not any(p.start - table.width <= start and end <= p.end + table.width for p in found):
            found.append(Pause(subject, *_edges(context, table, subject, start, end)))
    return found


def _longest_pause(table: Table, subject: Subject) -> tuple[int, int] | None:
    """Return the buckets of the longest pause, if by the rate around it a dozen events are missing from it."""
    active = [i for i, events in enumerate(subject.counts) if events]
    if len(active) < 24:
        return None
    inside = subject.counts[active[0] : active[-1]]
    found = sorted((start - end, start + active[0], end + active[0]) for start, end in runs(c == 0 for c in inside))
    if not found:
        return None
    _, start, end = found[0]
    length = end - start
    second = -found[1][0] if len(found) > 1 else 0
    near = subject.counts[max(0, start - 6) : start] + subject.counts[end : end + 6]
    steady = len(active) >= 0.8 * (len(inside) + 1 - length)
    due = length * sum(near) / max(1, len(near))
    return (start, end) if length >= 3 and steady and length >= 3 * second and due >= 12 else None


def _pause_finding(context: Context, table: Table, pause: Pause) -> Finding:
    subject, begin, end = pause.subject, pause.start, pause.end
    name = subject.name or "the whole system"
    rate = subject.events / max(1, sum(1 for c in subject.counts if c))
    missing = round(rate * (end - begin) / table.width)
    return Finding(
        kind="gap",
        title=f"{f'{subject.name}: ' if subject.names else ''}no event for {lasting(end - begin)} from {when(begin)}",
        severity="medium" if not subject.names or subject.level == ("host",) else "low",
        subject=subject.name or None,
        detail="Events came steadily before and after it.",
        numbers={"gap_s": round(end - begin), "estimated_missing": missing},
        start=iso(begin),
        end=iso(end),
        evidence=evidence(context.store.sample(where=context.having(**subject.fields, start=iso(end - 1)), limit=1)),
        confidence=0.85,
        impact=f"About {count(missing, 'event')} would have been expected in that time.",
        recommendation=f"Find out whether {name} was down from {when(begin)} on, or its events were lost on the way.",
    )


def _edges(context: Context, table: Table, subject: Subject, begin: float, end: float) -> tuple[float, float]:
    where = context.having(**subject.fields)
    for row in context.store.gaps(subject.level, min_s=(end - begin) * 0.9, where=where):
        if seconds(row["start"]) <= begin + table.width and seconds(row["end"]) >= end - table.width:
            return seconds(row["start"]), seconds(row["end"])
    return begin, end
