"""The event store over Splunk: each question is a search, and each search is noted as evidence."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from threading import Lock
from typing import Any, Literal

from ...schema.errors import EventsError
from ..filters import columns_of
from ..filters import moment as asked_moment
from ..protocol import Field, StoreInfo, Where
from ..searches import Search, note
from . import rows as read
from .answers import Answers
from .fields import ALL
from .present import bound, present
from .queries import Queries
from .searcher import Found, Row, Searcher
from .source import SplunkSource

_CLOSED = "the event store is closed; open it again with open_events()"


@dataclass(frozen=True, slots=True)
class _Range:
    """The time range of the source in seconds since 1970, as Splunk understood it; empty where it has no end."""

    earliest: str
    latest: str


class SplunkStore:
    """Events in Splunk; safe to ask from many threads at once.

    The first search tells what `-24h` and `now` are; the others keep to that, so that all of them see one range.
    """

    def __init__(self, searcher: Searcher, source: SplunkSource) -> None:
        """Ask `searcher` about `source`."""
        self._searcher = searcher
        self._source = source
        self._queries = Queries(source)
        self._answers = Answers(searcher)
        self._lock = Lock()
        self._info: StoreInfo | None = None
        self._range: _Range | None = None
        self._closed = False

    def info(self) -> StoreInfo:
        """Return what the store holds. Cheap after the first call."""
        if self._info is None:
            self._describe()
        assert self._info is not None
        return self._info

    def counts(
        self,
        by: Sequence[Field] = (),
        *,
        where: Where | None = None,
        bucket_s: float | None = None,
    ) -> list[dict[str, Any]]:
        """Count events by fields and, with `bucket_s`, by time; see `EventStore.counts`. Buckets start at the epoch."""
        columns_of(by)
        if bucket_s is not None and not bucket_s > 0:
            raise EventsError(f"a bucket of {bucket_s!r} seconds is not possible; give a number above 0")
        width = None if bucket_s is None else max(1, round(bucket_s * 1e6))
        found = []
        for row in self._ask(self._queries.counts(by, where, width), where):
            if events := read.whole(row, "events"):
                bucket = {} if width is None else {"bucket": read.iso(row, "bucket")}
                times = {"first": read.iso(row, "first"), "last": read.iso(row, "last")}
                found.append({**read.keys(row, by), **bucket, "events": events, **times})
        return sorted(found, key=lambda r: (r.get("bucket") or "", -r["events"], *(read.order(r[n]) for n in by)))

    def quantiles(
        self, of: Literal["duration_ms", "delay_s", "gap_s"], by: Sequence[Field] = (), *, where: Where | None = None
    ) -> list[dict[str, Any]]:
        """Summarise a number by group; see `EventStore.quantiles`. Percentiles are values that occur."""
        if of not in ("duration_ms", "delay_s", "gap_s"):
            raise EventsError(f"no such number: {of!r}; known are 'duration_ms', 'delay_s' and 'gap_s'")
        columns_of(by)
        found = []
        for row in self._ask(self._queries.quantiles(of, by, where), where):
            if events := read.whole(row, "events"):
                figures = {name: read.number(row, name) for name in ("min", "p50", "p95", "p99", "max", "sum")}
                found.append({**read.keys(row, by), "events": events, **figures})
        return sorted(found, key=lambda r: (-r["events"], *(read.order(r[n]) for n in by)))

    def gaps(
        self, by: Sequence[Field], *, min_s: float, where: Where | None = None, limit: int = 100
    ) -> list[dict[str, Any]]:
        """List pauses between consecutive events of a group; see `EventStore.gaps`."""
        columns_of(by)
        found = self._ask(self._queries.gaps(by, min_s, where, limit), where) if limit > 0 else []
        return [
            {
                **read.keys(row, by),
                "start": read.iso(row, "start"),
                "end": read.iso(row, "end"),
                "gap_s": read.number(row, "gap_s"),
            }
            for row in found
        ]

    def duplicates(self, *, where: Where | None = None, limit: int = 20) -> list[dict[str, Any]]:
        """List raw events that occur repeatedly with the same timestamp, host and source, the most frequent first."""
        found = self._ask(self._queries.duplicates(where, limit), where) if limit > 0 else []
        return [
            {
                "raw": read.text(row, "raw") or "",
                **read.keys(row, ("host", "source")),
                "ts": read.iso(row, "ts"),
                "events": read.whole(row, "events"),
            }
            for row in found
        ]

    def sample(
        self, *, where: Where | None = None, limit: int = 5, order: Literal["first", "last", "slowest"] = "first"
    ) -> list[dict[str, Any]]:
        """Return whole events (all fields), for evidence; `file` is index and indexer, `line` the address there."""
        if order not in ("first", "last", "slowest"):
            raise EventsError(f"no such order: {order!r}; known are 'first', 'last' and 'slowest'")
        found = self._ask(self._queries.sample(where, limit, order), where, whole=True) if limit > 0 else []
        return [read.event(row) for row in found]

    def messages(self, *, where: Where | None = None, limit: int = 200_000) -> Iterator[tuple[str, str]]:
        """Yield `(ts, message)` in time order; above `limit` an even sample."""
        limit = min(limit, self._source.limits.rows)
        events = sum(row["events"] for row in self.counts((), where=where))
        if not events or limit < 1:
            return
        for row in reversed(self._ask(self._queries.messages(where, events, limit), where)):
            yield read.iso(row, "ts") or "", read.text(row, "fw_message") or ""

    def close(self) -> None:
        """Let go of connections. Further questions raise `EventsError`."""
        with self._lock:
            if not self._closed:
                self._closed = True
                self._searcher.close()

    def _ask(self, spl: str, where: Where | None = None, *, whole: bool = False) -> list[Row]:
        """Have a search run over the time of a filter, and note it; `whole` is said of one that returns events."""
        self.info()
        assert self._range is not None
        earliest, latest = self._range.earliest, self._range.latest
        if where is not None and where.start is not None:
            earliest = max(earliest or "0", read.stamp(asked_moment(where.start)), key=float)
        if where is not None and where.end is not None:
            latest = min(latest or "inf", read.stamp(asked_moment(where.end)), key=float)
        if earliest and latest and float(earliest) >= float(latest):
            return []
        return self._run(spl, earliest, latest, whole=whole).rows

    def _run(self, spl: str, earliest: str, latest: str, *, whole: bool = False) -> Found:
        if self._closed:
            raise EventsError(_CLOSED)
        begun = time.monotonic()
        found = self._answers.get(spl, earliest, latest)
        places = frozenset(f"{row.get('file')}:{row.get('line')}" for row in found.rows) if whole else frozenset[str]()
        took = time.monotonic() - begun
        note(Search(found.sid, spl, earliest, latest, len(found.rows), took, found.notes, places))
        return found

    def _describe(self) -> None:
        """Ask what there is, and what time it is there."""
        source = self._source
        found = self._run(self._queries.info(), source.earliest, source.latest)
        row: Row = found.rows[0] if found.rows else {}
        whole_range = _Range(bound(row, "info_min_time"), bound(row, "info_max_time"))
        events = read.whole(row, "events")
        with self._lock:
            self._range = self._range or whole_range
        info = StoreInfo(
            events=events,
            start=read.iso(row, "first") if events else None,
            end=read.iso(row, "last") if events else None,
            now=None,
            hosts=read.values(row, "v_host"),
            sources=read.values(row, "v_source"),
            sourcetypes=read.values(row, "v_sourcetype"),
            fields=("ts", "received", *(n for n in ALL if read.whole(row, f"n_{n}")), "raw", "file", "line"),
            knows=frozenset({"indexes"}) if source.index else frozenset(),
            missing_indexes=self._missing(),
        )
        if events:
            info = replace(info, now=present(row, self._ranges))
        with self._lock:
            self._info = self._info or info

    def _missing(self) -> tuple[str, ...]:
        """Return the indexes that are not there, or may not be searched.

        Raises:
            EventsError: that is so of all.
        """
        named = [name for name in self._source.index if "*" not in name]
        if not named:
            return ()
        found = self._run(self._queries.indexes(), self._source.earliest, self._source.latest)
        there = {str(row.get("index")).lower() for row in found.rows}
        missing = tuple(name for name in named if name.lower() not in there)
        if len(missing) == len(self._source.index):
            names = ", ".join(map(repr, missing))
            raise EventsError(
                f"Splunk at {self._source.address} has no index {names}, or this user's role may not search it: check "
                "the name, and the role's indexes"
            )
        return missing

    def _ranges(self) -> list[Row]:
        return self._run(self._queries.counts(("host",), None, None), *_times(self._range)).rows


def _times(given: _Range | None) -> tuple[str, str]:
    return (given.earliest, given.latest) if given else ("", "")
