"""How messages about plans are worded: values cut to a sane length, paths of fields, nearest names."""

from __future__ import annotations

import difflib
import re
import reprlib
from collections.abc import Collection, Iterable, Mapping
from itertools import islice
from typing import Any

Loc = tuple[str | int, ...]
"""Where a field stands: keys of objects and indexes of lists, outermost first."""

SHOWN = 60
"""Characters of a value that a message shows."""

EFFORT = 50_000_000
"""What one `Nearest` may spend on comparing, so that a plan full of mistakes is refused quickly too: about a second."""


class _Repr(reprlib.Repr):
    def repr_int(self, x: int, level: int) -> str:
        return repr(x) if abs(x) < 10**40 else f"an integer of about {x.bit_length() * 30103 // 100000 + 1} digits"


_repr = _Repr()
_repr.maxstring = SHOWN
_repr.maxother = SHOWN
_repr.maxlevel = 3


def shown(value: Any) -> str:
    """Return the value's `repr`, cut to about 60 characters; never raises."""
    try:
        text = _repr.repr(value)
    except Exception:
        text = f"<{type(value).__name__}>"
    return text if len(text) <= SHOWN + 2 else f"{text[: SHOWN - 3]}..."


def kind(value: Any) -> str:
    """Return what the value is in JSON's words: `text`, `a list`, `null`, ..."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "a boolean"
    for types, word in _KINDS:
        if isinstance(value, types):
            return word
    return f"a Python {type(value).__name__}"


_KINDS: tuple[tuple[type, str], ...] = (
    (str, "text"),
    (int, "a whole number"),
    (float, "a number"),
    (Mapping, "an object"),
    (list, "a list"),
)


def got(value: Any) -> str:
    """Return `got VALUE (KIND)`, or just the kind where the value says nothing more."""
    if value is None:
        return "got null"
    return f"got {str(value).lower() if isinstance(value, bool) else shown(value)} ({kind(value)})"


_PLAIN_KEY = re.compile(r"[^\W\d][\w-]{0,79}")


def path_text(loc: Iterable[str | int]) -> str:
    """Return the path of a field as it is written in messages, such as `tasks[2].depends_on[0]`."""
    text = ""
    for part in loc:
        if isinstance(part, int):
            text += f"[{part}]"
        elif _PLAIN_KEY.fullmatch(part):
            text += f".{part}" if text else part
        else:
            text += f"[{shown(part)}]"
    return text


def name_text(name: str) -> str:
    """Return a name bare where it is a plain word, else quoted."""
    return name if re.fullmatch(r"[\w.:/-]{1,80}", name) else shown(name)


def counted(number: int, word: str, plural: str = "") -> str:
    """Return a number with its word in the singular or the plural."""
    return f"{number:,} {word if number == 1 else plural or word + 's'}"


def few_digits(seconds: float) -> str:
    """Return seconds for a person: what was measured is not told to the microsecond."""
    return f"{seconds:.3g}" if seconds < 100 else f"{seconds:g}"


def one_of(words: Iterable[str]) -> str:
    """Return `'a', 'b' or 'c'`."""
    *most, last = [repr(word) for word in words]
    return f"{', '.join(most)} or {last}" if most else last


class Nearest:
    """Finds the nearest of a set of names: spelled alike but for case and punctuation, else by difflib's measure."""

    def __init__(self, names: Iterable[str], *, effort: int = EFFORT) -> None:
        self._names = [name for name in dict.fromkeys(names) if 0 < len(name) <= 200]
        self._folded = {_fold(name): name for name in reversed(self._names)}
        self._characters = sum(map(len, self._names))
        self._left = effort
        self._answers: dict[str, str | None] = {}

    def __call__(self, name: str) -> str | None:
        """Return the nearest name, or None where none is near or too many were looked at already."""
        if name not in self._answers:
            self._answers[name] = self._search(name)
        return self._answers[name]

    def _search(self, name: str) -> str | None:
        if len(name) > 200:
            return None
        alike = self._folded.get(_fold(name))
        if alike is not None and _fold(name):
            return alike
        cost = 500 * len(self._names) + len(name) * self._characters  # difflib is quadratic in the names' length
        if self._left < cost:
            return None
        self._left -= cost
        return next(iter(difflib.get_close_matches(name, self._names, n=1)), None)

    def hint(self, name: str, otherwise: str = "") -> str:
        """Return `; did you mean 'x'?` for the nearest name, else `otherwise`."""
        near = self(name)
        return f"; did you mean {shown(near)}?" if near is not None else otherwise


def _fold(name: str) -> str:
    return re.sub(r"[\W_]+", "", name).casefold()


def listed(names: Collection[str], limit: int = 12) -> str:
    """Return the names separated by commas, the first dozen of them, or `none`."""
    text = ", ".join(name_text(name) for name in islice(names, limit))
    more = len(names) - limit
    return f"{text} and {more} more" if more > 0 else text or "none"


def install(extra: str) -> str:
    """Return how an extra is installed, from an index and in a checkout."""
    return f"pip install 'fanwise[{extra}]', or in a checkout pip install '.[{extra}]'"
