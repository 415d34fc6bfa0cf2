"""The shapes a line can have, each as an expression and the SQL for the fields of its event.

Like the stamps, the expressions serve Python's `re` (on a sample) and DuckDB's RE2 (on all lines).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Protocol

from .names import LEVELS, priority_sql, status_sql
from .quoting import lit, lits
from .stamps import ASCTIME, BSD, CLF, GLOG, ISO, Stamp

COLUMNS: dict[str, str] = {
    "ts": "TIMESTAMP",
    "received": "TIMESTAMP",
    "host": "VARCHAR",
    "source": "VARCHAR",
    "sourcetype": "VARCHAR",
    "level": "VARCHAR",
    "status": "SMALLINT",
    "duration_ms": "DOUBLE",
    "message": "VARCHAR",
    "user": "VARCHAR",
    "client": "VARCHAR",
    "method": "VARCHAR",
    "path": "VARCHAR",
}
"""What a layout's SQL yields for each line, besides `id`, `fid`, `dated` (whether the year is known) and `format`."""


class Layout(Protocol):
    """One shape of lines."""

    @property
    def format(self) -> str:
        """Name shown to people and used as the source type where a log names none."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What this reading assumes."""

    @property
    def loose(self) -> bool:
        """Whether a line without a timestamp is more likely the rest of a message than a line that cannot be read."""

    def select(self, lines: str) -> str:
        """Return SQL that yields `id, fid, dated, format` and `COLUMNS` for each row of `lines`.

        `ts` is null where a line does not have this layout.
        """


def select_list(form: str, columns: Mapping[str, str], source: str, dated: bool) -> str:
    """Return SQL with `columns` (name to expression) over `source`; those not named are null."""
    parts = [f'CAST({columns.get(name, "NULL")} AS {kind}) AS "{name}"' for name, kind in COLUMNS.items()]
    return f"SELECT id, fid, {str(dated).lower()} AS dated, {lit(form)} AS format, {', '.join(parts)} FROM {source}"


@dataclass(frozen=True)
class Pattern:
    """A layout that is one regular expression with named groups; `(?P<ts>...)` holds the moment."""

    format: str
    regex: str
    stamp: Stamp
    columns: Mapping[str, str] = field(default_factory=dict, hash=False)
    """SQL by column; `{name}` stands for a group's text, null where empty."""
    accept: Callable[[re.Match[str]], bool] | None = field(default=None, compare=False)
    """A second look at a match in the sample, for what an expression without look-ahead cannot say."""
    loose: bool = False
    extra: tuple[str, ...] = ()

    @property
    def notes(self) -> tuple[str, ...]:
        """What this reading assumes."""
        return self.extra

    @property
    def compiled(self) -> re.Pattern[str]:
        """The expression for Python."""
        return _compile(self.regex)

    def match(self, line: str) -> re.Match[str] | None:
        """Return the match of one sample line, if it has this layout."""
        found = self.compiled.match(line)
        return found if found and (self.accept is None or self.accept(found)) else None

    def select(self, lines: str) -> str:
        """Return the SQL; see `Layout.select`."""
        groups = list(self.compiled.groupindex)
        plain = re.sub(r"\(\?P<\w+>", "(", self.regex)
        inner = f"(SELECT id, fid, regexp_extract(raw, {lit(plain)}, {lits(groups)}) AS m FROM {lines})"
        columns = {name: self._fill(sql, groups) for name, sql in self.columns.items()}
        columns["ts"] = self.stamp.to_sql("m.ts")
        return select_list(self.format, {"sourcetype": lit(self.format), **columns}, inner, self.stamp.year)

    @staticmethod
    def _fill(sql: str, groups: list[str]) -> str:
        for group in groups:
            sql = sql.replace("{" + group + "}", f"nullif(m.\"{group}\", '')")
        return sql


@lru_cache(maxsize=512)
def _compile(regex: str) -> re.Pattern[str]:
    return re.compile(regex)


_ALL_LEVELS = frozenset(word for words in LEVELS.values() for word in words)


def _host_is_no_level(found: re.Match[str]) -> bool:
    return found["host"].strip("[]:-").upper() not in _ALL_LEVELS


_HOST = r"[A-Za-z0-9][\w.:-]*"
_TAG = r"(?:(?P<program>[\w./@-]+)(?:\([^)]*\))?(?: [\d.]+)?(?:\[[\w.-]*\])?:\s+)?"
_PRI = r"(?:<(?P<pri>\d{1,3})>)"
_LEAD = r"(?i:emerg|alert|crit|critical|err|error|fatal|panic|warn|warning|notice|info|debug)"


def syslog(name: str, stamp: Stamp, *, priority: bool, tagged: bool = False) -> Pattern:
    """Return the layout of traditional syslog lines; the program is the source, a leading `error:` the level."""
    tag = r"(?P<program>[\w./@-]+)\[\d+\]:\s+" if tagged else _TAG
    pri = _PRI if priority else ""
    lead = f"nullif(regexp_extract({{message}}, '^({_LEAD}):', 1), '')"
    return Pattern(
        name,
        rf"^{pri}\s*(?P<ts>{stamp.regex})\s+(?P<host>{_HOST})\s+{tag}(?P<message>.*)$",
        stamp,
        {
            "host": "{host}",
            "source": "{program}",
            "message": "{message}",
            "level": f"coalesce({priority_sql('{pri}')}, {lead})" if priority else lead,
        },
        _host_is_no_level,
    )


_ACCESS_COLUMNS = {
    "client": "{client}",
    "user": "nullif({user}, '-')",
    "method": "{method}",
    "path": "{path}",
    "status": status_sql("{status}"),
    "message": "concat_ws(' ', {method}, {path}, {status})",
}
_REQUEST = r'"(?:(?P<method>[A-Z]{3,16}) (?P<path>[^ "]*)[^"]*|[^"]*(?:\\"[^"]*)*)"'
_ACCESS = rf"(?P<client>\S+) \S+ (?P<user>\S+) \[(?P<ts>{CLF.regex})\] {_REQUEST} (?P<status>\d{{3}}) (?:\d+|-)"


def access(name: str, *, vhost: bool = False, tail: str = "", duration: str = "", note: str = "") -> Pattern:
    """Return the layout of web server access lines.

    Args:
        name: The format's name.
        vhost: Whether the virtual host stands in front.
        tail: Expression for what follows the common part, with a group `time` for the request time.
        duration: SQL for the request time in milliseconds.
        note: What that assumes.
    """
    front = r"(?P<vhost>[A-Za-z0-9][\w.-]*)(?::\d+)? " if vhost else ""
    columns = dict(_ACCESS_COLUMNS)
    if vhost:
        columns["host"] = "{vhost}"
    if duration:
        columns["duration_ms"] = duration
    return Pattern(name, rf"^{front}{_ACCESS}{tail}", CLF, columns, extra=(note,) if note else ())


_BRACKETED = r"^\[(?P<ts>{stamp})\] \[(?:(?P<module>\w*):)?(?P<level>\w+)\] (?:\[pid [^\]]*\] )?"
APACHE_ERROR = Pattern(
    "apache-error",
    _BRACKETED.replace("{stamp}", ASCTIME.regex) + r"(?:\[client (?P<client>[^\]]*?)(?::\d+)?\] )?(?P<message>.*)$",
    ASCTIME,
    {"level": "{level}", "client": "{client}", "message": "{message}"},
)
NGINX_ERROR = Pattern(
    "nginx-error",
    rf"^(?P<ts>{ISO.regex}) \[(?P<level>[a-z]+)\] \d+#\d+: (?:\*\d+ )?(?P<message>.*)$",
    ISO,
    {
        "level": "{level}",
        "message": "{message}",
        "client": "nullif(regexp_extract({message}, 'client: ([^ ,]+)', 1), '')",
        "method": "nullif(regexp_extract({message}, 'request: \"([A-Z]+) ', 1), '')",
        "path": "nullif(regexp_extract({message}, 'request: \"[A-Z]+ ([^ \"]+)', 1), '')",
    },
)
SYSLOG_5424 = Pattern(
    "syslog-5424",
    rf"^{_PRI}\d{{1,2}} (?P<ts>{ISO.regex}) (?P<host>\S+) (?P<program>\S+) \S+ \S+ "
    r'(?:-|(?:\[(?:[^\]"]|"(?:[^"\\]|\\.)*")*\])+) ?(?P<message>.*)$',
    ISO,
    {
        "host": "nullif({host}, '-')",
        "source": "nullif({program}, '-')",
        "level": priority_sql("{pri}"),
        "message": "ltrim({message}, chr(65279))",
    },
)
GLOG_LINE = Pattern(
    "glog",
    rf"^(?P<level>[IWEFD])(?P<ts>{GLOG.regex})\s+\d+ (?P<place>[\w./-]+:\d+)\] (?P<message>.*)$",
    GLOG,
    {"level": "{level}", "message": "{message}"},
    loose=True,
)

FIXED: tuple[Pattern, ...] = (
    SYSLOG_5424,
    APACHE_ERROR,
    NGINX_ERROR,
    GLOG_LINE,
    syslog("syslog-3164", BSD, priority=True),
    syslog("syslog-iso", ISO, priority=True),
    syslog("syslog-3164", BSD, priority=False),
    syslog("syslog-iso", ISO, priority=False, tagged=True),
)
"""Layouts with a shape of their own, tried before plain lines with a timestamp."""

_SECONDS_TAIL = r'(?: "[^"]*(?:\\"[^"]*)*" "[^"]*(?:\\"[^"]*)*")?(?: "[^"]*")? (?P<time>\d+\.\d{1,6})(?:\s|$)'
_NAMED_TAIL = r".*(?:\brt|request_time|req_time)[=:]\"?(?P<time>\d+\.\d+)"
_MICRO_TAIL = r'(?: "[^"]*(?:\\"[^"]*)*" "[^"]*(?:\\"[^"]*)*")? (?P<time>\d{3,})$'

_MS = "try_cast({time} AS DOUBLE) * 1000"
ACCESS: tuple[Pattern, ...] = tuple(
    layout
    for vhost in (False, True)
    for layout in (
        access("nginx-access", vhost=vhost, tail=_NAMED_TAIL, duration=_MS),
        access("nginx-access", vhost=vhost, tail=_SECONDS_TAIL, duration=_MS),
        access(
            "apache-access",
            vhost=vhost,
            tail=_MICRO_TAIL,
            duration="try_cast({time} AS DOUBLE) / 1000",
            note="the number at the end is taken as the request time in microseconds (%D)",
        ),
        access("apache-access", vhost=vhost),
    )
)
"""Access logs: with a request time by name, in seconds, in microseconds, without; then the same with a virtual host."""
