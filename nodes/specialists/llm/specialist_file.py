"""What a file says of a specialist, and what is wrong with what it says."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal

import jsonschema
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ....schema.errors import Problem
from ....schema.translate import worded
from ....schema.words import Nearest, got, listed, path_text
from ..equipment import Equipment
from .toolbox import WRITES, tool_problem

MAX_MODEL_CALLS = 25


class Limits(BaseModel):
    """How far one attempt may go."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    max_model_calls: int = Field(default=MAX_MODEL_CALLS, ge=1, le=1_000)
    timeout_s: float | None = Field(default=None, gt=0)
    """Seconds for one attempt, people's answers aside; the task's own limit holds as well."""


class SpecialistFile(BaseModel):
    """What a file describes."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(pattern=r"^[^|:\s][^|:\n]{0,79}$")
    description: str = Field(min_length=1)
    """What planners choose it by."""
    prompt: str = Field(min_length=1)
    tools: list[str] = Field(default_factory=list)
    model: str | None = None
    """`provider:name`; the equipment's model if not given."""
    input: dict[str, Any] | None = None
    """JSON schema of its tasks' input."""
    output: dict[str, Any] | None = None
    """JSON schema of its answer, an object; text if not given."""
    limits: Limits = Limits()
    approve: list[str] | Literal["*"] = Field(default_factory=list)
    """Tools whose calls a person approves; `*` is all of them."""
    writes: list[str] = Field(default_factory=list)
    """Patterns of the files in the workspace that `write_file` and `edit_file` may write."""
    memories: str = Field("default", min_length=1, max_length=200)
    """The namespace of what `recall` and `save_memory` work with."""


def file_problems(data: Any, equipment: Equipment) -> Iterator[Problem]:
    """Yield what is wrong with a file's data, each with its place, as far as this equipment can tell."""
    if not isinstance(data, dict):
        yield Problem(f"expected a specialist (an object with name, description and prompt), {got(data)}")
        return
    try:
        SpecialistFile.model_validate(data)
    except ValidationError as error:
        for details in error.errors(include_url=False):
            loc = tuple(part for part in details["loc"] if not str(part).startswith(("list[", "literal[")))
            yield Problem(_told(dict(details), loc), path_text(loc))
    tools = _names(data, "tools")
    for at, name in tools.items():
        if problem := tool_problem(name, equipment):
            yield Problem(problem, path_text(("tools", at)))
    there = list(tools.values())
    for at, name in _names(data, "approve").items():
        if name not in there and name.partition("/")[0] not in there:
            hint = Nearest(there).hint(name, f"; its tools are {listed(there)}")
            yield Problem(f"{name!r} is none of its tools{hint}", path_text(("approve", at)))
    if WRITES & set(there) and not data.get("writes"):
        yield Problem("it may write: say which files in 'writes', such as [reports/*.md] or ['*']", "tools")
    for field in ("input", "output"):
        yield from _schema_problems(field, data.get(field))


def _names(data: Mapping[str, Any], field: str) -> dict[int, str]:
    """Return the names in a list by their places; what is none is a problem that is told already."""
    given = data.get(field)
    return {at: name for at, name in enumerate(given) if isinstance(name, str)} if isinstance(given, list) else {}


def _schema_problems(field: str, schema: Any) -> Iterator[Problem]:
    if not isinstance(schema, dict):
        return
    try:
        jsonschema.Draft202012Validator.check_schema(schema)
    except jsonschema.SchemaError as error:
        yield Problem(f"no JSON schema: {error.message[:300]}", path_text((field, *error.absolute_path)))
        return
    if field == "output" and schema.get("type") != "object":
        yield Problem("a model's answer is an object: write {type: object, properties: {...}}", field)


def _told(details: Mapping[str, Any], loc: tuple[str | int, ...]) -> str:
    name = str(loc[-1]) if loc else ""
    known = list((Limits if loc[:1] == ("limits",) else SpecialistFile).model_fields)
    if details["type"] == "extra_forbidden":
        return f"unknown field {name!r}{Nearest(known).hint(name, f'; known are {listed(known, 20)}')}"
    if details["type"] == "missing":
        return f"{name!r} is missing; a specialist has a name, a description and a prompt"
    if details["type"] == "string_pattern_mismatch":
        return f"a name begins with no space, and has no '|', no ':' and at most 80 characters, {got(details['input'])}"
    return worded(details, loc)
