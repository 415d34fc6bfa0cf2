"""What was read of a log: every check's report bears it under `stats["read"]`, and the summary tells it once a log.

Lines that could not be parsed are in no count, search or alert, so they are always told, whichever checks ran.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from pydantic import Field, ValidationError

from ...schema.results import CheckReport, Finding, Record
from ..router import day_before
from .text import clean, sentence
from .views import View

READ = "read"
"""The key of a report's `stats` under which a `Reading` stands."""

FILES = 3
"""Files that are named in the text; more are counted."""

_MANY, _SHARE = 50, 0.05
"""From so many unparsed lines on, or so large a share, two of them are shown."""


class Unparsed(Record):
    """A file with lines in which no timestamp could be read."""

    file: str
    lines: int
    examples: tuple[str, ...] = ()
    """At most two."""


class Note(Record):
    """Something that was assumed or left out while reading, and of how many files it holds."""

    text: str
    files: int = 1


class Asked(Record):
    """What the question is about, and how much of it is in the log."""

    start: str | None = None
    end: str | None = None
    now: str | None = None
    """The moment up to which was looked: the end that was asked for, or the log's own."""
    events: int
    """Events in the time that is asked about."""
    unknown: tuple[str, ...] = ()
    """Hosts, sources and source types that the question names and no event has."""
    mentioned: dict[str, int] = Field(default_factory=dict)
    """Events in whose text such a name stands, by name."""
    near: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    """Names that the log has and that are like such a name, by name; at most three."""


class Reading(Record):
    """What was read of one log; lines = events + continued + blank + unparsed, where the store knows its lines."""

    location: str
    files: int = 0
    """Files that were read; 0 where the store knows of none."""
    name: str = ""
    """The only file's name."""
    lines: int = 0
    events: int
    continued: int = 0
    """Lines that belong to the event before them, such as stack traces."""
    blank: int = 0
    unparsed: int = 0
    unparsed_files: tuple[Unparsed, ...] = ()
    """The files with most of them, at most five."""
    unparsed_in: int = 0
    """Files that have any."""
    formats: dict[str, int] = Field(default_factory=dict)
    """Files by detected format, at most eight."""
    notes: tuple[Note, ...] = ()
    """At most eight."""
    passed_over: tuple[str, ...] = ()
    """Why files were passed over, at most three."""
    passed_over_files: int = 0
    start: str | None = None
    end: str | None = None
    asked: Asked | None = None


def readings(tasks: Sequence[View]) -> list[Reading]:
    """Return what was read, once for each location, in the tasks' order."""
    found: dict[str, Reading] = {}
    for task in tasks:
        reading = _reading(task.report) if task.report else None
        if reading is not None:
            found.setdefault(reading.location, reading)
    return list(found.values())


def _reading(report: CheckReport) -> Reading | None:
    try:
        return Reading.model_validate(report.stats.get(READ))
    except ValidationError:
        return None


def unasked(found: Sequence[Reading]) -> str:
    """Return a sentence on what the question names and the log does not have; empty if all is there."""
    told = []
    for reading in found:
        if reading.asked is None:
            continue
        for name in reading.asked.unknown:
            many = reading.asked.mentioned.get(name, 0)
            but = f", but {_count(many, 'event')} name{_s(many)} it" if many else ""
            told.append(f"No event in this log is from {clean(name, 80)}{but}.{_near(reading.asked, name)}")
        if reading.asked.events == 0 and reading.events:
            told.append(
                "No event lies in the time that was asked about"
                f"{_asked_span(reading.asked)}; the log goes from {_span(reading.start, reading.end)}."
            )
    return " ".join(dict.fromkeys(told))


def window(found: Sequence[Reading], request: str) -> str:
    """Return a sentence on the time that was looked at, without its full stop; empty if the question names none."""
    told = []
    for reading in found:
        asked = reading.asked
        if asked is None or not asked.events or not (asked.start or asked.end):
            continue
        last = asked.now or reading.end
        ends = [moment for moment in (asked.end, last) if moment]
        span = _span(asked.start or reading.start, min(ends, key=_moment) if ends else None)
        earlier = day_before(request, last) if asked.start and not asked.end else None
        if earlier and last and _moment(earlier[1]) == _moment(asked.start or ""):
            told.append(
                f"The log ends at {_moment(last)}, before {clean(earlier[0], 40)} of that day, so it was taken as of "
                f"the day before; looked at {span}"
            )
        else:
            told.append(f"Looked at {span}")
    return "; ".join(dict.fromkeys(told))


def _near(asked: Asked, name: str) -> str:
    names = [clean(item, 80) for item in asked.near.get(name, ())]
    if not names:
        return ""
    told = " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
    return f" The nearest {'names are' if len(names) > 1 else 'name is'} {told}."


def read_block(found: Sequence[Reading], findings: Sequence[Finding]) -> list[str]:
    """Return the lines that tell what was read; unparsed ones are quoted unless a finding does so."""
    lines = []
    quoted = any(finding.kind == "parse_failure" for finding in findings)
    for reading in found[:FILES]:
        place = f" {clean(reading.location, 80)}:" if len(found) > 1 else ""
        lines.append(f"Read:{place} {_amount(reading)}{_told(reading)}")
        if not quoted and (reading.unparsed > _MANY or reading.unparsed > _SHARE * reading.lines):
            examples = [f"{item.file}: {text}" for item in reading.unparsed_files for text in item.examples]
            lines += [f"   not parsed > {clean(text, 160)}" for text in examples[:2]]
    if len(found) > FILES:
        lines.append(f"… and {len(found) - FILES} more logs.")
    return lines


def _amount(reading: Reading) -> str:
    span = f" from {_span(reading.start, reading.end)}" if reading.start and reading.end else ""
    parts = [f"{_count(reading.events, 'event')}{span}"]
    if reading.continued:
        parts.append(f"{_count(reading.continued, 'line')} that continue{_s(reading.continued)} an event")
    if reading.blank:
        parts.append(f"{reading.blank:,} blank")
    if reading.unparsed:
        files = "" if reading.files == 1 and reading.name else _files(reading)
        parts.append(f"{_count(reading.unparsed, 'line')} that could not be parsed{f' ({files})' if files else ''}")
    if not reading.files:
        return ", ".join(parts) + "."
    name = clean(reading.name, 80) if reading.files == 1 and reading.name else f"{_count(reading.files, 'file')}"
    return f"{name}, {_count(reading.lines, 'line')}: {', '.join(parts)}."


def _files(reading: Reading) -> str:
    named = [clean(item.file, 60) for item in reading.unparsed_files[:FILES]]
    more = max(reading.unparsed_in, len(named)) - len(named)
    return ", ".join(named) + (f" and {more:,} more" if more else "")


def _told(reading: Reading) -> str:
    told = ""
    if reading.passed_over_files:
        why = clean(reading.passed_over[0], 160) if reading.passed_over else ""
        told += f" Passed over: {_count(reading.passed_over_files, 'file')}{f' ({why})' if why else ''}."
    if reading.notes:
        kept = reading.notes[:4]
        notes = "; ".join(
            clean(note.text, 120) + (f" ({note.files:,} files)" if 1 < note.files < reading.files else "")
            for note in kept
        )
        more = len(reading.notes) - len(kept)
        told += " Noted: " + sentence(notes + (f"; and {more} more" if more else ""))
    return told


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _s(number: int) -> str:
    return "s" if number == 1 else ""


def _asked_span(asked: Asked) -> str:
    if asked.start and asked.end:
        return f", {_span(asked.start, asked.end)}"
    return f", {'from' if asked.start else 'up to'} {_moment(asked.start or asked.end or '')}"


def _span(start: str | None, end: str | None) -> str:
    """Return a time range in words; the date stands once if it is one day."""
    if start is None or end is None:
        return "?"
    left, right = _moment(start), _moment(end)
    if left == right:
        return left
    return f"{left.removesuffix(' UTC')} to {right[11:] if left[:10] == right[:10] else right}"


def _moment(text: str) -> str:
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError:
        return clean(text, 40)
    parsed = parsed.astimezone(UTC) if parsed.tzinfo else parsed
    return parsed.strftime("%Y-%m-%d %H:%M UTC")
