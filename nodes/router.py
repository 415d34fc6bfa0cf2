"""The rule-based router: which workflow a request asks for, and about what. Pure: no clock, no model, no I/O.

A host, source or source type that it finds is a focus, not a filter: "Why did web-03 go quiet?" needs the other hosts
for comparison. The checks take it so.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

from ..events.protocol import StoreInfo

DEFAULT = "health_check"
"""The workflow for a request that names none."""


NOTHING_KNOWN = "The request names nothing that these checks know; here is a health check of the log instead."
"""What is told where not even a host or a time is named."""


class WorkflowLike(Protocol):
    """What the router needs to know of a workflow."""

    @property
    def name(self) -> str:
        """The workflow's name."""

    @property
    def aliases(self) -> Sequence[str]:
        """Other names for it."""

    @property
    def keywords(self) -> Sequence[str]:
        """Words and phrases that ask for it."""


@dataclass(frozen=True)
class Route:
    """Where a request goes."""

    workflow: str
    """Name of the workflow."""
    params: dict[str, Any]
    """Its parameters, as far as the request tells them."""
    why: str
    """One sentence for a person: what led here."""
    matched: bool = True
    """Whether the request asked for it; False for the default."""


_SYNONYMS = {
    "missing_data_troubleshooting": (
        *(
            "quiet",
            "silent",
            "silence",
            "missing",
            "no data",
            "no events",
            "no logs",
            "stopped",
            "stop",
            "dark",
            "gone",
        ),
        *(
            "not sending",
            "not reporting",
            "not arriving",
            "disappeared",
            "vanished",
            "lost",
            "where are",
            "where is",
            "gap",
        ),
    ),
    "performance": (
        *("slow", "slower", "slowest", "latency", "performance", "response time", "response times", "lag", "lagging"),
        *("timeout", "timeouts", "busy", "busiest", "overloaded", "load", "throughput"),
    ),
    "health_check": (
        *("health", "healthy", "ok", "okay", "status", "check", "fine", "overview", "wrong"),
        *("crash", "crashes", "crashed", "crashing", "exception", "exceptions", "traceback", "error", "errors"),
        *("fail", "fails", "failing", "failed", "failure", "failures", "500", "500s", "5xx"),
    ),
}
"""Words that ask for a workflow whatever its own keywords are."""


def route(
    request: str, workflows: Sequence[WorkflowLike], info: StoreInfo | None = None, now: str | None = None
) -> Route:
    """Find the workflow that a request asks for, and its parameters.

    Args:
        request: what a person asks.
        workflows: what there is; the first of two equally good ones wins.
        info: what the event store holds: its names are recognised, its now is what times are relative to.
        now: ISO 8601; takes the place of the store's now.
    """
    params: dict[str, Any] = {}
    moment = now or (info.now or info.end if info else None)
    words, subject = _without(request, find_subject(request, info))
    times, told = find_times(words, moment)
    params.update(subject)
    params.update(times)
    named, hits = _best(words, workflows)
    about = [f"{field} {value}" for field, value in subject.items()] + ([told] if told else [])
    tail = f", about {' and '.join(about)}" if about else ""
    if named is None:
        default = next((w.name for w in workflows if w.name == DEFAULT), workflows[0].name if workflows else DEFAULT)
        why = f"No word in the request names a workflow, so {default} runs{tail}."
        return Route(default, params, why if about or default != DEFAULT else NOTHING_KNOWN, matched=False)
    return Route(named, params, f"The request says {', '.join(map(repr, hits))}, so {named} runs{tail}.")


def _without(request: str, found: dict[str, tuple[str, str]]) -> tuple[str, dict[str, str]]:
    """Return the request without the names found in it, so that `web-slow-1` is not slow, and the names."""
    words = request
    for token, _ in found.values():
        words = re.sub(_whole(token), " ", words, flags=re.IGNORECASE)
    return words, {field: name for field, (_, name) in found.items()}


def _best(words: str, workflows: Sequence[WorkflowLike]) -> tuple[str | None, list[str]]:
    best: tuple[float, str | None, list[str]] = (0.0, None, [])
    for workflow in workflows:
        names = [workflow.name, *workflow.aliases]
        phrases = {*names, *(name.replace("_", " ") for name in names)}
        keywords = {*workflow.keywords, *_SYNONYMS.get(workflow.name, ())}
        hits = [p for p in sorted(keywords | phrases) if re.search(_whole(p), words, re.IGNORECASE)]
        weight = 0.9 if workflow.name == DEFAULT else 1.0
        score = sum(weight * (3 if phrase in phrases else 1 + 0.5 * phrase.count(" ")) for phrase in hits)
        if score > best[0]:
            best = (score, workflow.name, hits)
    return best[1], best[2]


def _whole(text: str) -> str:
    """Return a pattern for a text as whole words: `web-1` is not in `web-10`, nor in `my-web-1`."""
    return rf"(?<![\w.-]){re.escape(text)}(?![\w-]|\.\w)"


_HOST_LIKE = re.compile(
    r"(?<![\w.:/-])(?:\d{1,3}(?:\.\d{1,3}){3}"
    r"|[a-z][a-z\d]*(?:[.-][a-z\d]+)*-?\d+"
    r"|[a-z][a-z\d-]*\d[a-z]?(?:\.[a-z][a-z\d-]*)+"
    r"|[a-z][a-z\d-]*(?:\.[a-z][a-z\d-]*)*\.(?:com|net|org|local|internal|lan|corp|example|invalid|test))"
    r"(?![\w:/-]|\.\w)",
    re.I,
)
_NO_HOST = re.compile(
    r"^(?:last|past|top|first|next|line|step|phase|stage|part|day|week|month|quarter|year|hour|minute|error|errors|code"
    r"|status|http|https|port|exit|signal|level|priority|severity|version|release|build|ticket|issue|bug|case|order"
    r"|jan\w*|feb\w*|mar|march|apr\w*|may|june?|july?|aug\w*|sep\w*|oct\w*|nov|november|dec|december|mon|tue|wed|thu|fri"
    r"|sat|sun|\w+day|utc|gmt|utf|iso|rfc|cve|sha|md|base|tls|ssl|ipv|ip|tcp|udp|h|python|java|php|perl|ruby|log4j|log4j2"
    r"|p|q|v|ver|s|m|t|x|ec|k|am|pm)[-.]?\d+(?:[.-]\d+)*$|^\d{4}-",
    re.I,
)
_FILE = re.compile(
    r"(?<![\w/.-])[\w./-]+\.(?:log|json|jsonl|ndjson|csv|tsv|parquet|gz|bz2|xz|zst|zip|tar|txt|out|err|conf"
    r"|cfg|ini|ya?ml|toml|xml|html?|py|js|ts|java|go|rs|rb|php|sh|exe|jar|service)(?:\.\d+)?(?![\w-])",
    re.IGNORECASE,
)


def find_subject(request: str, info: StoreInfo | None) -> dict[str, tuple[str, str]]:
    """Find the host, source and source type that a request names: for each the token found and the known name."""
    found: dict[str, tuple[str, str]] = {}
    known = {"host": info.hosts, "sourcetype": info.sourcetypes, "source": info.sources} if info else {}
    taken: set[str] = set()
    for field, names in known.items():
        for name in sorted(names, key=len, reverse=True):
            token = next((t for t in _forms(field, name) if re.search(_whole(t), request, re.IGNORECASE)), None)
            if token and token.lower() not in taken and not (field != "host" and _is_plain_word(token)):
                found[field] = (token, name)
                taken.add(token.lower())
                break
    if "host" not in found:
        rest = _FILE.sub(" ", request)
        guesses = [m[0] for m in _HOST_LIKE.finditer(rest) if not _NO_HOST.search(m[0]) and m[0].lower() not in taken]
        if guesses:
            found["host"] = (guesses[0], guesses[0])
    return found


def _forms(field: str, name: str) -> list[str]:
    """Return how a name may be written: a host also without its domain, a path also by its last part."""
    if field == "host" and "." in name and not re.fullmatch(r"[\d.]+", name):
        return [name, name.split(".")[0]]
    return [name, name.rsplit("/", 1)[-1]] if field == "source" and "/" in name.rstrip("/") else [name]


def _is_plain_word(token: str) -> bool:
    """Tell whether a source's or source type's name is too common a word to mean it."""
    return token.lower() in {
        "log",
        "logs",
        "text",
        "event",
        "events",
        "error",
        "errors",
        "data",
        "json",
        "csv",
        "messages",
    }


_UNITS = {"s": 1, "second": 1, "sec": 1, "m": 60, "minute": 60, "min": 60, "h": 3600, "hour": 3600, "hr": 3600}
_UNITS |= {"d": 86400, "day": 86400, "w": 604800, "week": 604800}
_UNIT = r"(seconds?|secs?|s|minutes?|mins?|m|hours?|hrs?|h|days?|d|weeks?|w)"
_LAST = re.compile(rf"\b(?:last|past|previous|within)\s+(?:(\d+(?:\.\d+)?|an?|half an|few)\s*)?{_UNIT}\b", re.I)
_AGO = re.compile(rf"\b(?:since\s+)?(\d+(?:\.\d+)?|an?)\s*{_UNIT}\s+ago\b", re.I)
_DATE = r"\d{4}-\d{2}-\d{2}"
_CLOCK = r"\d{1,2}:\d{2}(?::\d{2})?(?:\s*[ap]m)?|\d{1,2}\s*[ap]m|noon|midnight"
_ISO = rf"{_DATE}(?:[T ]\d{{2}}:\d{{2}}(?::\d{{2}}(?:\.\d+)?)?(?:Z|[+-]\d{{2}}:?\d{{2}})?)?"
_MOMENT = rf"(?:{_ISO}|(?:(?:today|yesterday)\s+(?:at\s+)?)?(?:{_CLOCK})|today|yesterday)"
_BETWEEN = re.compile(rf"\b(?:between|from)\s+({_MOMENT})\s*(?:UTC\s*)?(?:and|to|until|till|-)\s*({_MOMENT})", re.I)
_SINCE = re.compile(rf"\b(?:since|after|from)\s+({_MOMENT})", re.I)
_UNTIL = re.compile(rf"\b(?:until|till|before|by)\s+({_MOMENT})", re.I)
_ON = re.compile(rf"\b(today|yesterday)\b|\b(?:on\s+)?({_DATE})(?![T\d])", re.I)


def find_times(request: str, now: str | None) -> tuple[dict[str, str], str]:
    """Find the time range that a request names, relative to the log's now.

    Returns:
        `start` and `end`, as far as told, in ISO 8601 UTC; and the words that tell it.
    """
    current = _parse(now) if now else None
    for pattern, read in (
        (_BETWEEN, _between),
        (_AGO, _ago),
        (_LAST, _last),
        (_SINCE, _since),
        (_UNTIL, _until),
        (_ON, _on),
    ):
        match = pattern.search(request)
        if match:
            span = read(match, current)
            if span is not None and (span[0] or span[1]) and not (span[0] and span[1] and span[0] >= span[1]):
                times = {name: _iso(value) for name, value in zip(("start", "end"), span, strict=True) if value}
                return times, match[0].strip()
    return {}, ""


Span = tuple[datetime | None, datetime | None] | None


def _length(number: str | None, unit: str) -> timedelta:
    value = {"an": 1.0, "a": 1.0, "half an": 0.5, "few": 3.0}.get((number or "1").lower())
    name = unit.lower() if unit.lower() in _UNITS else unit.lower().rstrip("s")
    return timedelta(seconds=min(float(number or 1) if value is None else value, 1e6) * _UNITS[name])


def _last(match: re.Match[str], now: datetime | None) -> Span:
    return (now - _length(match[1], match[2]), None) if now else None


def _ago(match: re.Match[str], now: datetime | None) -> Span:
    return (now - _length(match[1], match[2]), None) if now else None


def _since(match: re.Match[str], now: datetime | None) -> Span:
    return _moment(match[1], now), None


def _until(match: re.Match[str], now: datetime | None) -> Span:
    return None, _moment(match[1], now)


def _between(match: re.Match[str], now: datetime | None) -> Span:
    end = _moment(match[2], now)
    start = _moment(match[1], now)
    if start and end and start >= end and not re.search(_DATE, match[1]):
        start -= timedelta(days=1)
    if end and re.fullmatch(rf"{_DATE}|today", match[2], re.IGNORECASE):
        end += timedelta(days=1)
    return start, end


def _on(match: re.Match[str], now: datetime | None) -> Span:
    day = _moment(match[1] or match[2], now)
    return (day, day + timedelta(days=1)) if day else None


def _moment(text: str, now: datetime | None) -> datetime | None:
    text = text.strip().lower()
    if re.match(_DATE, text):
        return _parse(text.upper().replace(" ", "T", 1))
    if now is None:
        return None
    day = now.replace(hour=0, minute=0, second=0, microsecond=0)
    word = re.match(r"(today|yesterday)\s*(?:at\s+)?", text)
    if word:
        day -= timedelta(days=word[1] == "yesterday")
        text = text[word.end() :]
    clock = _clock(text)
    if clock is None:
        return None
    moment = day + clock
    return moment - timedelta(days=1) if moment > now and not word else moment


def day_before(request: str, now: str | None) -> tuple[str, str] | None:
    """Find a "since 14:00" that is read as of the day before, as the log ends before that on its last day.

    Returns:
        The time of day as it is written, and the moment that it is read as, in ISO 8601 UTC; None if there is none.
    """
    match, current = _SINCE.search(request), _parse(now) if now else None
    if match is None or current is None or _BETWEEN.search(request) or re.match(_DATE, match[1]):
        return None
    read, clock = _moment(match[1], current), _clock(match[1].strip().lower())
    if read is None or clock is None or read.date() == current.date():
        return None
    return match[1].strip(), _iso(read)


def _clock(text: str) -> timedelta | None:
    """Return a time of day since midnight; no text is midnight."""
    if text in ("", "midnight"):
        return timedelta()
    if text == "noon":
        return timedelta(hours=12)
    match = re.fullmatch(r"(\d{1,2})(?::(\d{2}))?(?::(\d{2}))?\s*([ap]m)?", text)
    if match is None:
        return None
    hour, minute, second = (int(part or 0) for part in match.groups()[:3])
    if match[4]:
        hour = hour % 12 + (12 if match[4] == "pm" else 0)
    return timedelta(hours=hour, minutes=minute, seconds=second) if hour < 25 and minute < 60 and second < 60 else None


def _parse(text: str) -> datetime | None:
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError:
        return None
    return parsed.astimezone(UTC) if parsed.tzinfo else parsed.replace(tzinfo=UTC)


def _iso(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
