"""Pydantic's errors as problems worded for people: what came, what was expected, what to do."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from .aggregate import FIELDS_OF
from .draft import CONFIG_SYNONYMS, TASK_SYNONYMS, Draft
from .estimate_names import ESTIMATE_SYNONYMS
from .words import Loc, Nearest, got, listed, one_of, shown

Fields = Mapping[str, Collection[str]]
"""Known fields by the kind of object: that is the name of the field that holds it, `""` for the whole."""

HABITS: Mapping[str, Mapping[str, str]] = {
    "tasks": {
        "name": "id",
        "key": "id",
        "type": "specialist",
        "tool": "specialist",
        "uses": "specialist",
        "worker": "specialist",
        "needs": "depends_on",
        "deps": "depends_on",
        "after": "depends_on",
        "requires": "depends_on",
        "params": "input",
        "args": "input",
        "with": "input",
        "arguments": "input",
        "retries": "retry",
        "trigger_rule": "run_if",
        "aggregation": "aggregate",
        "combine": "aggregate",
        "condition": "when",
        "if": "when",
        "input_transform": "transform",
        "difficulty": "complexity",
        "minutes": "estimated_minutes",
        "duration_minutes": "estimated_minutes",
        "estimated_time_minutes": "estimated_minutes",
        "estimated_duration_s": "estimated_s",
    },
    "config": {
        "concurrency": "max_parallel",
        "parallelism": "max_parallel",
        "workers": "max_parallel",
        "strategy": "on_failure",
        "failure_strategy": "on_failure",
        "retries": "retry",
    },
    "retry": {"attempts": "max_attempts", "retries": "max_attempts", "delay": "initial_s", "max_delay": "max_s"},
    "fallback": {"value": "output", "default": "output", "agent": "specialist"},
    "aggregate": {
        "type": "strategy",
        "kind": "strategy",
        "merge_strategy": "mode",
        "quorum": "min_results",
        "handle_nulls": "nulls",
        "validator": "valid",
        "min_quality_score": "min_quality",
        "min_success": "min_results",
    },
    "": {"steps": "tasks", "jobs": "tasks", "title": "name", "settings": "config", "options": "config"},
}
"""What other systems call a field -> what it is called here, by the kind of object."""

SYNONYMS = {"tasks": {**TASK_SYNONYMS, **ESTIMATE_SYNONYMS}, "config": CONFIG_SYNONYMS}
"""Second names that are read, by the kind of object."""

HOLDERS = {
    "tasks": "of a task",
    "config": "under 'config'",
    "retry": "under 'retry'",
    "aggregate": "under 'aggregate'",
    "": "at the top of the plan",
}
"""Where a field that was written in the wrong place belongs."""

JSON_FIELDS = frozenset({"input", "output", "default", "initial"})
"""Fields that hold any JSON value; pydantic names the value's types in the place of an error inside."""


EXPRESSIONS = frozenset({"when", "transform", "value", "answer", "valid", "quality"})
"""Fields that hold a JMESPath expression."""


def note_errors(error: ValidationError, draft: Draft, fields: Fields, root: Loc = ()) -> None:
    """Note each error of a model as a problem of the draft; `root` is where the model stands in it."""
    unknown: dict[Loc, set[str]] = {}
    missing: list[Loc] = []
    for details in error.errors(include_url=False):
        loc = (*root, *_field_loc(details["loc"]))
        if details["type"] == "extra_forbidden":
            holder = holder_of(loc[:-1])
            known = _of_strategy(draft, loc[:-1], fields) if holder == "aggregate" else fields
            message, meant = _unknown_field(str(loc[-1]), holder, known)
            unknown.setdefault(loc[:-1], set()).add(meant)
            draft.refuse(loc, message)
        elif details["type"] == "missing":
            missing.append(loc)
        else:
            draft.refuse(loc, worded(details, loc))
    for loc in missing:
        if loc[-1] not in unknown.get(loc[:-1], ()):
            draft.refuse(loc, _missing(str(loc[-1]), holder_of(loc[:-1])))


def _of_strategy(draft: Draft, loc: Loc, fields: Fields) -> Fields:
    """Return the fields, those of an aggregate as far as its strategy has a use for them."""
    given: Any = draft.tasks[loc[1]].get("aggregate") if loc[:1] == ("tasks",) and isinstance(loc[1], int) else None
    strategy = given.get("strategy") if isinstance(given, Mapping) else None
    known = FIELDS_OF.get(strategy) if isinstance(strategy, str) else None
    return fields if known is None else {**fields, "aggregate": known}


def holder_of(loc: Sequence[str | int]) -> str:
    """Return the kind of object at a place: the name of the nearest field, `""` for the whole."""
    if len(loc) == 3 and tuple(loc[:2]) == ("config", "rates"):
        return "rates"  # the name between stands for a pool or a specialist
    return next((part for part in reversed(loc) if isinstance(part, str)), "")


def _field_loc(loc: Loc) -> Loc:
    for index, part in enumerate(loc):
        if part in JSON_FIELDS:
            return loc[: index + 1]
    return loc


def _unknown_field(name: str, holder: str, fields: Fields) -> tuple[str, str]:
    """Return the message and the field that was probably meant, `""` if there is no telling."""
    known = fields.get(holder, ())
    habit = HABITS.get(holder, {}).get(name.casefold())
    near = habit if habit in known or habit in SYNONYMS.get(holder, ()) else None
    elsewhere = [place for place in HOLDERS if place != holder and name in fields.get(place, ())]
    if near is None and elsewhere:
        return f"unknown field {shown(name)} here; it belongs {HOLDERS[_best_holder(elsewhere, holder)]}", ""
    near = near or Nearest((*known, *(ESTIMATE_SYNONYMS if holder == "tasks" else ())))(name)
    if near is None and (near := Nearest(SYNONYMS.get(holder, ()))(name)) is not None:
        return f"unknown field {shown(name)}; did you mean {near!r}?", SYNONYMS[holder][near]
    if near is not None:
        return f"unknown field {shown(name)}; did you mean {near!r}?", SYNONYMS.get(holder, {}).get(near, near)
    return f"unknown field {shown(name)}; known here: {listed(known, 20)}", ""


def _best_holder(places: Sequence[str], holder: str) -> str:
    preferred = ("retry", "aggregate", "tasks", "config", "")
    if holder != "tasks":
        preferred = ("config", "tasks", "retry", "aggregate", "")
    return next(place for place in preferred if place in places)


def _missing(name: str, holder: str) -> str:
    if holder == "tasks":
        return f"{name!r} is missing; every task needs 'id' and 'specialist'"
    if name == "tasks":
        return "'tasks' is missing; a plan needs a list of tasks, each with 'id' and 'specialist'"
    return f"{name!r} is missing; add it"


def worded(details: Mapping[str, Any], loc: Loc) -> str:
    """Return the message for one of pydantic's errors at a place."""
    value, context = details.get("input"), details.get("ctx", {})
    name = str(loc[-1]) if loc else ""
    word = _WORDINGS.get(details["type"])
    if word is not None:
        return word(value, context, name)
    if details["type"] in ("model_type", "dict_type", "model_attributes_type"):
        return f"expected {_OBJECTS.get(holder_of(loc), 'an object')}, {got(value)}"
    if details["type"] in ("tuple_type", "list_type"):
        return _list_wording(value, name)
    if details["type"] in ("greater_than", "greater_than_equal", "less_than", "less_than_equal"):
        return _range_wording(details["type"], value, context, name)
    return f"{details['msg']}, {got(value)}"


_OBJECTS = {
    "tasks": "a task (an object with 'id' and 'specialist')",
    "config": "an object such as {max_parallel: 8}",
    "retry": "an object such as {max_attempts: 3}",
    "needs": "units of pools, such as {api: 1} (what a task waits for stands in 'depends_on')",
    "fallback": "an object such as {output: ...} or {specialist: ...}",
    "aggregate": "an object such as {strategy: merge}",
    "params": "an object such as {description: ..., default: ...}",
}

_Wording = Callable[[Any, Mapping[str, Any], str], str]


def _text_wording(value: Any, context: Mapping[str, Any], name: str) -> str:
    remedy = "; put it in quotes" if isinstance(value, bool | int | float) else ""
    if value is None:
        remedy = "; give it a value"
    return f"expected text, {got(value)}{remedy}"


def _number_wording(expected: str) -> _Wording:
    def word(value: Any, context: Mapping[str, Any], name: str) -> str:
        remedy = "; take the quotes away" if isinstance(value, str) and _is_number(value) else ""
        return f"expected {expected}, {got(value)}{remedy}"

    return word


def _boolean_wording(value: Any, context: Mapping[str, Any], name: str) -> str:
    meant = {"yes": "true", "on": "true", "true": "true", "no": "false", "off": "false", "false": "false"}
    word = meant.get(value.casefold()) if isinstance(value, str) else None
    return f"expected true or false, {got(value)}{f'; write {word}' if word else ''}"


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _choice_wording(value: Any, context: Mapping[str, Any], name: str) -> str:
    choices = [part.strip().strip("'") for part in str(context["expected"]).replace(" or ", ", ").split(",")]
    near = Nearest(choices)(value) if isinstance(value, str) else None
    hint = f"; did you mean {near!r}?" if near is not None else ""
    if name == "complexity" and isinstance(value, int | float) and not isinstance(value, bool):
        hint = "; a score, from 0 to 100, stands in 'estimated_complexity'"
    return f"expected {one_of(choices)}, {got(value)}{hint}"


def _list_wording(value: Any, name: str) -> str:
    if name == "tasks":
        remedy = "; write each task as an item that begins with '- id: ...'" if isinstance(value, Mapping) else ""
        return f"expected a list of tasks, {got(value)}{remedy}"
    remedy = f"; write [{shown(value)}]" if isinstance(value, str) else ""
    if value is None:
        remedy = "; write [] or leave the field out"
    return f"expected a list{' of task ids' if name == 'depends_on' else ''}, {got(value)}{remedy}"


UNLIMITED = frozenset({"timeout_s", "deadline_s", "max_parallel", "starts_per_s"})
"""Fields in which `null` takes the limit away."""


def _range_wording(error: str, value: Any, context: Mapping[str, Any], name: str) -> str:
    key, word = {
        "greater_than": ("gt", "greater than"),
        "greater_than_equal": ("ge", "at least"),
        "less_than": ("lt", "less than"),
        "less_than_equal": ("le", "at most"),
    }[error]
    limit = context[key]
    number = int(limit) if isinstance(limit, float) and limit.is_integer() else limit
    return f"must be {word} {number}, got {shown(value)}{_unlimited(name)}"


def _unlimited(name: str) -> str:
    return "; use null for no limit" if name in UNLIMITED else ""


_WORDINGS: Mapping[str, _Wording] = {
    "string_type": _text_wording,
    "string_too_short": lambda value, context, name: (
        f"must not be empty; {'leave it out' if name in EXPRESSIONS else 'give it a name'}"
    ),
    "string_too_long": lambda value, context, name: (
        f"has {len(value):,} characters, at most {context['max_length']} are allowed; shorten it"
    ),
    "string_pattern_mismatch": lambda value, context, name: (
        f"must not hold line breaks or control characters, got {shown(value)}"
    ),
    "string_unicode": lambda value, context, name: (
        f"is not valid Unicode: {shown(value)} holds half of a surrogate pair"
    ),
    "int_type": _number_wording("a whole number"),
    "int_from_float": _number_wording("a whole number"),
    "float_type": _number_wording("a number"),
    "finite_number": lambda value, context, name: f"must be a finite number, got {value}{_unlimited(name)}",
    "bool_type": _boolean_wording,
    "literal_error": _choice_wording,
    "invalid_key": lambda value, context, name: "the names of fields must be text; put this one in quotes",
    "value_error": lambda value, context, name: str(context["error"]),
}
