"""Reading an answer's tasks while it is being written, each character once."""

from __future__ import annotations

import json
import re
from typing import Any

_OUTSIDE = re.compile(r'["{}\[\]]')
_INSIDE = re.compile(r'["\\]')


class TaskStream:
    """Finds the elements of the list `tasks` in an answer that grows."""

    def __init__(self) -> None:
        self.head: dict[str, Any] | None = None
        """What stands before the list, once it has begun."""
        self._position = 0
        self._in_text = False
        self._text_at = 0
        self._key = ""
        self._stack: list[str] = []
        self._root_at = -1
        self._element_at = -1
        self._in_tasks = False

    def feed(self, text: str) -> list[Any]:
        """Return the elements that have become complete.

        Args:
            text: all of the answer so far; what was given before is not looked at again.
        """
        found: list[Any] = []
        while True:
            pattern = _INSIDE if self._in_text else _OUTSIDE
            match = pattern.search(text, self._position)
            if match is None:
                self._position = len(text)
                return found
            if match[0] == "\\":
                if match.end() >= len(text):
                    self._position = match.start()
                    return found
                self._position = match.end() + 1
                continue
            self._position = match.end()
            if match[0] == '"':
                self._quote(text, match.start())
            elif match[0] in "{[":
                self._open(text, match[0], match.start())
            else:
                self._close(text, match.end(), found)

    def _quote(self, text: str, place: int) -> None:
        if not self._stack:
            return  # between sentences
        if not self._in_text:
            self._in_text, self._text_at = True, place
            return
        self._in_text = False
        if len(self._stack) == 1:
            self._key = text[self._text_at + 1 : place]

    def _open(self, text: str, mark: str, place: int) -> None:
        if not self._stack:
            if mark == "[":
                return
            self._root_at = place
        depth = len(self._stack)
        if depth == 1 and mark == "[" and self._key == "tasks" and self._last_mark(text, place) == ":":
            self._in_tasks = True
            self.head = _read(text[self._root_at : place] + "[]}") or {}
        elif depth == 2 and mark == "{" and self._in_tasks:
            self._element_at = place
        self._stack.append(mark)

    def _close(self, text: str, end: int, found: list[Any]) -> None:
        if not self._stack:
            return
        self._stack.pop()
        if self._in_tasks and len(self._stack) == 2 and self._element_at >= 0:
            element = _read(text[self._element_at : end])
            self._element_at = -1
            if element is not None:
                found.append(element)
        elif len(self._stack) == 1:
            self._in_tasks = False

    @staticmethod
    def _last_mark(text: str, place: int) -> str:
        return text[max(0, place - 20) : place].rstrip()[-1:]


def _read(text: str) -> Any:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None
