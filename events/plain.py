"""Plain lines: a timestamp near the start, perhaps a level behind it, then text."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

from .layouts import Pattern
from .names import LEVEL_WORD, level_sql, status_sql
from .stamps import EPOCH, STAMPS, Stamp

_OPEN = r"[\s\[\](){}<>\"'|#*=:;,-]*"
_TOKENS = 6
"""How many words may stand before the timestamp."""

_HEAD_LEVEL = rf"^[\s\])|,:>-]*(?:\[?[\w.-]*\d\]?[\s:|,]+){{0,3}}[\[(<|]*((?i:{LEVEL_WORD}))(?:[^A-Za-z0-9_]|$)"
_NEAR_LEVEL = rf"(?:^|[^A-Za-z0-9_])({LEVEL_WORD})(?:[^A-Za-z0-9_]|$)"
_KEY_LEVEL = rf"(?i:level|severity|lvl)[\"']?[=:] ?[\"']?((?i:{LEVEL_WORD}))"
_BRACKET_LEVEL = rf"[\[(<]((?i:{LEVEL_WORD}))[\])>]"
_LETTER_LEVEL = r"^[\s\])|,:]*(?:\d+\s+){0,2}[\[]?([TVDIWEFC])[\]]?[\s/:|]"
_FRONT_LEVEL = rf"^[\[(<]?((?i:{LEVEL_WORD}))[\])>]?[\s:|,-]"
_STATUS = r"(?:^|[^A-Za-z])(?i:status|status_code|http_status)[\"']?[=:] ?\"?([1-5]\d\d)(?:[^\d]|$)"
_DURATION = (
    r"(?:^|[^A-Za-z])(?i:duration|elapsed|latency|took|time|rt|request_time|response_time|duration_ms|elapsed_ms"
    r"|latency_ms|took_ms|time_ms|runtime)[\"']?[=: ] ?\"?(\d+(?:\.\d+)?) ?(ms|s|sec|seconds|us)?(?:[^\w.]|$)"
)
_LEVEL_WAYS = {
    "head": (_HEAD_LEVEL, "left({rest}, 120)"),
    "front": (_FRONT_LEVEL, "{front}"),
    "key": (_KEY_LEVEL, "left({rest}, 300)"),
    "bracket": (_BRACKET_LEVEL, "left({rest}, 150)"),
    "near": (_NEAR_LEVEL, "left({rest}, 100)"),
    "letter": (_LETTER_LEVEL, "left({rest}, 30)"),
}


def find(line: str) -> list[tuple[Stamp, int]]:
    """Return the forms of moment near the start of a line, with the number of words before; the first form, its rivals."""
    for words in range(_TOKENS):
        found = [stamp for stamp in STAMPS if _place(stamp, words).match(line)]
        if found and not (found[0] is EPOCH and words > 1 and _better_further(line, words)):
            return [(stamp, words) for stamp in found if stamp.regex == found[0].regex or stamp is found[0]]
    return []


def _better_further(line: str, words: int) -> bool:
    """Whether a form surer than a bare number comes later in the line."""
    return any(
        _place(stamp, k).match(line) for k in range(words + 1, _TOKENS) for stamp in STAMPS if stamp is not EPOCH
    )


@lru_cache(maxsize=1024)
def _place(stamp: Stamp, words: int) -> re.Pattern[str]:
    return re.compile(front(words) + f"({stamp.regex})(?:[^0-9A-Za-z.]|[.](?:[^0-9]|$)|$)")


def front(words: int) -> str:
    """Return the expression for what stands before a timestamp that `words` words precede."""
    return rf"^(?:\s*\S+\s+){{{words}}}(?:[A-Za-z_@]*[=:])?{_OPEN}" if words else rf"^(?:[A-Za-z_@]*[=:])?{_OPEN}"


def plain(stamp: Stamp, words: int, sample: Sequence[str]) -> Pattern:
    """Return the layout of lines with `stamp` after `words` words; `sample` shows where level, status and time stand."""
    head = front(words)
    regex = f"{_named(head, words)}(?P<ts>{stamp.regex})(?P<rest>.*)$"
    found = [m for line in sample if (m := re.match(regex, line))]
    rests = [m["rest"] for m in found]
    fronts = [m["front"] for m in found] if words else []
    ways = _level_ways(rests, fronts)
    text = "ltrim({rest}, ' ])}>|,:;-' || chr(9))"
    columns = {"message": text}
    if ways:
        columns["level"] = level_sql("coalesce(" + ", ".join(_way_sql(way) for way in ways) + ")")
    if "head" in ways:
        cut = r"^[\s\])|,:>-]*((?:\[?[\w.-]*\d\]?[\s:|,]+){0,3})[\[(<|]*(?i:" + LEVEL_WORD + r")[\])>:|,\s-]+"
        columns["message"] = f"ltrim(regexp_replace({{rest}}, {_quoted(cut)}, '\\1'), ' ])}}>|,:;-' || chr(9))"
    if words and _share(fronts, r"[\w-]+\.log") > 0.5:
        columns["source"] = "nullif(regexp_extract({front}, '([A-Za-z0-9_-]+)[.]log', 1), '')"
    if _share(rests, _STATUS) > 0.005:
        columns["status"] = status_sql(f"regexp_extract({{rest}}, {_quoted(_STATUS)}, 1)")
    if _share(rests, _DURATION) > 0.005:
        columns["duration_ms"] = _duration_sql()
    return Pattern("text", regex, stamp, columns, loose=True)


def _named(head: str, words: int) -> str:
    """The front with its words as a group, so that names in them can be read."""
    return rf"^(?P<front>(?:\s*\S+\s+){{{words}}})" + head.split("}", 1)[1] if words else head


def _share(texts: Sequence[str], regex: str) -> float:
    return sum(1 for text in texts if re.search(regex, text[:400])) / len(texts) if texts else 0.0


def _level_ways(rests: Sequence[str], fronts: Sequence[str]) -> list[str]:
    """Which ways of writing a level the sample knows; single letters only where most lines have one."""
    ways = [w for w in ("head", "key", "bracket") if _share([r[:120] for r in rests], _LEVEL_WAYS[w][0]) > 0.02]
    if _share(fronts, _FRONT_LEVEL) > 0.5:
        ways.insert(0, "front")
    if not ways and _share([r[:100] for r in rests], _NEAR_LEVEL) > 0.3:
        ways.append("near")
    if not ways and _share([r[:30] for r in rests], _LETTER_LEVEL) > 0.8:
        ways.append("letter")
    return ways


def _way_sql(way: str) -> str:
    regex, text = _LEVEL_WAYS[way]
    return f"nullif(regexp_extract({text}, {_quoted(regex)}, 1), '')"


def _duration_sql() -> str:
    """SQL: milliseconds; a fraction without a unit is taken as seconds, a whole number as milliseconds."""
    number = f"regexp_extract({{rest}}, {_quoted(_DURATION)}, 1)"
    unit = f"regexp_extract({{rest}}, {_quoted(_DURATION)}, 2)"
    in_ms = "regexp_matches({rest}, '(?i:_ms)[\"'']?[=:]')"
    return (
        f"try_cast({number} AS DOUBLE) * CASE WHEN {unit} = 'ms' OR {in_ms} THEN 1 WHEN {unit} = 'us' THEN 0.001"
        f" WHEN {unit} <> '' OR contains({number}, '.') THEN 1000 ELSE 1 END"
    )


def _quoted(regex: str) -> str:
    """An SQL literal that survives the filling in of groups, whose names stand in braces."""
    return "'" + regex.replace("'", "''") + "'"
