"""Errors of tools, each as one clear message."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from ..nodes.summary.text import clean_lines
from ..schema.errors import FanwiseError
from ..schema.words import got, path_text

BY_COMMAND = "`fanwise runs` lists them"
"""What someone at a terminal is told to find the name of a run, and a client of this server can't do."""

BY_CLIENT = "a run's thread_id stands in the result, and in the first progress notification, of the call that began it"

MESSAGE = 8_000
"""Characters of a message."""


def message_of(error: BaseException) -> str:
    """Return what went wrong, for the client."""
    if isinstance(error, ValidationError):
        text = "\n".join(_problem(dict(details)) for details in error.errors(include_url=False)[:20])
    elif isinstance(error, FanwiseError):
        text = str(error).replace(BY_COMMAND, BY_CLIENT)
    else:
        told = " ".join(str(error).split())
        text = f"internal error: {type(error).__name__}{': ' * bool(told)}{told}"
    return clean_lines(text)[:MESSAGE]


def is_foreseen(error: BaseException) -> bool:
    """Tell whether an error is the caller's, not the program's."""
    return isinstance(error, ValidationError | FanwiseError)


def unknown_arguments(tool: str, given: Mapping[str, Any], known: Sequence[str]) -> str:
    """Return what is wrong with arguments' names; empty if nothing is."""
    problems = [_unknown(str(name), known) for name in given if name not in known]
    return f"{tool}: {'; '.join(problems[:10])}" if problems else ""


def _unknown(name: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(name[:80], known, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(known)}"
    return f"unknown argument {name[:80]!r}, {hint}"


def _problem(details: Mapping[str, Any]) -> str:
    place = path_text(details["loc"])
    if details["type"] == "missing":
        return f"{place}: is missing; give a value"
    wanted = _WANTED.get(details["type"].split("_")[0])
    said = f"expected {wanted}" if wanted else str(details["msg"]).removeprefix("Input ").lower()
    return f"{place}: {said}, {got(details['input'])}"


_WANTED = {
    "dict": "an object",
    "string": "text",
    "int": "a whole number",
    "float": "a number",
    "finite": "a finite number",
    "bool": "true or false",
    "list": "a list",
}
"""What is expected, by the kind of pydantic's errors."""
