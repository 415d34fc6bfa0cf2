"""Message templates: the fixed text of messages, with what varies replaced by `<*>`, mined by Drain (He et al. 2017).

Numbers, addresses and identifiers are masked first; only messages that differ after that go through Drain, so a log
with few kinds of messages costs little however long it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

_MASKS = (
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


def mask(message: str) -> str:
    """Replace what surely varies: numbers, addresses, identifiers."""
    for pattern, stand_in in _MASKS:
        message = pattern.sub(stand_in, message)
    return message


def mine(messages: Iterable[tuple[str, str]], *, width: int = 400) -> list[Template]:
    """Group messages by template, the most frequent first.

    Args:
        messages: `(ts, message)` in time order.
        width: characters of a message that are looked at.
    """
    seen: dict[str, Template] = {}
    for ts, message in messages:
        masked = mask(message[:width]).strip() or "(empty)"
        known = seen.get(masked)
        if known is None:
            seen[masked] = Template(masked, 1, ts, ts, message[:width])
        else:
            known.events += 1
            known.last = ts
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
            clusters[cluster.cluster_id] = Template(text, item.events, item.first, item.last, item.example)
            continue
        known.text = text
        known.events += item.events
        known.last = max(known.last, item.last)
    return list(clusters.values())


def anchor(template: str) -> str:
    """Return the longest fixed text in a template, to find its lines again."""
    return max((part.strip() for part in template.split("<*>")), key=len, default="")
