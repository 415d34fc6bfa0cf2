"""What was read of a log, for every check's report: files, lines, events, and what could not be parsed."""

from __future__ import annotations

from collections import Counter

from ....events.protocol import FileInfo, StoreInfo
from ...summary.reading import Asked, Note, Reading, Unparsed
from .wording import clean

_PASSED_OVER = ("binary", "unreadable")
"""Formats of files that were listed but not read."""


def reading(location: str, info: StoreInfo, asked: Asked | None = None) -> Reading:
    """Return what a store says of how its events were read.

    Args:
        location: where the events are, as it was given.
        info: what the store holds.
        asked: what the question is about.
    """
    read = [file for file in info.files if not _was_passed_over(file)]
    left = [file for file in info.files if _was_passed_over(file)]
    broken = sorted((file for file in read if file.unparsed), key=lambda file: (-file.unparsed, file.file))
    notes = Counter(part for file in read for part in file.note.split("; ") if part)
    return Reading(
        location=location,
        files=len(read),
        name=clean(read[0].file) if len(read) == 1 else "",
        lines=sum(file.lines for file in read),
        events=info.events,
        continued=sum(file.continued for file in read),
        blank=sum(file.blank for file in read),
        unparsed=sum(file.unparsed for file in read),
        unparsed_files=tuple(map(_unparsed, broken[:5])),
        unparsed_in=len(broken),
        formats=dict(Counter(file.format for file in read).most_common(8)),
        notes=tuple(Note(text=clean(text), files=files) for text, files in notes.most_common(8)),
        passed_over=tuple(clean(file.note or file.file) for file in left[:3]),
        passed_over_files=len(left),
        start=info.start,
        end=info.end,
        asked=asked,
    )


def _was_passed_over(file: FileInfo) -> bool:
    return file.format in _PASSED_OVER and not file.lines


def _unparsed(file: FileInfo) -> Unparsed:
    examples = tuple(clean(text) for text in file.unparsed_examples[:2])
    return Unparsed(file=clean(file.file), lines=file.unparsed, examples=examples)
