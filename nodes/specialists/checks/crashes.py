"""Stack traces: what Python, Java, Go, Rust and Node.js write when something was not caught, whatever its level is."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ....schema.results import Finding
from .context import Context
from .templates import mask
from .wording import EVIDENCE_LINES, clean, count, iso, period, seconds, when

MARKS = (
    "Traceback (most recent call last)",
    "Exception in thread",
    "\tat ",
    "    at ",
    "panic: ",
    "panicked at",
    "UnhandledPromiseRejection",
)
"""Texts that lines of stack traces bear; what is found by them is looked at again."""

SAMPLE = 1000
"""Events that are looked at for one of them."""

_FRAME = re.compile(r"^\s+at (?:(?:async |new )?[\w$.<>/ \[\]@-]+\(.*\)|\S+:\d+:\d+\)?)", re.MULTILINE)
_PYTHON = re.compile(r"Traceback \(most recent call last\)")
_RAISED = re.compile(r"^(?:[A-Za-z_]\w*\.)*[A-Z_a-z]\w*(?:: .*)?$")
_NAMED = re.compile(r"(?:Error|Exception|Exit|Interrupt|Warning)$")
_LEAD = re.compile(
    r".*?(Exception in thread .*)|.*?(panic: .*)|.*?(panicked at .*)|.*?(\S*UnhandledPromiseRejection.*)"
)


@dataclass(frozen=True)
class Trace:
    """One event with a stack trace."""

    event: Mapping[str, Any]
    error: str
    """The line that says what was raised."""


def traces(context: Context) -> tuple[list[Trace], bool]:
    """Return the events with a stack trace in the time that is asked about, in order, and whether these are all."""
    found: dict[tuple[Any, Any], Trace] = {}
    complete = True
    for mark in MARKS:
        events = context.store.sample(where=context.asked(text=mark), limit=SAMPLE)
        complete = complete and len(events) < SAMPLE
        for event in events:
            error = raised(str(event.get("raw") or ""))
            if error:
                found.setdefault((event.get("file"), event.get("line")), Trace(event, error))
    return sorted(found.values(), key=lambda trace: (trace.event["ts"], trace.event.get("line") or 0)), complete


def raised(raw: str) -> str:
    """Return the line of a stack trace that says what was raised; empty if the text has none."""
    lines = raw.replace("\\n", "\n").replace("\\t", "\t").split("\n")
    if _PYTHON.search(raw):
        begin = next(n for n, line in enumerate(lines) if _PYTHON.search(line))
        ends = [line.strip() for line in lines[begin + 1 :] if _RAISED.match(line.rstrip("\"'} \r"))]
        sure = [line for line in ends if ": " in line or _NAMED.search(line)]
        return (sure or ends)[-1].rstrip("\"'} ") if ends else "Traceback"
    for place, line in enumerate(lines):
        lead = _LEAD.match(line)
        if lead and ("panic: " not in line or re.match(r"\s*panic: ", line) or "goroutine " in raw):
            text = next((group for group in lead.groups() if group), lead[0]).strip()
            more = lines[place + 1].strip() if text.endswith(":") and place + 1 < len(lines) else ""
            return f"{text} {more}".strip()
    for place, line in enumerate(lines[1:], 1):
        if _FRAME.match(line):
            return lines[place - 1].strip()
    return ""


def crashes(context: Context, *, graded_too: bool) -> list[Finding]:
    """Report stack traces as one finding.

    Args:
        context: what is looked at.
        graded_too: also those in events whose level is an error's; False where these are reported already.
    """
    every, complete = traces(context)
    found = [t for t in every if graded_too or t.event.get("level") not in ("error", "critical")]
    if not found:
        return []
    kinds: dict[str, list[Trace]] = {}
    for trace in found:
        kinds.setdefault(mask(clean(trace.error, 160)), []).append(trace)
    ordered = sorted(kinds.values(), key=lambda group: -len(group))
    begin, end = seconds(found[0].event["ts"]), seconds(found[-1].event["ts"])
    most = f"'{clean(ordered[0][0].error, 110)}'"
    if len(ordered) > 1:
        most = f"most often {most} ({count(len(ordered[0]), 'time')})"
    at = (
        f"at {when(begin)}"
        if len(found) == 1
        else f"in {period(begin, end)}"
        if end - begin < 60
        else period(begin, end)
    )
    last = context.info.end is not None and end >= seconds(context.info.end)
    told = [f"{clean(g[0].error, 110)}, {count(len(g), 'time')}" for g in ordered[:4]] if len(ordered) > 1 else []
    hosts = Counter(trace.event.get("host") for trace in found)
    host = next(iter(hosts)) if len(hosts) == 1 and len(context.info.hosts) > 1 else None
    return [
        Finding(
            kind="crash",
            title=f"{'' if complete else 'At least '}{count(len(found), 'error')} with a stack trace {at}: {most}",
            severity="medium",
            subject=host,
            detail=" ".join(
                [f"{'; '.join(told)}." if told else ""]
                + (
                    ["It is the last event in this log." if len(found) == 1 else "The log ends with one."]
                    if last
                    else []
                )
            ).strip(),
            numbers={"events": len(found), "kinds": len(ordered)},
            start=iso(begin),
            end=iso(end),
            evidence=tuple(dict.fromkeys(_line(group[0]) for group in ordered))[:EVIDENCE_LINES],
            confidence=0.9,
            impact="What was running there was broken off, and perhaps the whole process.",
            recommendation=f"Find the cause of '{clean(ordered[0][0].error)}', and whether its process still runs.",
        )
    ]


def _line(trace: Trace) -> str:
    event = trace.event
    first = str(event.get("raw") or "").split("\n", 1)[0]
    text = clean(first, 110)
    error = clean(trace.error, 110)
    return clean(f"{event.get('file')}:{event.get('line')}: {text}{'' if error in text else f' … {error}'}", 240)
