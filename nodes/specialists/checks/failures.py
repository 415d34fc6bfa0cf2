"""Messages that speak of trouble and repeat: refused logins and who tries them, and warnings that fill the log."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from ....events.protocol import Where
from ....schema.results import Finding, Severity
from .context import Context
from .templates import Template, anchor, mine
from .wording import clean, count, evidence, lasting, listed, period, seconds, share, when

LIMIT = 100_000
"""Messages that are looked at; above, an even sample."""

LOGIN = re.compile(
    r"failed password|authentication fail\w*|login fail\w*|failed login|invalid user"
    r"|(?:bad|invalid|wrong) (?:password|credentials)|break-in attempt|\bauth fail\b"
    r"|no more user authentication methods|more authentication failures|access denied for user"
    r"|permission denied \(publickey",
    re.IGNORECASE,
)
TROUBLE = re.compile(
    r"\bfail|\berror|denied|refused|\binvalid|break-in|unauthori[sz]ed|unable to|cannot|can't|could not|couldn't|broken"
    r"|timed? ?out|exception|abort|crash|panic|corrupt|not found|unreachable|no space|out of memory|\blost\b|killed"
    r"|abnormal|forbidden|unavailable|\balert\b",
    re.IGNORECASE,
)
ACCEPTED = re.compile(
    r"\baccepted (?:password|publickey|keyboard)|login (?:succeeded|successful)|session opened", re.IGNORECASE
)
_ADDRESS = re.compile(r"\b\d{1,3}(?:\.\d{1,3}){3}\b")
_REMOTE = re.compile(r"\brhost=([\w.:-]+)|\bfrom (?:host )?([\w-]+(?:\.[\w-]+)+|[0-9a-fA-F:]*:[0-9a-fA-F:]+)")
_USER = re.compile(r"\bfor (?:invalid user )?([\w.@$-]+) from|\buser[= ]([\w.@$-]+)")
_PREFIX = re.compile(r"^\[.*?\]\s(?:- )?")
_PACKAGE = re.compile(r"^(?:[\w$]+\.){2,}(?=[\w$]+[: ])")
_IDS = re.compile(r"^(?:<\*>\s+)*((?:[\w$.-]+ )?)(?:\[(?:[a-z]+-|[a-z]+: )?(?:<\*>|[\s-])+\]\s*)*")
_REPEATED = re.compile(r"message repeated (\d+) times", re.IGNORECASE)


@dataclass
class Attempts:
    """Messages of refused logins of one wording."""

    events: int = 0
    first: str = ""
    last: str = ""
    clients: Counter[str] = field(default_factory=Counter)
    users: Counter[str] = field(default_factory=Counter)


def client_of(message: str) -> str | None:
    """Return the address, or else the name, of the client that a message names."""
    address = _ADDRESS.search(message)
    if address:
        return address[0]
    remote = _REMOTE.search(message)
    return (remote[1] or remote[2]) if remote else None


def login_failures(context: Context, messages: Iterable[tuple[str, str]], total: int) -> list[Finding]:
    """Find repeated refused logins, count each attempt once, and name the clients behind them.

    Thresholds: `min_attempts` (20 in all), and 10 of one client or 2% of all events.
    """
    wordings: dict[str, Attempts] = {}
    welcome: set[str] = set()
    for ts, message in messages:
        found = LOGIN.search(message)
        client = client_of(message)
        if found is None:
            if client and ACCEPTED.search(message):
                welcome.add(client)
            continue
        times = _REPEATED.search(message)
        item = wordings.setdefault(found[0].lower(), Attempts(first=ts))
        many = int(times[1]) if times else 1
        item.events += many
        item.last = ts
        user = _USER.search(message)
        item.clients.update({client: many} if client else {})
        item.users.update({user[1] or user[2]: many} if user else {})
    if not wordings:
        return []
    wording, most = max(wordings.items(), key=lambda pair: (pair[1].events, pair[0]))
    top = most.clients.most_common(1)[0][1] if most.clients else 0
    if most.events < context.number("min_attempts", 20) or (top < 10 and most.events < 0.02 * total):
        return []
    others = {name: item.events for name, item in wordings.items() if name != wording}
    return [_logins(context, wording, most, others, welcome, total)]


def _logins(
    context: Context, wording: str, found: Attempts, others: dict[str, int], welcome: set[str], total: int
) -> Finding:
    top = found.clients.most_common(5)
    begin, end = seconds(found.first), seconds(found.last)
    entered = [client for client, events in found.clients.items() if client in welcome and events >= 5]
    named = ", ".join(f"{client} {events:,}" for client, events in top)
    hours = max((end - begin) / 3600, 1.0)
    many = found.events >= 2 * hours or found.events >= 100
    severity: Severity = "high" if found.events >= 20 * hours else "medium" if many else "low"
    text = f"{found.events:,} refused logins ('{wording}') from {count(len(found.clients), 'client')}"
    if len(top) == 1:
        text = f"{found.events:,} refused logins ('{wording}'), all from {top[0][0]}"
    elif top and top[0][1] >= 0.1 * found.events:
        text += f"; {top[0][0]} alone made {top[0][1]:,} ({share(top[0][1], found.events)})"
    elif top:
        text += f", at most {top[0][1]:,} from one of them"
    login = (
        f"A login from {listed(entered)} was accepted."
        if entered
        else "No login from a client with 5 or more refused ones was accepted."
    )
    return Finding(
        kind="login_failures",
        title=text,
        severity="critical" if entered and top[0][1] >= 20 else severity,
        subject=context.owner(context.asked(text=wording)),
        detail=(f"Most attempts: {named}. " if len(top) > 1 else "")
        + _tried(found, others)
        + f"Over {lasting(end - begin)}, {period(begin, end)}. {login}",
        numbers={
            "attempts": found.events,
            "clients": len(found.clients),
            "top_clients": dict(top),
            "share_of_events": round(found.events / max(total, 1), 3),
            "accepted_from_them": entered,
        },
        start=found.first,
        end=found.last,
        evidence=_attempts(context, wording, top[0][0] if top else wording),
        confidence=0.95,
        impact="Refused logins that repeat like these are most often guessed passwords; a weak one would let them in.",
        recommendation=(
            (f"Block {listed([c for c, _ in top[:3]])}" if top else "Block the clients")
            + (f" and the {len(found.clients) - 3:,} others" if len(found.clients) > 3 else "")
            + " (or rate-limit them, e.g. with fail2ban), and allow no password logins from outside."
        ),
    )


def _attempts(context: Context, wording: str, client: str) -> tuple[str, ...]:
    """Return lines of the client that made most attempts, if it can be those with the attempts."""
    events = context.store.sample(where=context.asked(text=client), limit=50)
    worded = [event for event in events if wording in str(event.get("raw") or "").lower()]
    return evidence((worded or events)[:3])


def _tried(found: Attempts, others: dict[str, int]) -> str:
    users = ", ".join(f"{user} {events:,}" for user, events in found.users.most_common(3))
    more = ", ".join(f"'{name}' {events:,}" for name, events in sorted(others.items(), key=lambda o: (-o[1], o[0]))[:3])
    return (f"Most tried users: {users}. " if users else "") + (f"Messages that go with it: {more}. " if more else "")


def shown(template: str, width: int = 110) -> str:
    """Return a template as it is quoted: without thread, package and request ids before it, cut to a width."""
    bare = _PACKAGE.sub("", _PREFIX.sub("", _IDS.sub(r"\1", template)))
    return clean(bare if len(bare) >= 15 else template, width)


def kinds(templates: list[Template], noun: str, limit: int = 4) -> str:
    """Return how many kinds of messages there are, and the most frequent ones, as a sentence."""
    quoted = "; ".join(f"'{shown(t.text, 90)}' {count(t.events, 'time')}" for t in templates[:limit])
    return f"{count(len(templates), f'kind of {noun}', f'kinds of {noun}s')}: {quoted}."


def as_shown(templates: Iterable[Template]) -> list[Template]:
    """Make one of templates that are quoted alike, which differ in thread or package only; the most frequent first."""
    found: dict[str, Template] = {}
    for template in templates:
        text = shown(template.text)
        if text in found:
            found[text].add(template)
        else:
            found[text] = template
    return sorted(found.values(), key=lambda template: (-template.events, template.text))


def most_often(templates: list[Template], events: int) -> str:
    """Return what comes most often, and what comes next where that is a fifth or more of all."""
    if len(templates) == 1 or templates[0].events >= events:
        return f"most often '{shown(templates[0].text)}'"
    named = [t for n, t in enumerate(templates[:2]) if n == 0 or t.events >= 0.2 * events]
    width = 110 if len(named) == 1 else 75
    return "most often " + " and ".join(f"'{shown(t.text, width)}' ({count(t.events, 'time')})" for t in named)


def repeated_trouble(context: Context, messages: Iterable[tuple[str, str]], total: int, what: str) -> list[Finding]:
    """Find the messages of trouble that repeat most, as one finding.

    Args:
        context: what is looked at.
        messages: messages of warnings and errors, or all messages of a log without levels.
        total: all events.
        what: what the messages are, e.g. `warnings`.

    Thresholds: `min_repeats` (20), `min_share` (0.02 of all events).
    """
    troubled = [(ts, text) for ts, text in messages if what != "messages" or TROUBLE.search(text)]
    troubled = [(ts, text) for ts, text in troubled if not LOGIN.search(text)]
    if len(troubled) < max(context.number("min_repeats", 20), context.number("min_share", 0.02) * total):
        return []
    templates = as_shown(mine(troubled))
    if templates[0].events < context.number("min_repeats", 20):
        return []
    return [_trouble(context, templates, len(troubled), total, what)]


def lines_of(context: Context, template: Template) -> Where:
    """Return the filter of a template's lines, as far as its longest fixed text tells them."""
    return context.asked(text=anchor(template.text))


def _trouble(context: Context, templates: list[Template], events: int, total: int, what: str) -> Finding:
    top = templates[:4]
    begin, end = min(seconds(t.first) for t in templates), max(seconds(t.last) for t in templates)
    what = "messages of trouble" if what == "messages" else what
    levels = ("warning",) if what == "warnings" else ()
    where = [context.asked(text=anchor(t.text), levels=levels) for t in top[:3]]
    lines = [event for each in where for event in context.store.sample(where=each, limit=1)]
    noun = "warning" if what == "warnings" else "message"
    subject = context.owner(context.asked(levels=("warning",)) if noun == "warning" else lines_of(context, top[0]))
    late = begin - context.first > max(60.0, 0.1 * (context.now - context.first))
    told = [kinds(templates, noun) if len(templates) > 1 else "They are all of this kind."]
    told += [f"Nearly all are from {subject}."] if subject and noun == "warning" else []
    told += [f"The first is of {when(begin)}, {lasting(begin - context.first)} into the log."] if late else []
    return Finding(
        kind="repeated_failures",
        title=(
            f"{events:,} of {count(total, 'event')} ({share(events, total)}) are {what}; "
            f"{most_often(templates, events)}"
        ),
        severity="medium" if events >= 0.2 * total else "low",
        subject=subject,
        detail=" ".join(told),
        numbers={
            "events": events,
            "share": round(events / max(total, 1), 3),
            "top": {t.text[:120]: t.events for t in top},
        },
        start=min(t.first for t in templates),
        end=max(t.last for t in templates),
        evidence=evidence(lines),
        confidence=0.8,
        impact=f"What comes {top[0].events:,} times in {lasting(end - begin)} is a standing fault, or hides others.",
        recommendation=f"Find the cause of '{shown(top[0].text)}'; if it is harmless, log it at a lower level.",
    )
