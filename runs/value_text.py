"""Values as text that people read and edit, and back: YAML, or JSON where YAML would not give the same value back."""

from __future__ import annotations

import json
from typing import Any

from ..nodes.summary.text import clean_lines

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


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2) + "\n"


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
