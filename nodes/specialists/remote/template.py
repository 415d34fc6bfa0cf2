"""What a remote graph is given: the task's own input, or a template with references to the task and to results.

References are those of plans (`{{tasks.ID.output.rows}}`), and `{{task.FIELD}}` for the task itself. No code is run.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from ....schema.filling import filled
from ....schema.references import Malformed, UnknownTask, references
from ....schema.words import Loc, Nearest, listed, shown

FIELDS = ("id", "title", "description", "input", "results", "text", "comment", "previous")
"""What a template can refer to of its task. `results` are the outputs of its dependencies by their ids, `text` is the
whole task in words, `comment` and `previous` are what a reviewer said, and about which output."""

MESSAGES = {"messages": [{"role": "user", "content": "{{task.text}}"}]}
"""What `input: messages` stands for."""

_OWN = "\x1f"  # no task has this id: it is a control character
_BEGINS = re.compile(r"(?<!\{)\{\{\s*task\s*(?=[.\[}])")
_FIELD = re.compile(r"(?<!\{)\{\{\s*task\s*\.\s*([A-Za-z_]\w*)")
_BARE = re.compile(r"(?<!\{)\{\{\s*(" + "|".join(FIELDS) + r")\s*[.\[}]")


class TemplateError(ValueError):
    """A template refers to something that is not there."""


def made_input(
    template: Any, task: Mapping[str, Any], results: Mapping[str, Mapping[str, Any]], about: Mapping[str, Any]
) -> Any:
    """Return what the graph is given.

    Args:
        template: the template; `None` stands for the task's input if that is an object, else for a `request`.
        task: the task, as plain data.
        results: its dependencies' results, as plain data.
        about: `text`, `comment` and `previous`.

    Raises:
        TemplateError: a reference leads nowhere.
    """
    own = task.get("input")
    if template is None:
        return dict(own) if isinstance(own, Mapping) and own else {"request": about["text"]}
    outputs = {need: result.get("output") for need, result in results.items()}
    told = {**{name: task.get(name) for name in ("id", "title", "description", "input")}, "results": outputs, **about}
    own_result = {_OWN: {"status": "succeeded", "output": told}}
    made, errors = filled(_written_out(MESSAGES if template == "messages" else template), {**results, **own_result})
    if errors:
        raise TemplateError("; ".join(dict.fromkeys(map(_in_own_words, errors))))
    return made


def names(template: Any, field: str) -> bool:
    """Tell whether a template refers to a field of its task."""
    text = json.dumps(MESSAGES if template == "messages" else template)
    found = {match[1] for match in _FIELD.finditer(text)}
    return field in found or "text" in found  # the whole task in words has all of it


def template_problems(template: Any) -> Iterator[tuple[Loc, str]]:
    """Yield what is wrong with a template, with the place of each; which tasks there will be is not known yet."""
    for loc, text in _texts(template):
        for field in (match[1] for match in _FIELD.finditer(text) if match[1] not in FIELDS):
            hint = Nearest(FIELDS).hint(field, f"; there are {listed(FIELDS)}")
            yield loc, f"{{{{task.{field}}}}} is nothing that a task has{hint}"
        for field in (match[1] for match in _BARE.finditer(text)):
            yield loc, f"{{{{{field}}}}} is no reference; write {{{{task.{field}}}}}"
    for loc, found in references(_written_out(template), (_OWN,)):
        if isinstance(found, Malformed) and not isinstance(found, UnknownTask):
            yield loc, _in_own_words(str(found))


def _written_out(value: Any) -> Any:
    """Return a template with `{{task.` as the reference to a result that it is filled in from."""
    if isinstance(value, Mapping):
        return {key: _written_out(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_written_out(item) for item in value]
    return _BEGINS.sub(f"{{{{tasks.{_OWN}.output", value) if isinstance(value, str) else value


def _in_own_words(text: str) -> str:
    """Return a message about a reference as its author wrote the reference."""
    text = text.replace(repr(_OWN)[1:-1], _OWN)  # as it stands in quoted text
    if _OWN not in text:
        return text
    return text.replace(f"{{{{tasks.{_OWN}.output", "{{task").replace("but output", "but task").replace(_OWN, "task")


def _texts(value: Any, loc: Loc = ()) -> Iterator[tuple[Loc, str]]:
    if isinstance(value, str):
        yield loc, value
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from _texts(item, (*loc, str(key)))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _texts(item, (*loc, index))


def no_reference(name: str) -> str:
    """Return what a person is told of something that the graph is not given."""
    return f"the graph is not told {name}: its input names no {shown('{{task.' + name + '}}')}"
