"""Which tasks a summary cites, as `[task id]`, and which of its statements cite none.

Pure functions of a text and the ids that there are. An id may hold brackets and commas itself: what stands in brackets
is read so that all of it are known ids, if that is possible in any way.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from .text import shorten

LONGEST = 2_000
"""Characters of one mark that are looked at."""

_CUTS, _BRACKETS = 40, 1_000
"""Commas and brackets of one mark, and brackets of a text, that are looked at: a text can't make it take long."""

QUOTED = 3
"""Statements, and unknown ids, that a warning quotes; more are counted."""

WORDS = 3
"""Words that a sentence has at least, to state something."""

_AROUND = 20
"""Characters that may stand around an id inside of brackets."""

_OPEN, _SHUT = "\ue000", "\ue001"
"""Stand around a mark's number while sentences are told apart: an id may hold a full stop."""

_PLACE = re.compile(f"{_OPEN}(\\d+){_SHUT}")
_CODE = re.compile(r"```.*?(?:```|\Z)|~~~.*?(?:~~~|\Z)|`[^`\n]*`", re.DOTALL)
_LABEL = re.compile(r"(?:task|tasks|task id|id)\s*:?\s+", re.IGNORECASE)
_BULLET = re.compile(r"\s*(?:[-*+\u2022\u2013]|\d{1,3}[.)])\s+")
_NO_STATEMENT = re.compile(
    r"\s*(?:#{1,6}\s|\|?[\s:|=*_-]+$|>?\s*$|\*\*[^*]+\*\*:?\s*$|__[^_]+__:?\s*$|[^.!?]{0,120}:\s*$)"
)
"""Headings, rules, rows below a table's head, empty lines, bold lines, and lines that lead to others."""

_GREETING = re.compile(
    r"(?:hello|hi|hey|dear|sure|certainly|of course|thank|thanks|here is|here's|here are|let me know|please let me|"
    r"i hope|in summary|below is|best regards|regards)\b",
    re.IGNORECASE,
)
_END = re.compile(
    r"(?<=[.!?\u2026])[\"'\u201d\u2019)*_]*\s+(?=[\"'\u201c\u2018(*_]*[^\W_a-z])|(?<=[\u3002\uff01\uff1f])"
)
_SHORT = re.compile(r"(?:\b(?:e\.g|i\.e|vs|approx|ca|cf|no|fig|etc|mr|mrs|dr|st)|\b[A-Z])\.$", re.IGNORECASE)
_AFTER_END = re.compile(rf"([.!?\u2026\u3002\uff01\uff1f])((?:[ \t]*{_OPEN}\d+{_SHUT})+)")


@dataclass(frozen=True, slots=True)
class Mark:
    """One pair of brackets that cites tasks."""

    start: int
    end: int
    """Its place in the text; `end` is behind the closing bracket."""
    known: tuple[str, ...]
    unknown: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Cited:
    """What a check of a text's citations found."""

    cited: tuple[str, ...]
    """Ids that there are, each once, in the order in which they come."""
    unknown: tuple[str, ...]
    """What stands in brackets like an id and is none."""
    statements: int
    uncited: tuple[str, ...]
    """Statements that cite no task that there is."""

    def warnings(self) -> list[str]:
        """Return what a person should know of it; nothing where all is well."""
        told = []
        if self.unknown:
            named = ", ".join(f"[{shorten(name, 80)}]" for name in self.unknown[:QUOTED])
            told.append(f"the summary cites what is no task: {named}{_more(self.unknown)}")
        if self.uncited:
            quoted = "; ".join(f"'{shorten(text, 100)}'" for text in self.uncited[:QUOTED])
            number = f"{len(self.uncited)} of the summary's {self.statements} statements"
            told.append(f"{number} cite no task: {quoted}{_more(self.uncited)}")
        return told


def check_citations(text: str, ids: Collection[str]) -> Cited:
    """Return what a text cites, and what it states without a citation.

    A statement is a sentence of at least three words, a list's item or a table's row. Headings, greetings, questions,
    lines that lead to a list, and code are none.

    Args:
        text: a summary, plain or in Markdown.
        ids: of all tasks.
    """
    found = list(marks(text, ids))
    stated = list(_statements(_without_code(_replaced(text, found))))
    cited = dict.fromkeys(name for mark in found for name in mark.known)
    unknown = dict.fromkeys(name for mark in found for name in mark.unknown)
    uncited = [
        _PLACE.sub(lambda place: text[found[int(place[1])].start : found[int(place[1])].end], statement)
        for statement in stated
        if not any(found[int(number)].known for number in _PLACE.findall(statement))
    ]
    return Cited(tuple(cited), tuple(unknown), len(stated), tuple(uncited))


def marks(text: str, ids: Collection[str]) -> Iterator[Mark]:
    """Yield the marks of a text that cite tasks, or seem to; those in code, links and check boxes are none."""
    known = {" ".join(name.split()): name for name in ids}
    code = [place.span() for place in _CODE.finditer(text)]
    at = 0
    for _ in range(_BRACKETS):
        if (start := text.find("[", at)) < 0:
            return
        inside = next((end for begun, end in code if begun <= start < end), None)
        if inside is not None:
            at = inside
            continue
        mark = _mark(text, start, known)
        if mark is not None:
            yield mark
        at = start + 1 if mark is None else mark.end


def _mark(text: str, start: int, known: Mapping[str, str]) -> Mark | None:
    line_end = text.find("\n", start)
    line = text[start + 1 : min(start + LONGEST, len(text) if line_end < 0 else line_end)]
    cuts = [place for place, char in enumerate(line) if char in ",;]"][:_CUTS]
    read = _all_known(line, cuts, known) if "]" in line else None
    if read is not None:
        end, names = read
        return Mark(start, start + 1 + end, tuple(names), ())
    return _in_part(text, line, start, known)


def _all_known(line: str, cuts: Sequence[int], known: Mapping[str, str]) -> tuple[int, list[str]] | None:
    """Return where a mark ends, and its ids, read so that all are known; the longest ids are taken first.

    From the last cut to the first it is worked out how a mark could go on there, so that no way is tried twice.
    """
    ways: dict[int, tuple[int, list[str]]] = {}
    longest = max(map(len, known), default=0) + _AROUND
    for begin in [*(cut + 1 for cut in reversed(cuts)), 0]:
        for cut in reversed(cuts):
            if cut < begin:
                break
            if cut - begin > longest:
                continue
            exact = known.get(" ".join(line[begin:cut].split()))
            name = exact if exact is not None else known.get(_plain(line[begin:cut]))
            if name is None:
                continue
            if line[cut] == "]":
                ways[begin] = (cut + 1, [name])
                break
            if (rest := ways.get(cut + 1)) is not None:
                ways[begin] = (rest[0], [name, *rest[1]])
                break
    return ways.get(0)


def _in_part(text: str, line: str, start: int, known: Mapping[str, str]) -> Mark | None:
    """Return a mark of which not all is known; `None` where it seems to be no citation."""
    end = line.find("]")
    before, after = text[start - 1 : start], line[end + 1 : end + 2]
    names = [_plain(part) for part in re.split("[,;]", line[:end])] if end >= 0 else []
    if not names or not all(names) or before.isalnum() or before in ("_", "]", "!", "\\") or after in ("(", ":", "["):
        return None
    if names[0].lower() in ("x", "...", "…") or len(line[:end]) > 200:
        return None
    there = tuple(known[name] for name in names if name in known)
    return Mark(start, start + 2 + end, there, tuple(name for name in names if name not in known))


def _plain(part: str) -> str:
    """Return an id without what models put around it: quotes, and the word that it is a task's."""
    name = " ".join(part.split())
    return _LABEL.sub("", name, count=1).strip("`'\"").strip() if name else ""


def _replaced(text: str, found: Sequence[Mark]) -> str:
    """Return the text with each mark replaced by its number, put before the end of its sentence."""
    parts, at = [], 0
    for number, mark in enumerate(found):
        parts += [_bare(text[at : mark.start]), f"{_OPEN}{number}{_SHUT}"]
        at = mark.end
    parts.append(_bare(text[at:]))
    return _AFTER_END.sub(r"\2\1", "".join(parts))


def _bare(text: str) -> str:
    return text.replace(_OPEN, " ").replace(_SHUT, " ")


def _without_code(text: str) -> str:
    """Return the text without its blocks of code; what stands in a line counts as its words."""
    return _CODE.sub(lambda code: code[0] if code[0][0] == "`" and code[0][:3] != "```" else "\n\n", text)


def _statements(text: str) -> Iterator[str]:
    for block, is_item in _blocks(text.splitlines()):
        for sentence in [block] if is_item else _sentences(block):
            if _states(sentence):
                yield sentence


def _blocks(lines: Sequence[str]) -> Iterator[tuple[str, bool]]:
    """Yield paragraphs, and, as items, the items of lists and the rows of tables."""
    block, is_item = "", False
    for index, line in enumerate(lines):
        is_row = line.lstrip().startswith("|")
        begins = _BULLET.match(line) is not None or is_row
        skipped = _NO_STATEMENT.match(line) is not None or (is_row and _is_rule(lines[index + 1 : index + 2]))
        if (begins or skipped) and block:
            yield block, is_item
            block = ""
        if skipped:
            is_item = False
        elif begins:
            block, is_item = line[0 if is_row else _BULLET.match(line).end() :].strip(), True  # type: ignore[union-attr]
        else:
            is_item = is_item and bool(block)
            block = f"{block} {line.strip()}".strip()
    if block:
        yield block, is_item


def _is_rule(lines: Sequence[str]) -> bool:
    return bool(lines) and re.fullmatch(r"\s*\|[\s:|-]*-[\s:|-]*", lines[0]) is not None


def _sentences(text: str) -> Iterator[str]:
    begin = 0
    for place in _END.finditer(text):
        if not _SHORT.search(text[begin : place.start()]):
            yield text[begin : place.end()].strip()
            begin = place.end()
    yield text[begin:].strip()


def _states(text: str) -> bool:
    words = re.findall(r"\w+", _PLACE.sub(" ", text))
    long_enough = len(words) >= WORDS or (len(words) > 0 and max(map(len, words)) > 12)
    return long_enough and not text.endswith(("?", ":")) and not _GREETING.match(text.lstrip("*_ "))


def _more(items: Sequence[str]) -> str:
    return f", and {len(items) - QUOTED} more" if len(items) > QUOTED else ""
