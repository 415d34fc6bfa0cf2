"""What a check may ask of an event store. `DuckDB` over local files is the first backend; others answer the same calls.

An event has these fields; a field that a log does not have is null throughout:

    ts           when it happened, UTC
    received     when it arrived (index time), UTC
    host, source, sourcetype      where it came from, through which file or stream, in which format
    level        debug | info | warning | error | critical
    status       HTTP status code
    duration_ms  how long the thing that it reports took
    message      the text without timestamp, host and level
    raw          the line as it was; file, line say where it stands

All moments that go in or come out are ISO 8601 strings in UTC, all durations are seconds unless the name says `_ms`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, runtime_checkable

Field = Literal["host", "source", "sourcetype", "level", "status", "file", "user", "client", "method", "path"]
"""Fields that events can be grouped and filtered by."""


@dataclass(frozen=True, slots=True)
class Where:
    """A filter: all that is set must hold. `start` is included, `end` is not."""

    host: str | None = None
    source: str | None = None
    sourcetype: str | None = None
    levels: tuple[str, ...] = ()
    start: str | None = None
    end: str | None = None
    text: str | None = None
    """Text that the raw line contains, ignoring case."""


@dataclass(frozen=True, slots=True)
class FileInfo:
    """How one file was read."""

    file: str
    format: str
    """Detected format, e.g. `json`, `csv`, `parquet`, `syslog-3164`, `apache-access`, `nginx-error`, `text`."""
    lines: int
    parsed: int
    """Lines that became events with a timestamp."""
    continued: int
    """Lines that belong to the event before them (stack traces)."""
    unparsed: int
    """Lines in which no timestamp could be read; lines = parsed + continued + unparsed + blank."""
    blank: int = 0
    unparsed_examples: tuple[str, ...] = ()
    note: str = ""
    """What was assumed: a year that the log does not name, a time zone."""
    unparsed_line: int | None = None
    """Line, counted from 1, at which the longest run of unparsed lines begins."""
    unparsed_since: str | None = None
    """When the last event before that run happened; null where there is none."""
    unparsed_until: str | None = None
    """When the first event after that run happened; null where the run lasts to the file's end."""


@dataclass(frozen=True, slots=True)
class StoreInfo:
    """What a store holds: sizes, range, values, and what it cannot know."""

    events: int
    start: str | None
    end: str | None
    now: str | None
    """The moment that the log itself tells for `now`: the latest arrival, or else the latest plausible timestamp."""
    hosts: tuple[str, ...]
    sources: tuple[str, ...]
    sourcetypes: tuple[str, ...]
    fields: tuple[str, ...]
    """Fields that have a value in at least one event."""
    files: tuple[FileInfo, ...] = ()
    knows: frozenset[str] = field(default_factory=frozenset)
    """Further things this backend can tell: `permissions`, `indexes`, ..."""
    missing_indexes: tuple[str, ...] = ()
    """Indexes that were asked for and are not there, or that this user may not search."""


@runtime_checkable
class EventStore(Protocol):
    """Read-only questions over a set of events. Calls block; specialists run them in threads."""

    def info(self) -> StoreInfo:
        """Return what the store holds. Cheap after the first call."""

    def counts(
        self,
        by: Sequence[Field] = (),
        *,
        where: Where | None = None,
        bucket_s: float | None = None,
    ) -> list[dict[str, Any]]:
        """Count events by fields and, with `bucket_s`, by time.

        Returns:
            Rows with each of `by`, `bucket` (start of the bucket, where asked), `events`, `first`, `last`; ordered by
            bucket, then by count. Buckets without events are absent.
        """

    def quantiles(
        self, of: Literal["duration_ms", "delay_s", "gap_s"], by: Sequence[Field] = (), *, where: Where | None = None
    ) -> list[dict[str, Any]]:
        """Summarise a number by group: `delay_s` is received minus ts, `gap_s` the time since the group's last event.

        Returns:
            Rows with each of `by`, `events`, `min`, `p50`, `p95`, `p99`, `max`, `sum`; no groups without a value.
        """

    def gaps(
        self, by: Sequence[Field], *, min_s: float, where: Where | None = None, limit: int = 100
    ) -> list[dict[str, Any]]:
        """List pauses of at least `min_s` between consecutive events of a group, the longest first.

        Returns:
            Rows with each of `by`, `start`, `end`, `gap_s`.
        """

    def duplicates(self, *, where: Where | None = None, limit: int = 20) -> list[dict[str, Any]]:
        """List raw lines that occur more than once with the same timestamp, host and source.

        Returns:
            Rows with `raw`, `host`, `source`, `ts`, `events`.
        """

    def sample(
        self, *, where: Where | None = None, limit: int = 5, order: Literal["first", "last", "slowest"] = "first"
    ) -> list[dict[str, Any]]:
        """Return whole events (all fields, `file`, `line`), for evidence."""

    def messages(self, *, where: Where | None = None, limit: int = 200_000) -> Iterator[tuple[str, str]]:
        """Yield `(ts, message)` in time order; above `limit` an even sample."""

    def close(self) -> None:
        """Release files and memory."""
