"""The SPL of each question that an event store answers. Pure: a description of the source in, text out.

Groups come back as `k_FIELD`: `=` and the value, or `-` where events have none, since `stats` leaves out what is null.
Moments come back in seconds with six digits behind the point, whatever the time zone of Splunk's user is.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from ..protocol import Where
from .fields import ALL, PLACE, SET, prepared
from .source import SplunkSource
from .spl import contains, is_plain, one_of, quoted, term

_STAMP = 'printf("%.6f", {0})'
_META = ("host", "source", "sourcetype")


@dataclass(frozen=True, slots=True)
class Queries:
    """Writes searches over one source."""

    source: SplunkSource

    def info(self) -> str:
        """Ask for sizes, range, values, which fields have one, and Splunk's own time."""
        filled = [f"count({SET}{name}) AS n_{name}" for name in ALL]
        counted = " ".join([*filled, *(f"values({SET}{name}) AS v_{name}" for name in _META)])
        return self._search(
            ALL,
            None,
            f"stats count AS events min(_time) AS first max(_time) AS last max(_indextime) AS arrived {counted}",
            "addinfo",
            f"eval first={_STAMP.format('first')}, last={_STAMP.format('last')}, arrived={_STAMP.format('arrived')}",
        )

    def indexes(self) -> str:
        """Ask which of the source's indexes are there, and may be searched."""
        named = " ".join(f'index="{name}"' for name in self.source.index)
        return f"| eventcount summarize=false {named} | stats count BY index"

    def counts(self, by: Sequence[str], where: Where | None, bucket_us: int | None) -> str:
        """Count events by fields and, with a width in microseconds, by time."""
        keys = [f"k_{name}" for name in by]
        steps = []
        if bucket_us is not None:
            whole = f"floor(round(_time*1000000)/{bucket_us})*{bucket_us}"
            steps.append(f'eval bucket=printf("%.6f", {whole}/1000000)')
            keys.append("bucket")
        return self._search(
            by,
            where,
            *_keys(by),
            *steps,
            f"stats count AS events min(_time) AS first max(_time) AS last{_by(keys)}",
            f"eval first={_STAMP.format('first')}, last={_STAMP.format('last')}",
        )

    def quantiles(self, of: str, by: Sequence[str], where: Where | None) -> str:
        """Summarise a number by group."""
        keys = [f"k_{name}" for name in by]
        if of == "gap_s":  # events come newest first: what was seen last is the next one
            steps = [*_keys(by), f"streamstats current=f last(_time) AS later{_by(keys)}", "eval x=later-_time"]
        elif of == "delay_s":
            steps = [*_keys(by), "eval x=_indextime-_time"]
        else:
            steps = [*_keys(by), f"eval x={SET}duration_ms"]
        needed = (*by, "duration_ms") if of == "duration_ms" else by
        percentiles = "perc50(x) AS p50 perc95(x) AS p95 perc99(x) AS p99"
        return self._search(
            needed,
            where,
            *steps,
            "where isnotnull(x)",
            f"stats count AS events min(x) AS min {percentiles} max(x) AS max sum(x) AS sum{_by(keys)}",
        )

    def gaps(self, by: Sequence[str], min_s: float, where: Where | None, limit: int) -> str:
        """List pauses between consecutive events of a group."""
        keys = [f"k_{name}" for name in by]
        return self._search(
            by,
            where,
            *_keys(by),
            f"streamstats current=f last(_time) AS later{_by(keys)}",
            "eval gap_s=later-_time",
            f"where gap_s>={min_s:.6f}",
            f"sort {limit} -num(gap_s), +num(_time)",
            f"eval start={_STAMP.format('_time')}, end={_STAMP.format('later')}, gap_s={_STAMP.format('gap_s')}",
            f"table {' '.join([*keys, 'start', 'end', 'gap_s'])}",
        )

    def duplicates(self, where: Where | None, limit: int) -> str:
        """List raw events that occur repeatedly with the same timestamp, host and source."""
        return self._search(
            ("host", "source"),
            where,
            *_keys(("host", "source")),
            f"eval ts={_STAMP.format('_time')}, digest=sha256(_raw)",
            "stats count AS events first(_raw) AS raw BY ts k_host k_source digest",
            "where events>1",
            f"sort {limit} -num(events), +num(ts), +str(raw)",
            "table ts k_host k_source raw events",
        )

    def sample(self, where: Where | None, limit: int, order: Literal["first", "last", "slowest"]) -> str:
        """Ask for whole events."""
        chosen = {
            "first": f"sort {limit} +num(_time)",
            "last": f"head {limit}",
            "slowest": f"sort {limit} -num(slow), +num(_time)",
        }
        slow = [f"eval slow=coalesce({SET}duration_ms, -1)"] if order == "slowest" else []
        return self._search(
            ALL,
            where,
            *slow,
            chosen[order],
            f"eval ts={_STAMP.format('_time')}, received={_STAMP.format('_indextime')}, file={PLACE}, line=_cd",
            f"table ts received {' '.join(SET + name for name in ALL)} _raw file line",
        )

    def messages(self, where: Where | None, events: int, limit: int) -> str:
        """Ask for the messages of so many events, an even sample where these are more than `limit`."""
        thin = []
        if events > limit:  # counted from the oldest, though the newest comes first
            thin = [
                "streamstats count AS n",
                f"eval n={events}-n+1",
                f"where floor(n*{limit}/{events})!=floor((n-1)*{limit}/{events})",
            ]
        return self._search(("message",), where, *thin, f"eval ts={_STAMP.format('_time')}", f"table ts {SET}message")

    def _search(self, needed: Iterable[str], where: Where | None, *commands: str) -> str:
        """Return the search for a source's events, with the fields needed and the conditions, then commands."""
        tests = {name: value for name in _META if where and (value := getattr(where, name)) is not None}
        names = [*needed, *tests, *(["level"] if where and where.levels else [])]
        conditions = [f"{SET}{name}={quoted(value)}" for name, value in tests.items()]
        if where and where.levels:
            conditions.append(one_of(f"{SET}level", where.levels))
        if where and where.text:
            conditions.append(contains(where.text))
        own = self.source.fields.own
        narrow = [f'{name}="{value}"' for name, value in tests.items() if name not in own and is_plain(value)]
        fields = prepared(names, own)
        return " | ".join([*self._events(narrow), *fields, *(f"where {test}" for test in conditions), *commands])

    def _events(self, narrow: Sequence[str]) -> list[str]:
        """Return the commands that give the source's events; `narrow` are terms of `search` that leave out others."""
        base = self.source.base
        if base is not None:
            begins = base.startswith("|") or base.split(maxsplit=1)[0].lower() == "search"
            return [base if begins else f"search {base}", *([f"search {' '.join(narrow)}"] if narrow else [])]
        terms = [term(name, values) for name in ("index", "sourcetype") if (values := getattr(self.source, name))]
        return [" ".join(["search", *terms, *narrow])]


def _keys(by: Sequence[str]) -> list[str]:
    return [f'eval k_{name}=if(isnull({SET}{name}), "-", "=".{SET}{name})' for name in by]


def _by(keys: Sequence[str]) -> str:
    return f" BY {' '.join(keys)}" if keys else ""
