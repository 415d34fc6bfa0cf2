"""What every check starts from: its task's input, the opened store, the time and the subjects that were asked about.

A check's `task.input` is an object with

    events       where the events are: a file, a folder, or another location that `open_events` knows (required)
    host, source, sourcetype      what the question is about. A *focus*, not a filter: peers are needed to judge one
                 host, and another host's fault may be the cause. With `only: true` they filter.
    start, end   ISO 8601 moments (UTC unless they bear an offset): the time that is asked about. Nothing after `end`
                 is looked at; events before `start` serve as history, and what was over before it is not reported.

and the thresholds that the check documents. Every report bears what was read of the log under `stats["read"]`, a
`Reading`; see `reading.py`. Where a server runs the searches, the report names them under `stats["searches"]`, and a
finding those that gave its evidence under `numbers["searches"]`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import Any

from ....events.ending import coming
from ....events.protocol import EventStore, StoreInfo, Where
from ....events.searches import Search, noting, told
from ....schema.plan import Task
from ....schema.results import CheckReport, Finding, TaskResult
from ...held import LOG
from ...specialist import Specialist, specialist
from ...summary.merge import SEARCHES
from ...summary.reading import READ, Asked
from .reading import reading
from .wording import clean, iso, seconds

_FOCUS = ("host", "source", "sourcetype")

MOSTLY = 0.95
"""Share of a finding's events that a subject must have for the finding to be about it."""


@dataclass(frozen=True)
class Context:
    """What one check looks at."""

    check: str
    """The check's name, for its report."""
    store: EventStore
    """The events."""
    info: StoreInfo
    """What the store holds."""
    where: Where
    """Filter of everything that is looked at: up to the end that was asked about."""
    start: float
    """Start of the time that is asked about, seconds since 1970."""
    now: float
    """Its end: the end that was asked for, else the log's own now."""
    focus: Mapping[str, str]
    """Host, source and source type that the question is about, where it names them."""
    options: Mapping[str, Any]
    """The task's input, for thresholds."""
    results: Mapping[str, TaskResult]
    """What the task's dependencies returned, by task id."""

    def number(self, name: str, default: float) -> float:
        """Return a threshold from the input, or its default.

        Raises:
            ValueError: it is no positive number.
        """
        value = self.options.get(name)
        if value is None:
            return default
        if isinstance(value, bool) or not isinstance(value, int | float) or not value > 0:
            raise ValueError(f"{self.check}: {name!r} is {value!r}; give a positive number")
        return float(value)

    def asked(self, **changes: Any) -> Where:
        """Return the filter of the time that is asked about, with further conditions."""
        if self.start > self.first:
            changes.setdefault("start", iso(self.start))
        return replace(self.where, **changes)

    def having(self, **changes: Any) -> Where:
        """Return the filter of everything that is looked at, history too, with further conditions."""
        return replace(self.where, **changes)

    @property
    def first(self) -> float:
        """The first event's moment, seconds since 1970."""
        return seconds(self.info.start) if self.info.start else self.now

    def has(self, field: str) -> bool:
        """Tell whether any event has a value in a field."""
        return field in self.info.fields

    def report(self, findings: Iterable[Finding], **stats: Any) -> CheckReport:
        """Return the check's report: what it found in the time that was asked about, and what it looked at."""
        kept = tuple(self._placed(f) for f in findings if f.end is None or seconds(f.end) >= self.start)
        stats = {**stats, READ: self.read()}
        return CheckReport(check=self.check, status="findings" if kept else "ok", findings=kept, stats=stats)

    def not_applicable(self, reason: str, **stats: Any) -> CheckReport:
        """Return a report that says why the check cannot tell anything here."""
        stats = {**stats, READ: self.read()}
        return CheckReport(check=self.check, status="not_applicable", reason=reason, stats=stats)

    def read(self) -> dict[str, Any]:
        """Return what was read of the log, and how much of it the question is about, as JSON values."""
        rows = self.store.counts((), where=self.asked())
        known = {"host": self.info.hosts, "source": self.info.sources, "sourcetype": self.info.sourcetypes}
        unknown = tuple(name for field, name in self.focus.items() if name not in known[field])
        named = {name: self.store.counts((), where=self.asked(text=name)) for name in unknown if name}
        asked = Asked(
            start=iso(self.start) if self.options.get("start") else None,
            end=self.where.end,
            now=iso(self.now),
            events=sum(row["events"] for row in rows),
            unknown=unknown,
            near={name: near for field, name in self.focus.items() if (near := _like(name, known[field]))},
            mentioned={name: sum(row["events"] for row in rows) for name, rows in named.items() if rows},
        )
        return reading(str(self.options.get("events", "")), self.info, asked).model_dump(mode="json")

    def owner(self, where: Where) -> str | None:
        """Return the source, or else the host, that has nearly all the events of a filter, if the log has several."""
        for field, names in (("source", self.info.sources), ("host", self.info.hosts)):
            if len(names) > 1:
                rows = self.store.counts([field], where=where)  # type: ignore[list-item]  # the names are of `Field`
                top = max(rows, key=lambda row: row["events"], default=None)
                if top and top[field] and top["events"] >= MOSTLY * sum(row["events"] for row in rows):
                    return str(top[field])
        return None

    def _placed(self, finding: Finding) -> Finding:
        """Return a finding with its times in UTC; what the question is about is its subject where it covers it."""
        times = {"start": finding.start, "end": finding.end}
        changes: dict[str, Any] = {name: iso(seconds(value)) for name, value in times.items() if value is not None}
        parts = finding.subject.split(" / ") if finding.subject else []
        more = [name for field, name in self.focus.items() if name not in parts and self._covers(field, name, finding)]
        if more:
            changes["subject"] = " / ".join([*more, *parts])
        return finding.model_copy(update=changes)

    def _covers(self, field: str, name: str, finding: Finding) -> bool:
        """Tell whether nearly all events of a finding's subject, or else of its time, have a value."""
        known = (("host", self.info.hosts), ("sourcetype", self.info.sourcetypes), ("source", self.info.sources))
        fields = {key: part for part in (finding.subject or "").split(" / ") for key, names in known if part in names}
        if finding.subject and not fields:
            return False
        if not fields and finding.start and finding.end:
            fields = {"start": iso(seconds(finding.start)), "end": iso(seconds(finding.end) + 1)}
        rows = self.store.counts([field], where=self.having(**fields))  # type: ignore[list-item]  # as above
        mine: int = sum(row["events"] for row in rows if row[field] == name)
        every: int = sum(row["events"] for row in rows)
        return 0 < mine >= MOSTLY * every


def _like(name: str, known: Sequence[str]) -> tuple[str, ...]:
    """Return the names, at most three, that one that is not among them may be a slip of."""
    if name in known:
        return ()
    folded = {item.lower(): item for item in known[:2000]}
    return tuple(sorted(folded[item] for item in get_close_matches(name[:200].lower(), folded, 3, 0.6)))


def check(
    name: str, *, description: str, min_events: int = 1
) -> Callable[[Callable[[Context], CheckReport]], Specialist]:
    """Make a check, a specialist over an event store, of a function from its context to its report.

    Args:
        name: the specialist's name.
        description: what it looks for.
        min_events: with fewer events the check does not apply.
    """

    def decorate(look: Callable[[Context], CheckReport]) -> Specialist:
        def work(task: Task, results: Mapping[str, TaskResult]) -> CheckReport:
            with noting() as searches:
                report = looked_at(task, results)
            return with_searches(report, searches) if searches else report

        def looked_at(task: Task, results: Mapping[str, TaskResult]) -> CheckReport:
            context = open_context(name, task.input, results)
            if context.info.events < min_events or context.info.start is None:
                return context.not_applicable(too_few(context.info.events, min_events))
            if not context.store.counts((), where=context.where):
                return context.not_applicable("no event lies in the time that is asked about, nor before it")
            return look(context)

        return replace(specialist(name, description=description)(work), held={"events": LOG})

    return decorate


def with_searches(report: CheckReport, searches: Sequence[Search]) -> CheckReport:
    """Return a report with the searches that a server ran for it, each finding with those that gave its examples."""
    places = {place: search.sid for search in searches for place in search.places if search.sid}
    findings = []
    for finding in report.findings:
        sids = [sid for line in finding.evidence if (sid := places.get(line.partition(": ")[0]))]
        numbers = {**finding.numbers, SEARCHES: list(dict.fromkeys(sids))} if sids else finding.numbers
        findings.append(finding.model_copy(update={"numbers": numbers}))
    stats = {**report.stats, SEARCHES: told(searches)}
    notes = dict.fromkeys(clean(note, 200) for search in searches for note in search.notes)
    if notes and isinstance(read := stats.get(READ), Mapping):
        more = [{"text": note, "files": 1} for note in list(notes)[:4]]
        stats[READ] = {**read, "notes": [*read.get("notes", ()), *more]}
    return report.model_copy(update={"findings": tuple(findings), "stats": stats})


def too_few(events: int, needed: int) -> str:
    """Return why a log with so few events tells a check nothing."""
    if not events:
        return "there is no event to look at"
    return f"the log has {events:,} event{'s' if events != 1 else ''}; this check needs at least {needed:,}"


def open_context(name: str, given: Any, results: Mapping[str, TaskResult]) -> Context:
    """Check a task's input and open the store that it names.

    Raises:
        ValueError: the input is no object, names no events, or has a moment or filter of the wrong kind.
        EventsError: the events cannot be opened.
    """
    if not isinstance(given, Mapping):
        raise ValueError(f"{name}: input is {given!r}; give an object with 'events', the place of the log")
    location = given.get("events")
    if not isinstance(location, str) or not location:
        raise ValueError(f"{name}: 'events' is {location!r}; give the place of the log: a file or a folder")
    focus = {key: _text(name, key, given[key]) for key in _FOCUS if given.get(key) is not None}
    start, end = (_moment(name, key, given.get(key)) for key in ("start", "end"))
    if start is not None and end is not None and start >= end:
        raise ValueError(f"{name}: 'start' {given['start']!r} is not before 'end' {given['end']!r}")
    store = open_events(location)
    info = store.info()
    filters: dict[str, Any] = dict(focus)
    where = Where(end=None if end is None else iso(end), **(filters if given.get("only") is True else {}))
    now = seconds(info.now or info.end or iso(0))
    first = seconds(info.start) if info.start else now
    return Context(
        check=name,
        store=store,
        info=info,
        where=where,
        start=first if start is None else start,
        now=now if end is None else min(now, end),
        focus=focus,
        options=given,
        results=results,
    )


def open_events(location: str) -> EventStore:
    """Open an event store, which checks of one log share and so do not close; what reads files is slow to import."""
    with coming():
        from ....events.open import open_events as opened

    store: EventStore = opened(location)
    return store


def _text(name: str, key: str, value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{name}: {key!r} is {value!r}; give a name, or leave it out")
    return value


def _moment(name: str, key: str, value: Any) -> float | None:
    if value is None:
        return None
    try:
        return seconds(value)
    except (TypeError, ValueError):
        raise ValueError(
            f"{name}: {key!r} is {value!r}; give a moment in ISO 8601, such as '2025-03-01T14:00:00Z'"
        ) from None
