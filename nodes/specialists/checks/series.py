"""Event counts over time, by host, source and source type, and the statistics on them. Pure but for `leaves`."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import median
from typing import Any

from ....events.protocol import Field
from .context import Context
from .wording import seconds

WIDTHS = (1, 5, 10, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 28800, 86400)
"""Bucket widths in seconds; each divides a day."""

DIMENSIONS: tuple[Field, ...] = ("host", "sourcetype", "source")
"""What a subject can be named by, the coarsest first."""

LEVELS: tuple[tuple[Field, ...], ...] = (
    ("host",),
    ("sourcetype",),
    ("source",),
    ("host", "sourcetype"),
    ("host", "source"),
)
"""Kinds of subjects, in the order in which they are held to explain an anomaly."""

MAX_LEAVES = 2000
"""Combinations of host, source and source type that are looked at one by one."""

Key = tuple[str | None, ...]
"""Values of the dimensions."""


@dataclass(frozen=True)
class Leaf:
    """The events of one host, source type and source."""

    key: Key
    counts: tuple[int, ...]
    first: float
    last: float


@dataclass(frozen=True)
class Subject:
    """Some events that can be named: those of a host, a source type, a source, or a host's source."""

    level: tuple[Field, ...]
    names: tuple[str, ...]
    leaves: frozenset[Key]
    counts: tuple[int, ...]
    first: float
    last: float

    @property
    def name(self) -> str:
        """The subject in words that fit a finding: `web-03`, `web-03 / auth.log`."""
        return " / ".join(self.names)

    @property
    def fields(self) -> dict[str, Any]:
        """The subject as a filter."""
        return {str(field): name for field, name in zip(self.level, self.names, strict=True)}

    def values(self, field: Field) -> frozenset[str | None]:
        """Return the values that its events have in a dimension."""
        place = DIMENSIONS.index(field)
        return frozenset(key[place] for key in self.leaves)

    @property
    def noun(self) -> str:
        """What kind of subject it is: `host`, `source`, `sourcetype`."""
        return self.level[-1]

    @property
    def events(self) -> int:
        """Events in all buckets."""
        return sum(self.counts)


@dataclass(frozen=True)
class Table:
    """Counts of all leaves on one grid of buckets, from `start` to now."""

    start: float
    width: float
    size: int
    leaves: tuple[Leaf, ...]

    def moment(self, index: float) -> float:
        """Return the start of a bucket."""
        return self.start + index * self.width

    def subjects(self, level: tuple[Field, ...]) -> list[Subject]:
        """Return the subjects of one level, the largest first; events without a value belong to none."""
        groups: dict[tuple[str, ...], list[Leaf]] = {}
        places = [DIMENSIONS.index(dimension) for dimension in level]
        for leaf in self.leaves:
            names = tuple(leaf.key[place] for place in places)
            if all(name is not None for name in names):
                groups.setdefault(tuple(str(name) for name in names), []).append(leaf)
        found = [_subject(level, names, members) for names, members in groups.items()]
        return sorted(found, key=lambda subject: (-subject.events, subject.names))

    def coarser(self, factor: int) -> Table:
        """Return the same counts with so many buckets put together as one."""
        size = -(-self.size // factor)
        merged = tuple(
            replace(leaf, counts=tuple(sum(leaf.counts[i * factor : (i + 1) * factor]) for i in range(size)))
            for leaf in self.leaves
        )
        return Table(self.start, self.width * factor, size, merged)

    def without(self, keys: Collection[Key]) -> Table:
        """Return the counts without some leaves."""
        return replace(self, leaves=tuple(leaf for leaf in self.leaves if leaf.key not in keys))

    def total(self) -> Subject:
        """Return all events as one subject."""
        return _subject((), (), self.leaves)


def _subject(level: tuple[Field, ...], names: tuple[str, ...], members: Sequence[Leaf]) -> Subject:
    return Subject(
        level=level,
        names=names,
        leaves=frozenset(leaf.key for leaf in members),
        counts=tuple(map(sum, zip(*(leaf.counts for leaf in members), strict=True))),
        first=min(leaf.first for leaf in members),
        last=max(leaf.last for leaf in members),
    )


def named(keys: Iterable[Key], among: Iterable[Key], part: float = 0.8) -> list[tuple[dict[str, Any], frozenset[Key]]]:
    """Name some leaves by as few subjects as can be: a host, if most of its leaves are among them, and so on.

    Returns:
        For each subject its filter and the leaves that it stands for.
    """
    left, everything = set(keys), frozenset(among)
    found: list[tuple[dict[str, Any], frozenset[Key]]] = []
    for level in (*LEVELS, DIMENSIONS):
        places = [DIMENSIONS.index(field) for field in level]
        for names in sorted({tuple(str(key[p]) for p in places) for key in left}):
            whole = frozenset(key for key in everything if tuple(str(key[p]) for p in places) == names)
            mine = whole & left
            if mine and len(mine) >= part * len(whole) and (len(whole) > 1 or len(level) > 1):
                found.append(({str(f): key for f, key in zip(level, names, strict=True) if key != "None"}, mine))
                left -= mine
    return found


def width_for(duration: float, buckets: int = 144) -> float:
    """Return the bucket width that divides a duration into about so many buckets."""
    return next((float(width) for width in WIDTHS if duration / width <= buckets), float(WIDTHS[-1]))


def leaves(context: Context, *, shifts: Mapping[str, float] | None = None, buckets: int = 144) -> Table:
    """Count the events of each host, source type and source over time.

    Args:
        context: what to look at.
        shifts: seconds to add to a host's timestamps, where its clock is known to be off.
        buckets: how many buckets the whole time is divided into, about.
    """
    begin = context.first
    shifts = shifts or {}
    width = context.number("bucket_s", width_for(context.now - begin, buckets))
    start = math.floor(begin / width) * width
    size = max(1, math.floor((context.now - start) / width) + 1)
    counts: dict[Key, list[int]] = {}
    ends: dict[Key, tuple[float, float]] = {}
    for row in context.store.counts(DIMENSIONS, where=context.where, bucket_s=width):
        key = tuple(row[dimension] for dimension in DIMENSIONS)
        shift = shifts.get(str(key[0]), 0.0)
        index = math.floor((seconds(row["bucket"]) + shift - start) / width)
        series = counts.setdefault(key, [0] * size)
        if 0 <= index < size:
            series[index] += row["events"]
        first, last = seconds(row["first"]) + shift, seconds(row["last"]) + shift
        known = ends.get(key, (first, last))
        ends[key] = (min(known[0], first), max(known[1], last))
    kept = sorted(counts, key=lambda key: -sum(counts[key]))[:MAX_LEAVES]
    return Table(start, width, size, tuple(Leaf(key, tuple(counts[key]), *ends[key]) for key in kept))


def runs(flags: Iterable[bool]) -> Iterator[tuple[int, int]]:
    """Yield the stretches in which a flag holds, as `(start, end)`, end not included."""
    start = None
    index = -1
    for index, flag in enumerate(flags):
        if flag and start is None:
            start = index
        elif not flag and start is not None:
            yield start, index
            start = None
    if start is not None:
        yield start, index + 1


def best_stretch(scores: Sequence[float]) -> tuple[int, int, float]:
    """Return the stretch with the largest sum, `(start, end, sum)`, end not included (Kadane's algorithm)."""
    best = (0, 0, 0.0)
    start, running = 0, 0.0
    for index, score in enumerate(scores):
        if running <= 0:
            start, running = index, 0.0
        running += score
        if running > best[2]:
            best = (start, index + 1, running)
    return best


def stretches(scores: Sequence[float], keep: Callable[[int, int], bool], limit: int = 5) -> list[tuple[int, int]]:
    """Return the best stretches, one after another, as long as `keep(start, end)` holds; a stretch is used once."""
    left = list(scores)
    found: list[tuple[int, int]] = []
    while len(found) < limit:
        start, end, total = best_stretch(left)
        if total <= 0 or not keep(start, end):
            break
        found.append((start, end))
        left[start:end] = [-math.inf] * (end - start)
    return found


def dispersion(counts: Sequence[float], expected: Sequence[float]) -> float:
    """Return how much wider counts scatter about what was expected than chance would have it; at least 1.

    The scale is 1.4826 times the median absolute Pearson residual, which outliers do not move.
    """
    residuals = [abs(c - e) / math.sqrt(e) for c, e in zip(counts, expected, strict=True) if e > 0]
    return max(1.0, 1.4826 * median(residuals)) if residuals else 1.0


def smooth(values: Sequence[float], reach: int) -> list[float]:
    """Return the running median over `reach` values on either side."""
    return [median(values[max(0, index - reach) : index + reach + 1]) for index in range(len(values))]
