"""Plain lines: a timestamp near the start, perhaps a level behind it, then text."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from .layouts import Pattern, select_list
from .names import LEVEL_WORD, status_sql
from .quoting import lit, lits
from .stamps import EPOCH, STAMPS, Stamp

_OPEN = r"[\s\[\](){}<>\"'|#*=:;,-]*"
_NEAR = 140
"""So many characters after the moment a level written out is looked for, where many lines have one."""
_TOKENS = 6
"""How many words may stand before the timestamp."""

_HEAD_LEVEL = rf"^[\s\])|,:>-]*(?:\[?[\w.-]*\d\]?[\s:|,]+){{0,3}}[\[(<|]*((?i:{LEVEL_WORD}))\b[\])>:|,\s-]*"
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
_REQUEST = r'"([A-Z]{3,16}) ([^ "]+) HTTP/'
_CLIENT = r'(?:^|[\s\[(])(\d{1,3}(?:\.\d{1,3}){3})(?:[:,][\d.]+)*[\])]? (?:\S+ ){0,2}"[A-Z]{3,16} [^ "]+ HTTP/'
_LEVEL_WAYS = {
    "head": (_HEAD_LEVEL, "head"),
    "front": (_FRONT_LEVEL, "{front}"),
    "key": (_KEY_LEVEL, "left(rest, 300)"),
    "bracket": (_BRACKET_LEVEL, "left(rest, 150)"),
    "near": (_NEAR_LEVEL, f"left(rest, {_NEAR})"),
    "letter": (_LETTER_LEVEL, "left(rest, 30)"),
}


def find(line: str) -> list[tuple[Stamp, int]]:
    """Return the form of moment near the start of a line, with the number of words before it; after it, its rivals."""
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


@dataclass(frozen=True)
class PlainLines(Pattern):
    """Lines with a timestamp near the start; read in small steps, which is faster than by one expression."""

    heading: str = ""
    """Expression for what stands between timestamp and message, with the level as its group; empty if nothing does."""
    timing: bool = False
    """Whether the lines tell how long something took."""

    def select(self, lines: str) -> str:
        """Return the SQL; see `Layout.select`."""
        before, _, _ = self.regex.partition("(?P<rest>")
        lead = lit(re.sub(r"\(\?P<\w+>", "(", before))
        groups = [name for name in self.compiled.groupindex if name != "rest"]
        first = f"SELECT id, fid, raw, regexp_extract(raw, {lead}, 0) AS lead FROM {lines}"
        second = (
            f"SELECT id, fid, regexp_extract(lead, {lead}, {lits(groups)}) AS m, substr(raw, length(lead) + 1) AS rest"
            f" FROM ({first})"
        )
        head = f"regexp_extract(left(rest, 160), {lit(self.heading)}, 0)" if self.heading else "''"
        took = f"regexp_extract(rest, {lit(_DURATION)}, 0)" if self.timing else "''"
        third = f"SELECT *, {head} AS head, {took} AS took FROM ({second})"
        columns = {
            name: sql.replace("{rest}", "rest").replace("{front}", "m.front") for name, sql in self.columns.items()
        }
        columns["ts"] = self.stamp.to_sql("m.ts")
        return select_list(self.format, {"sourcetype": lit(self.format), **columns}, f"({third})", self.stamp.year)


def plain(stamp: Stamp, words: int, sample: Sequence[str]) -> PlainLines:
    """Return the layout of lines with `stamp` after `words` words; the sample shows where level and the like stand."""
    head = front(words)
    regex = f"{_named(head, words)}(?P<ts>{stamp.regex})(?P<rest>.*)$"
    found = [m for line in sample if (m := re.match(regex, line))]
    rests, fronts = [m["rest"] for m in found], [m["front"] for m in found] if words else []
    ways = _level_ways(rests, fronts)
    columns = {"message": "ltrim(substr(rest, length(head) + 1), ' ])}>|,:;-' || chr(9))"}
    if ways:
        columns["level"] = "coalesce(" + ", ".join([*map(_way_sql, ways), "NULL"]) + ")"
    if words and _share(fronts, r"[\w-]+\.log") > 0.5:
        columns["source"] = "nullif(regexp_extract({front}, '([A-Za-z0-9_-]+)[.]log', 1), '')"
    if _share(rests, _STATUS) > 0.005:
        columns["status"] = status_sql(f"regexp_extract(rest, {lit(_STATUS)}, 1)")
    if _share(rests, _REQUEST) > 0.005:
        columns["method"] = f"nullif(regexp_extract(rest, {lit(_REQUEST)}, 1), '')"
        columns["path"] = f"nullif(regexp_extract(rest, {lit(_REQUEST)}, 2), '')"
        columns["client"] = f"nullif(regexp_extract(rest, {lit(_CLIENT)}, 1), '')"
    timing = _share(rests, _DURATION) > 0.005
    if timing:
        columns["duration_ms"] = _DURATION_SQL
    heading = _HEAD_LEVEL if "head" in ways else _LETTER_LEVEL if "letter" in ways else ""
    return PlainLines("text", regex, stamp, columns, loose=True, heading=heading, timing=timing)


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
    if not ways and _share([r[:_NEAR] for r in rests], _NEAR_LEVEL) > 0.3:
        ways.append("near")
    if not ways and _share([r[:30] for r in rests], _LETTER_LEVEL) > 0.8:
        ways.append("letter")
    return ways


def _way_sql(way: str) -> str:
    regex, text = _LEVEL_WAYS[way]
    return f"nullif(regexp_extract({text}, {lit(regex)}, 1), '')"


_NUMBER = "regexp_extract(took, '([0-9]+(?:[.][0-9]+)?) ?[a-z]*[^0-9]?$', 1)"
_DURATION_SQL = f"""try_cast({_NUMBER} AS DOUBLE) * CASE
    WHEN regexp_matches(took, '(?i:_ms)["]?[=: ]|[0-9] ?ms') THEN 1
    WHEN regexp_matches(took, '[0-9] ?us') THEN 0.001
    WHEN regexp_matches(took, '[0-9] ?s') OR contains({_NUMBER}, '.') THEN 1000
    ELSE 1 END"""
"""SQL: milliseconds; a fraction without a unit is taken as seconds, a whole number as milliseconds."""
