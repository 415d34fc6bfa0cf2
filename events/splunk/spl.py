"""Text, names and conditions in SPL. Nothing that comes from outside can leave the place where it is put.

What SPL gives a meaning to (quotes, pipes, brackets, backticks, backslashes, stars) never stands in a search as it is:
plain text is quoted, other text is percent-encoded and decoded by Splunk. Conditions on text go to `where`, in which a
star is a star and case matters; `search` takes only what is plain, to narrow what is read.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import quote

_PLAIN = re.compile(r"[A-Za-z0-9_.:/@ -]*")
_FIELD = re.compile(r"[A-Za-z_][A-Za-z0-9_.:{}@-]{0,199}")


def quoted(text: str) -> str:
    """Return an expression of `eval` and `where` whose value is exactly this text."""
    if _PLAIN.fullmatch(text):
        return f'"{text}"'
    return f'urldecode("{quote(text, safe="", errors="surrogatepass")}")'


def is_plain(text: str) -> bool:
    """Tell whether a text means itself in a quoted term of `search`, but for case."""
    return bool(text) and _PLAIN.fullmatch(text) is not None


def is_field(name: str) -> bool:
    """Tell whether a name of a field can be written in single quotes."""
    return _FIELD.fullmatch(name) is not None


def field(name: str) -> str:
    """Return a field's value in `eval` and `where`.

    Raises:
        ValueError: it is no name that can be quoted; see `is_field`.
    """
    if not is_field(name):
        raise ValueError(f"no name of a field: {name!r}")
    return f"'{name}'"


def contains(text: str) -> str:
    """Return a condition: the raw event contains this text, ignoring case.

    The expression that it is matched with has nothing in it but letters, digits, spaces and codes of characters.
    """
    try:
        text.encode()
    except UnicodeEncodeError:  # half of a character: no event has it
        return "1=0"
    return f'match(_raw, "(?i){"".join(map(_literal, text))}")'


def _literal(character: str) -> str:
    if ord(character) > 127 or character.isalnum() or character == " ":
        return character
    return f"\\x{ord(character):02x}"


def one_of(expression: str, values: Iterable[str]) -> str:
    """Return a condition: an expression has one of these values."""
    return f"in({expression}, {', '.join(map(quoted, values))})"


def term(name: str, values: Iterable[str]) -> str:
    """Return terms of `search`: a field has one of these values, which are plain but for stars."""
    terms = [f'{name}="{value}"' for value in values]
    return terms[0] if len(terms) == 1 else f"({' OR '.join(terms)})"
