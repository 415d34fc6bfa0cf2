"""New kinds of messages: templates that first appear late in a log that else repeats itself.

Rare messages come late by chance: the fewer there are, the later they must begin. Where new kinds keep coming all the
time, newness means nothing, and only a figure is given.

Thresholds: `late` (0.4: the first that many of the events are history), `min_new` (5 times seen), `max_new` (8 kinds).
"""

from __future__ import annotations

import math
from bisect import bisect_left

from ....schema.results import CheckReport, Finding, Severity
from .context import Context, check
from .failures import LIMIT, TROUBLE, shown
from .templates import Template, anchor, mine
from .wording import clean, count, evidence, iso, lasting, seconds, share, when


@check("patterns", description="Finds kinds of messages that first appear late in the log", min_events=200)
def patterns(context: Context) -> CheckReport:
    """Report message templates that are new."""
    messages = list(context.store.messages(where=context.where, limit=LIMIT))
    if len(messages) < 200:
        return context.not_applicable(f"only {count(len(messages), 'event')} bear a message; this check needs 200")
    span = context.now - context.first
    templates = mine(messages, tick=13 if span > 2 * 86400 else 16 if span > 2 * 3600 else 19)
    middle = seconds(messages[int(context.number("late", 0.4) * len(messages))][0])
    middle = max(middle, context.start)
    frequent = [t for t in templates if t.events >= context.number("min_new", 5)]
    times = [seconds(ts) for ts, _ in messages]
    new = [t for t in frequent if seconds(t.first) >= middle and len(t.moments) >= 3 and _unlikely(t, times)]
    stats = {
        "messages": len(messages),
        "templates": len(templates),
        "new": len(new),
        "most_frequent": {clean(t.text, 120): t.events for t in templates[:10]},
    }
    if len(new) > max(3, 0.25 * len(frequent)):
        stats["note"] = "new kinds of messages keep coming in this log, so newness means nothing"
        return context.report([], **stats)
    new.sort(key=lambda t: (-bool(TROUBLE.search(t.text)), -t.events, t.text))
    return context.report(
        [_finding(context, t, len(messages)) for t in new[: int(context.number("max_new", 8))]], **stats
    )


def _unlikely(new: Template, times: list[float]) -> bool:
    """Tell whether so many messages would hardly all come so late if they came at any time alike.

    What came many times at once is one occasion.
    """
    before = bisect_left(times, seconds(new.first)) / len(times)
    return len(new.moments) * math.log(max(1 - before, 1e-9)) < math.log(1e-4)


def _finding(context: Context, new: Template, total: int) -> Finding:
    trouble = bool(TROUBLE.search(new.text))
    severity: Severity = "medium" if trouble and new.events >= 20 else "low"
    first = seconds(new.first)
    where = context.having(text=anchor(new.text), start=iso(first))
    return Finding(
        kind="new_pattern",
        title=f"New message since {when(first)}, {count(new.events, 'time')}: '{shown(new.text)}'",
        severity=severity,
        detail=(
            f"Nothing like it in the {lasting(first - context.first)} of log before; "
            f"it is {share(new.events, total)} of all messages."
        ),
        numbers={"events": new.events, "template": clean(new.text), "messages": total},
        start=new.first,
        end=new.last,
        evidence=evidence(context.store.sample(where=where, limit=2)),
        confidence=0.7,
        impact="Something began then that did not happen before.",
        recommendation=f"See what changed just before {when(first)}.",
    )
