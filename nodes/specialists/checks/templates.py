"""Message templates: the fixed text of messages, with what varies replaced by `<*>`, mined by Drain (He et al. 2017).

Numbers, addresses and identifiers are masked first; only messages that differ after that go through Drain, so a log
with few kinds of messages costs little however long it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

_MONTH = r"(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]*"
_MASKS = (
    (re.compile(rf"\b(?:(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)[a-z]*,? )?{_MONTH} +(?=\d)"), "<*> "),
    (re.compile(r"\b[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}\b"), "<*>"),
    (re.compile(r"/?\b\d{1,3}(?:\.\d{1,3}){3}(?::\d+)?\b"), "<*>"),
    (re.compile(r"\b0x[0-9a-fA-F]+\b|\b(?=[a-fA-F]*\d)[0-9a-fA-F]{8,}\b"), "<*>"),
    (re.compile(r"(?<![A-Za-z_])-?\d+(?:[.,:]\d+)*"), "<*>"),
)
_STARS = re.compile(r"<\*>(?:[\s,:/._-]*<\*>)+")

MAX_TEMPLATES = 2000
"""Templates that are kept apart; beyond, the least recently seen is forgotten."""


@dataclass
class Template:
    """One kind of message."""

    text: str
    events: int
    first: str
    """ISO 8601."""
    last: str
    example: str
    """The first message of this kind."""
    moments: set[str] = field(default_factory=set)
    """Beginnings of the moments at which it came; see `mine`."""

    def add(self, other: Template) -> None:
        """Take the messages of another template into this one."""
        self.events += other.events
        self.first, self.last = min(self.first, other.first), max(self.last, other.last)
        self.moments |= other.moments


def mask(message: str) -> str:
    """Replace what surely varies: numbers, addresses, identifiers."""
    for pattern, stand_in in _MASKS:
        message = pattern.sub(stand_in, message)
    return message


def mine(messages: Iterable[tuple[str, str]], *, width: int = 400, tick: int = 19) -> list[Template]:
    """Group messages by template, the most frequent first.

    Args:
        messages: `(ts, message)` in time order.
        width: characters of a message that are looked at.
        tick: characters of a moment that tell one occasion from the next: 13 for the hour, 16, 19 for the second.
    """
    seen: dict[str, Template] = {}
    for ts, message in messages:
        masked = mask(message[:width]).strip() or "(empty)"
        known = seen.get(masked)
        if known is None:
            seen[masked] = Template(masked, 1, ts, ts, message[:width], {ts[:tick]})
        else:
            known.events += 1
            known.last = ts
            known.moments.add(ts[:tick])
    return sorted(_merged(seen), key=lambda template: (-template.events, template.text))


def _merged(seen: dict[str, Template]) -> list[Template]:
    from drain3.drain import Drain

    drain: Any = Drain(sim_th=0.6, depth=4, max_children=100, max_clusters=MAX_TEMPLATES)
    clusters: dict[int, Template] = {}
    for masked, item in seen.items():
        cluster, _ = drain.add_log_message(masked)
        text = _STARS.sub("<*>", cluster.get_template())
        known = clusters.get(cluster.cluster_id)
        if known is None:
            clusters[cluster.cluster_id] = replace(item, text=text, moments=set(item.moments))
            continue
        known.text = text
        known.add(item)
    return _alike(clusters.values())


def _alike(templates: Iterable[Template]) -> list[Template]:
    """Make one of templates that came to the same text."""
    found: dict[str, Template] = {}
    for item in templates:
        if item.text in found:
            found[item.text].add(item)
        else:
            found[item.text] = item
    return list(found.values())


def anchor(template: str) -> str:
    """Return the longest fixed text in a template, to find its lines again."""
    return max((part.strip() for part in template.split("<*>")), key=len, default="")
