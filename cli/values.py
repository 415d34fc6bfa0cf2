"""Values as text that people read and edit, and back: YAML, or JSON where YAML would not give the same value back."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import click

from .output import clean_lines

LARGE = 1_000_000
"""Characters of JSON from which on YAML would take too long to write."""

Written = tuple[str, str]
"""A text and the extension of a file that holds it."""


def as_text(value: Any) -> str:
    """Return a value for reading: text as it is, all else as YAML."""
    if isinstance(value, str):
        return value
    text = _json(value)
    return text if len(text) > LARGE else _yaml(_legible(value))


def _legible(value: Any) -> Any:
    """Return a value whose longer texts YAML can write line by line: no spaces before line breaks, no marks."""
    if isinstance(value, str) and "\n" in value:
        return "\n".join(line.rstrip() for line in clean_lines(value.expandtabs(4)).splitlines())
    if isinstance(value, dict):
        return {key: _legible(item) for key, item in value.items()}
    return [_legible(item) for item in value] if isinstance(value, list) else value


def editable(value: Any) -> Written:
    """Return a value as text that reads back as the same value."""
    from ..schema.errors import PlanError

    plain = _json(value)
    if len(plain) > LARGE:
        return plain, ".json"
    text = _yaml(value)
    try:
        reads_back = same(from_text(text, ".yaml"), value)
    except PlanError:
        reads_back = False
    return (text, ".yaml") if reads_back else (plain, ".json")


def same(one: Any, other: Any) -> bool:
    """Tell whether two JSON values are the same; in Python, 1 and true are equal."""
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)


def from_text(text: str, extension: str) -> Any:
    """Return the value that a text holds.

    Raises:
        PlanError: it does not parse; every problem has its line.
    """
    from ..schema.document import read_document
    from ..schema.errors import PlanError

    document = read_document(text.encode(), name="the text", format="json" if extension == ".json" else "yaml")
    if document.flawed:
        raise PlanError(document.located(), "the text")
    return document.data


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


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2) + "\n"


def _no_constant(name: str) -> None:
    raise ValueError(name)


def _yaml(value: Any) -> str:
    import yaml

    from ..schema.yaml_text import plain_scalar

    class Dumper(getattr(yaml, "CSafeDumper", yaml.SafeDumper)):  # type: ignore[misc]  # PyYAML may lack its C part
        def ignore_aliases(self, data: Any) -> bool:
            return True

    def text(dumper: Any, given: str) -> Any:
        style = "|" if "\n" in given else None
        if style is None and given and plain_scalar(given) != given:  # what our reader would take for a number
            style = '"'
        return dumper.represent_scalar("tag:yaml.org,2002:str", given, style=style)

    Dumper.add_representer(str, text)
    dumped: str = yaml.dump(value, Dumper=Dumper, sort_keys=False, allow_unicode=True, width=100)
    return dumped.removesuffix("...\n") if not isinstance(value, dict | list) else dumped
