"""What a model answers: the schema that it is asked for, and how an answer is read."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ...models.faults import ModelAnswerError
from ...schema.draft import TASK_SYNONYMS
from ...schema.errors import Problem
from ...schema.references import Malformed, Reference, has_references, parts, references, step_text
from ...schema.translate import HABITS
from ...schema.words import Nearest, got, shown

_TEXT = {"type": "string"}

TASK_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "id": {**_TEXT, "description": "short and unique"},
        "specialist": _TEXT,
        "title": {**_TEXT, "description": "a few words"},
        "description": {**_TEXT, "description": "what it is to do"},
        "input": {"type": "object"},
        "depends_on": {"type": "array", "items": _TEXT, "description": "ids of tasks whose results it needs"},
    },
    "required": ["id", "specialist", "description", "input", "depends_on"],
}

PLAN_SCHEMA: dict[str, Any] = {
    "title": "plan",
    "description": "A plan that answers the request, or a reply where there is nothing to do.",
    "type": "object",
    "properties": {
        "workflow": {"type": ["string", "null"], "description": "a workflow's name, or null"},
        "params": {"type": "object", "description": "the workflow's parameters"},
        "tasks": {"type": "array", "items": TASK_SCHEMA},
        "reply": {**_TEXT, "description": "only where there is nothing to do"},
    },
    "required": ["workflow", "params", "tasks", "reply"],
}
"""The tasks stand before the reply, and what they may build on before them, so that they can start early."""

MORE_SCHEMA: dict[str, Any] = {
    "title": "more_tasks",
    "description": "Further tasks, or that there is nothing more to do.",
    "type": "object",
    "properties": {
        "done": {"type": "boolean"},
        "why": {**_TEXT, "description": "one sentence"},
        "tasks": {"type": "array", "items": TASK_SCHEMA},
    },
    "required": ["done", "why", "tasks"],
}

FIELDS = tuple(TASK_SCHEMA["properties"])
"""Fields of a task that a model sets; all others are left out."""

OPENINGS = 100
"""Places in an answer at which its JSON is looked for."""


@dataclass(frozen=True, slots=True)
class PlanDraft:
    """An answer, read but not checked."""

    tasks: list[Any] = field(default_factory=list)
    workflow: str | None = None
    params: dict[str, Any] = field(default_factory=dict)
    reply: str = ""
    done: bool = False
    why: str = ""
    problems: tuple[Problem, ...] = ()
    """What is of a wrong type at the top."""


def read_draft(text: str) -> PlanDraft:
    """Return the draft in an answer, which may stand in a fence or between sentences.

    Raises:
        ModelAnswerError: there is none.
    """
    if not text.strip():
        raise ModelAnswerError("the answer is empty", advice="write one JSON object")
    error: Exception | None = None
    for value in _values(text):
        if isinstance(value, Exception):
            error = error or value
        elif (found := _as_object(value)) is not None:
            return draft_of(found)
    told = f"the answer is no JSON: {error}" if error else "the answer holds no JSON object with 'tasks'"
    raise ModelAnswerError(told, advice="write one JSON object and nothing else")


def draft_of(data: Mapping[str, Any]) -> PlanDraft:
    """Return the draft that a JSON object stands for."""
    problems: list[Problem] = []

    def taken(name: str, kind: type, otherwise: Any, expected: str) -> Any:
        value = data.get(name)
        if value is None or isinstance(value, kind):
            return otherwise if value is None else value
        problems.append(Problem(f"expected {expected}, {got(value)}", name))
        return otherwise

    return PlanDraft(
        tasks=taken("tasks", list, [], "a list of tasks"),
        workflow=taken("workflow", str, "", "a workflow's name or null").strip() or None,
        params={k: v for k, v in taken("params", dict, {}, "an object").items() if v is not None},
        reply=taken("reply", str, "", "text").strip(),
        done=taken("done", bool, False, "true or false"),
        why=taken("why", str, "", "text").strip(),
        problems=tuple(problems),
    )


def _values(text: str) -> Iterator[Any]:
    """Yield the objects and lists in a text, outermost only, and errors where one could not be read."""
    decoder, position = json.JSONDecoder(), 0
    for _ in range(OPENINGS):
        position = min((p for p in (text.find("{", position), text.find("[", position)) if p >= 0), default=-1)
        if position < 0:
            return
        try:
            value, position = decoder.raw_decode(text, position)
            yield value if is_unicode(value) else ValueError("it holds half of a surrogate pair")
        except (ValueError, RecursionError) as error:
            yield error
            position += 1


def is_unicode(value: Any) -> bool:
    """Tell whether all text in a JSON value can be written."""
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True


KEYS = ("tasks", "workflow", "reply", "done")


def _as_object(value: Any) -> Mapping[str, Any] | None:
    """Return the object that is meant: itself, one inside (`{"plan": {...}}`), or one for a bare list of tasks."""
    if isinstance(value, list):
        return {"tasks": value} if value and all(isinstance(item, dict) and "id" in item for item in value) else None
    if not isinstance(value, dict):
        return None
    if any(key in value for key in KEYS):
        return value
    inside = [item for item in value.values() if isinstance(item, dict) and "tasks" in item]
    return inside[0] if len(inside) == 1 else {} if not value else None


def cleaned(task: Any) -> tuple[Any, list[str]]:
    """Return a drafted task under the plan's names, and what was left out of it.

    A field that stands for one that is missing (`after`, `dependson`) stays, so that it is told as a problem.
    """
    if not isinstance(task, dict):
        return task, []
    kept: dict[str, Any] = {}
    left_out = []
    there = {TASK_SYNONYMS.get(key, key) for key in task}
    for key, value in task.items():
        name = str(TASK_SYNONYMS.get(key, key))
        meant: str | None = HABITS["tasks"].get(key.casefold()) or _nearest(key)
        if name in FIELDS:
            kept.setdefault(name, value)
        elif meant in FIELDS and meant not in there:
            kept[key] = value
        else:
            left_out.append(key)
    _set_types(kept)
    return kept, left_out


_nearest = Nearest(FIELDS, effort=10**12)


def _set_types(task: dict[str, Any]) -> None:
    """Read what is plainly meant: one dependency for a list of one, `null` for nothing, a title on one line."""
    needs = task.get("depends_on")
    if isinstance(needs, str | int) and not isinstance(needs, bool):
        task["depends_on"] = [needs] if needs != "" else []
    for name in ("title", "description", "depends_on", "input"):
        if name in task and task[name] is None:
            del task[name]
    if isinstance(title := task.get("title"), str):
        task["title"] = " ".join(title.split())[:200]
    if type(task.get("id")) is int:
        task["id"] = str(task["id"])
    if isinstance(needs := task.get("depends_on"), list):
        task["depends_on"] = [str(need) if type(need) is int else need for need in needs]


def connected(task: Any, known: Collection[str], by_fold: Mapping[str, str | None]) -> Any:
    """Return a drafted task with what its references imply added to its dependencies.

    Args:
        task: the task; references in its description are put into words.
        known: ids of tasks.
        by_fold: the same by their folded form: a dependency may be written in any case.
    """
    needs = task.get("depends_on", []) if isinstance(task, dict) else None
    if not isinstance(needs, list) or not all(isinstance(need, str) for need in needs):
        return task
    needs = [need if need in known else by_fold.get(folded(need)) or need for need in needs]
    for name in ("input", "description"):
        for _, part in references(task.get(name), known):
            if isinstance(part, Reference) and part.task not in needs and part.task != task.get("id"):
                needs.append(part.task)
    task = {**task, "depends_on": needs} if needs else task
    if has_references(task.get("description")):
        task = {**task, "description": _in_words(task["description"], known)}
    return task


def _in_words(text: str, known: Collection[str]) -> str:
    """Return a description that names the results that it refers to, and does not hold them.

    What tasks come to is shown to specialists as data, beside the description, which is what they are told to do.
    """
    found = list(parts(text, known))
    if any(isinstance(part, Malformed) for part in found):
        return text
    return "".join(part if isinstance(part, str) else _named(part) for part in found)


def _named(part: Reference | Malformed) -> str:
    if isinstance(part, Malformed):
        return str(part)
    return f"{part.field}{''.join(map(step_text, part.path))} of task {shown(part.task)}"


def folded(name: str) -> str:
    """Return an id without what two ids must not differ in alone: case, and blanks around it."""
    return name.strip().casefold()


def folded_ids(ids: Iterable[str]) -> dict[str, str | None]:
    """Return ids by their folded form; `None` where several have the same."""
    found: dict[str, str | None] = {}
    for name in ids:
        key = folded(name)
        found[key] = None if key in found else name
    return found


def label(task: Any, index: int) -> str:
    """Return what a message calls a drafted task."""
    name = task.get("id") if isinstance(task, dict) else None
    return f"task {shown(name)}" if isinstance(name, str) and name else f"the task at tasks[{index}]"
