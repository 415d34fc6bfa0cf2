"""What layouts a file's lines have, from a sample of them."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence, Sized
from dataclasses import dataclass
from typing import Any

from .fields import NO_ZONE, Choose
from .layouts import ACCESS, FIXED, Layout, Pattern
from .plain import find, plain
from .records import Header, find_header, json_lines, table
from .stamps import EPOCH, OFFSET, Stamp

MAX_LAYOUTS = 8
"""Most layouts tried on one file's lines in one round."""

_MIN_SHARE = 0.2
"""A moment in the middle of lines counts if so many lines have it, or if there is nothing better."""

_LABEL_SHARE = 0.01
"""A moment behind one word counts if so many lines have it, where most lines have it at their start."""

_LONGEST = 4000
"""Only this much of a line is looked at in the sample, JSON aside."""


@dataclass(frozen=True)
class Guess:
    """How to read a file."""

    layouts: tuple[Layout, ...]
    """The most frequent first; each takes the lines that those before it could not read."""
    header: Header | None = None
    notes: tuple[str, ...] = ()


def sniff(lines: Sequence[str], choose: Choose, *, head: Sequence[str] = (), sure_only: bool = False) -> Guess:
    """Return how to read lines like those of the sample.

    Args:
        lines: A sample from the whole file.
        choose: Picks among forms of moment that fit the same texts.
        head: The file's first lines, where a header may stand.
        sure_only: Take no moments from the middle of lines, nor bare numbers; for what a known layout left over, where
            a date in the text of a message is likelier than a second layout.
    """
    header = find_header(head)
    if header and (found := table(header, [line for line in lines if line != head[header.line]], choose)):
        return Guess((found,), header)
    return _lines_guess(lines, choose, sure_only)


def _lines_guess(lines: Sequence[str], choose: Choose, sure_only: bool) -> Guess:
    records: list[dict[str, Any]] = []
    votes: Counter[Pattern] = Counter()
    moments: dict[Pattern, list[str]] = {}
    loose: dict[tuple[tuple[Stamp, ...], int], list[str]] = {}
    for line in filter(str.strip, lines):
        if (record := _record(line)) is not None:
            records.append(record)
            continue
        text = line[:_LONGEST]
        if found := _fixed(text):
            votes[found[0]] += 1
            moments.setdefault(found[0], []).append(found[1])
        elif places := find(text):
            loose.setdefault((tuple(stamp for stamp, _ in places), places[0][1]), []).append(text)
    ranked: list[tuple[int, Layout]] = [(count, pattern) for pattern, count in votes.items()]
    zoneless = any(_zoneless(pattern.stamp, moments[pattern]) for pattern in votes)
    for (stamps, words), texts in loose.items():
        least = _LABEL_SHARE if _is_labelled(stamps, words, texts, loose) else _MIN_SHARE
        if (words or stamps[0] is EPOCH) and (sure_only or (ranked and len(texts) < least * len(lines))):
            continue
        made = plain(_settle(stamps, words, texts, choose), words, texts)
        zoneless |= _zoneless(made.stamp, [m["ts"] for text in texts if (m := made.match(text))])
        ranked.append((len(texts), made))
    if records and (made_json := json_lines(records, choose)):
        ranked.append((len(records), made_json))
    ranked.sort(key=lambda pair: -pair[0])
    return Guess(tuple(layout for _, layout in ranked[:MAX_LAYOUTS]), notes=(NO_ZONE,) if zoneless else ())


def _is_labelled(
    stamps: tuple[Stamp, ...], words: int, texts: Sequence[str], loose: Mapping[tuple[tuple[Stamp, ...], int], Sized]
) -> bool:
    """Tell whether lines are like those of the most frequent form but for one word before their moment."""
    usual = max(loose, key=lambda form: len(loose[form]))
    return words == 1 and usual == (stamps, 0) and len(texts) < len(loose[usual])


def _record(line: str) -> dict[str, Any] | None:
    if not line.lstrip().startswith("{"):
        return None
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _fixed(line: str) -> tuple[Pattern, str] | None:
    """The layout with a shape of its own that a line has, with the text of its moment."""
    for pattern in (*ACCESS, *FIXED):
        if found := pattern.match(line):
            return pattern, found["ts"]
    return None


def _settle(stamps: Sequence[Stamp], words: int, texts: Sequence[str], choose: Choose) -> Stamp:
    if len(stamps) == 1:
        return stamps[0]
    probe = plain(stamps[0], words, ())
    return choose(stamps, [m["ts"] for text in texts if (m := probe.match(text))])


def _zoneless(stamp: Stamp, moments: Sequence[str]) -> bool:
    return stamp is not EPOCH and not all(re.search(OFFSET, text) for text in moments)
