"""Values that options hold: JSON, text, or what a file has."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import click

from ..runs.value_text import from_text


def json_or_file(text: str, name: str) -> Any:
    """Return the value of an option: JSON, or `@FILE` (JSON, YAML by its extension), or `@-` for standard input.

    Raises:
        BadParameter: it can't be read, or is no JSON.
    """
    value, is_json = read_value(text, name)
    if not is_json:
        raise click.BadParameter(f"{name}: {value[:60]!r} is no JSON (text stands in double quotes); or give @FILE")
    return value


def read_value(text: str, name: str) -> tuple[Any, bool]:
    """Return what an option holds, and whether it was JSON; what is not is returned as text.

    Raises:
        BadParameter: the file can't be read, or is wrong.
    """
    if text.startswith("@"):
        if text.lower().endswith((".yaml", ".yml")):
            return _yaml_file(text[1:], name), True
        text = _content(text[1:], name).rstrip("\r\n")
    try:
        return json.loads(text, parse_constant=_no_constant), True
    except (ValueError, RecursionError):
        return text, False


def _content(path: str, name: str) -> str:
    try:
        if path == "-":
            return sys.stdin.buffer.read().decode()
        return Path(path).read_text(encoding="utf-8")
    except OSError as error:
        raise click.BadParameter(f"{name}: {path!r} can't be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise click.BadParameter(f"{name}: {path!r} is no UTF-8 text") from None


def _yaml_file(path: str, name: str) -> Any:
    from ..schema.errors import PlanError

    try:
        return from_text(_content(path, name), ".yaml")
    except PlanError as error:
        raise click.BadParameter(f"{name}: {path!r}: {'; '.join(map(str, error.problems))}") from None


def _no_constant(name: str) -> None:
    raise ValueError(name)
