"""The usual written forms of a moment: how to recognise each, and the SQL that turns it into a UTC timestamp.

The expressions are for both Python's `re` (the sample) and DuckDB's RE2 (all lines), so they use neither look-around
nor back-references. A moment without an offset is taken as UTC. A form without a year yields the year 2000, which is a
leap year; `years.py` finds the real one.
"""

from __future__ import annotations

from dataclasses import dataclass

from .quoting import lits

_MON = r"(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)"
_DAY = r"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)"
_TIME = r"\d{2}:\d{2}:\d{2}"
_TIME1 = r"\d{1,2}:\d{2}:\d{2}"
_FRAC = r"(?:[.,]\d{1,9})?"
_ZONE = r"(?: ?(?:Z|UTC|GMT|[+-]\d{2}:?\d{2}))?"
_AMPM = r"(?: ?[AaPp][Mm])?"

OFFSET = r"(?:Z|UTC|GMT|[+-]\d{2}:?\d{2})$"
"""What a moment with an offset ends with (searched after the time of day)."""


@dataclass(frozen=True, slots=True)
class Stamp:
    """One written form of a moment."""

    name: str
    regex: str
    """Without groups; the text that it matches is what `sql` takes."""
    sql: str
    """SQL expression of type TIMESTAMP, in UTC, null where the text is no moment; `{t}` stands for the text."""
    year: bool = True
    """Whether the form names the year."""

    def to_sql(self, text: str) -> str:
        """Return the SQL expression for the SQL expression `text`."""
        return self.sql.replace("{t}", text)


def _utc(text: str) -> str:
    """SQL: cast text that ends with an offset to a UTC timestamp, without the need of a time zone database."""
    return f"make_timestamp(epoch_us(try_cast({text} AS TIMESTAMPTZ)))"


def _iso(date: str, clock: str, rest: str) -> str:
    tail = f"replace(replace(replace(replace({rest}, ',', '.'), ' ', ''), 'UTC', 'Z'), 'GMT', 'Z')"
    zone = f"CASE WHEN regexp_matches({tail}, '[Z+-]') THEN '' ELSE 'Z' END"
    return _utc(f"({date} || ' ' || {clock} || {tail} || {zone})")


def _parse(*formats: str, text: str = "{t}") -> str:
    """SQL: the first of `formats` that fits; a comma before a fraction counts as a dot."""
    each = tuple(f for form in formats for f in ((form, form.replace("%S", "%S.%f")) if "%S" in form else (form,)))
    return f"try_strptime(replace({text}, ',', '.'), {lits(each)})"


def _zoned(form: str, text: str = "{t}") -> str:
    """SQL: parse with `form`, then take off the offset at the end of the text, if there is one."""
    plain = f"trim(regexp_replace({text}, '(?: ?(?:Z|UTC|GMT|[+-][0-9]{{2}}:?[0-9]{{2}}))$', ''))"
    zone = f"regexp_extract({text}, '[+-][0-9]{{2}}:?[0-9]{{2}}$')"
    digits = f"replace({zone}, ':', '')"
    minutes = f"(try_cast(substr({digits}, 2, 2) AS INTEGER) * 60 + try_cast(substr({digits}, 4, 2) AS INTEGER))"
    shift = f"CASE WHEN {zone} = '' THEN 0 WHEN {zone} LIKE '-%' THEN {minutes} ELSE -{minutes} END"
    return f"({_parse(form, text=plain)} + to_minutes({shift}))"


_CALENDAR = "replace(replace(substr({t}, 1, 10), '/', '-'), '.', '-')"
_NUMERIC = "regexp_replace({t}, '[/.-]', '-', 'g')"
_DASHED = "regexp_replace({t}, '^([0-9]+)[/.-]([0-9]+)[/.-]([0-9]+)[T ,]+', '\\1-\\2-\\3 ')"
_DASHED2 = "regexp_replace({t}, '^([0-9]+)[/.-]([0-9]+) +', '2000-\\1-\\2 ')"
_SQUEEZED = "regexp_replace({t}, '[ ,]+', ' ', 'g')"
_NUMBER = "try_cast({t} AS DOUBLE)"

EPOCH = Stamp(
    "epoch",
    r"(?:1\d{9}(?:\.\d{1,9})?|1\d{12}(?:\.\d{1,6})?|1\d{15}|1\d{18})",
    f"""make_timestamp(CAST(CASE
        WHEN {_NUMBER} BETWEEN 1e8 AND 1e11 THEN {_NUMBER} * 1e6
        WHEN {_NUMBER} BETWEEN 1e11 AND 1e14 THEN {_NUMBER} * 1e3
        WHEN {_NUMBER} BETWEEN 1e14 AND 1e17 THEN {_NUMBER}
        WHEN {_NUMBER} BETWEEN 1e17 AND 9e18 THEN {_NUMBER} / 1e3 END AS BIGINT))""",
)
"""Seconds, milli-, micro- or nanoseconds since 1970; told apart by their size (2001 to 2286)."""

ISO = Stamp(
    "iso",
    rf"\d{{4}}[-/.]\d{{2}}[-/.]\d{{2}}[T ]{_TIME}{_FRAC}{_ZONE}",
    _iso(_CALENDAR, "substr({t}, 12, 8)", "substr({t}, 20)"),
)
BSD = Stamp(
    "bsd",
    rf"{_MON} [ \d]?\d {_TIME}{_FRAC}",
    _parse("%Y %b %d %H:%M:%S", text="('2000 ' || {t})"),
    year=False,
)
CLF = Stamp("clf", rf"\d{{1,2}}/{_MON}/\d{{4}}:{_TIME}{_FRAC}(?: [+-]\d{{4}})?", _zoned("%d/%b/%Y:%H:%M:%S"))
ASCTIME = Stamp(
    "asctime",
    rf"{_DAY} {_MON} [ \d]?\d {_TIME}{_FRAC}(?: [A-Z]{{3,4}})? \d{{4}}",
    _parse("%a %b %d %H:%M:%S %Y", text="regexp_replace({t}, ' [A-Z]+ ([0-9]+)$', ' \\1')"),
)
GLOG = Stamp("glog", rf"\d{{4}} {_TIME}{_FRAC}", _parse("%Y%m%d %H:%M:%S", text="('2000' || {t})"), year=False)

_TWO_DIGITS = rf"\d{{2}}[/.-]\d{{2}}[/.-]\d{{2}} {_TIME}{_FRAC}"
_FOUR_DIGITS = rf"\d{{1,2}}[/.-]\d{{1,2}}[/.-]\d{{4}}[T ,]+\d{{1,2}}:\d{{2}}(?::\d{{2}}{_FRAC})?{_AMPM}"
_NO_YEAR = rf"\d{{2}}[/.-]\d{{2}} {_TIME}{_FRAC}"


def _twelve(date: str) -> str:
    """SQL: `date` with a time of day of 24 or 12 hours, with or without seconds."""
    forms = (f"{date} %H:%M:%S", f"{date} %H:%M", f"{date} %I:%M:%S %p", f"{date} %I:%M %p")
    spaced = f"regexp_replace({_DASHED}, ' ?([AaPp][Mm])$', ' \\1')"
    plain = _parse(*forms[:2], text=_DASHED)
    return f"CASE WHEN regexp_matches({{t}}, '[AaPp][Mm]$') THEN {_parse(*forms[2:], text=spaced)} ELSE {plain} END"


STAMPS: tuple[Stamp, ...] = (
    ISO,
    Stamp(
        "iso-colon",
        rf"\d{{4}}[-/.]\d{{2}}[-/.]\d{{2}}[T ]{_TIME}:\d{{1,6}}",
        _iso(_CALENDAR, "substr({t}, 12, 8)", "'.' || substr({t}, 21)"),
    ),
    CLF,
    ASCTIME,
    Stamp(
        "day-month",
        rf"(?:{_DAY},? )?\d{{1,2}}[ /-]{_MON}[ /-]\d{{4}}[ :,]+{_TIME}{_FRAC}{_ZONE}",
        _zoned(
            "%d %b %Y %H:%M:%S",
            text="regexp_replace({t}, '^(?:[A-Z][a-z]+,? )?([0-9]+).([A-Z][a-z]+).([0-9]+)[ :,]+', '\\1 \\2 \\3 ')",
        ),
    ),
    Stamp(
        "month-day-year",
        rf"{_MON} [ \d]?\d,? \d{{4}},? {_TIME1}{_FRAC}{_AMPM}",
        f"CASE WHEN regexp_matches({{t}}, '[AaPp][Mm]$') THEN {_parse('%b %d %Y %I:%M:%S %p', text=_SQUEEZED)}"
        f" ELSE {_parse('%b %d %Y %H:%M:%S', text=_SQUEEZED)} END",
    ),
    BSD,
    Stamp("year-month-day", _TWO_DIGITS, _parse("%y-%m-%d %H:%M:%S", text=_DASHED)),
    Stamp("day-month-yy", _TWO_DIGITS, _parse("%d-%m-%y %H:%M:%S", text=_DASHED)),
    Stamp("month-day-yy", _TWO_DIGITS, _parse("%m-%d-%y %H:%M:%S", text=_DASHED)),
    Stamp("month/day/year", _FOUR_DIGITS, _twelve("%m-%d-%Y")),
    Stamp("day/month/year", _FOUR_DIGITS, _twelve("%d-%m-%Y")),
    Stamp("month-day", _NO_YEAR, _parse("%Y-%m-%d %H:%M:%S", text=_DASHED2), year=False),
    Stamp("day-month-only", _NO_YEAR, _parse("%Y-%d-%m %H:%M:%S", text=_DASHED2), year=False),
    Stamp("compact-colon", r"\d{8}-\d{1,2}:\d{1,2}:\d{1,2}:\d{1,3}", "try_strptime({t}, '%Y%m%d-%H:%M:%S:%g')"),
    Stamp(
        "compact",
        rf"\d{{8}}[T ]\d{{6}}{_FRAC}Z?",
        _parse("%Y%m%d %H%M%S", text="replace(replace({t}, 'T', ' '), 'Z', '')"),
    ),
    Stamp("compact-clock", rf"\d{{8}} {_TIME}{_FRAC}", _parse("%Y%m%d %H:%M:%S")),
    Stamp("digits", r"20\d{12}", "try_strptime({t}, '%Y%m%d%H%M%S')"),
    Stamp("hdfs", r"\d{6} \d{6}", "try_strptime({t}, '%y%m%d %H%M%S')"),
    Stamp("mysql", rf"\d{{6}} +{_TIME1}", f"try_strptime({_SQUEEZED}, '%y%m%d %H:%M:%S')"),
    Stamp(
        "iso-loose",
        rf"\d{{4}}[-/.]\d{{1,2}}[-/.]\d{{1,2}}[T ]\d{{1,2}}:\d{{2}}(?::\d{{2}}{_FRAC})?Z?",
        _parse("%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M", text=f"replace({_DASHED}, 'Z', '')"),
    ),
    Stamp(
        "iso-underscore",
        rf"\d{{4}}-\d{{2}}-\d{{2}}[_-]\d{{2}}[:.-]\d{{2}}[:.-]\d{{2}}{_FRAC}",
        _parse(
            "%Y-%m-%d %H:%M:%S",
            text="(substr({t}, 1, 10) || ' ' || translate(substr({t}, 12, 8), '.-', '::') || substr({t}, 20))",
        ),
    ),
    EPOCH,
)
"""All forms, the surest first; neighbours with the same expression are rivals that only the values tell apart."""

DATE = Stamp("date", r"\d{4}-\d{2}-\d{2}", "CAST(try_cast({t} AS DATE) AS TIMESTAMP)")
"""A date alone: for columns of a table, not for lines."""
