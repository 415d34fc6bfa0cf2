"""Remote specialists that are described in a file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import jsonschema
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ....schema.document import Document
from ....schema.errors import PlanError, Problem
from ....schema.policy import Retry
from ....schema.translate import worded
from ....schema.words import Loc, Nearest, got, listed, path_text
from ...specialist import Specialist
from .settings import Remote, remote_problems, secret_problems, with_plain_urls
from .specialist import specialist_of

HABITS = {"urls": "url", "assistant": "graph", "assistant_id": "graph", "graph_id": "graph", "key": "api_key"}
"""Other words for fields of `remote`."""


class RemoteFile(BaseModel):
    """What a file describes."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(pattern=r"^[^|:\s][^|:\n]{0,79}$")
    description: str = Field(min_length=1)
    """What planners choose it by."""
    remote: Remote
    input: dict[str, Any] | None = None
    """JSON schema of its tasks' input."""
    retry: Retry | None = None
    """Further attempts where neither the task nor the plan says anything."""


def is_remote(document: Document) -> bool:
    """Tell whether a file describes a specialist of another deployment."""
    return isinstance(document.data, dict) and "remote" in document.data


def remote_from(document: Document) -> Specialist:
    """Return the specialist that a file describes.

    Raises:
        PlanError: it describes none; all problems, each with its line.
    """
    if problems := document.located(_problems(document.data)):
        raise PlanError(problems, document.source)
    data = {**document.data, "remote": with_plain_urls(document.data["remote"])}
    described = RemoteFile.model_validate(data)
    return specialist_of(described.name, described.description, described.remote, described.input, described.retry)


def _problems(data: Mapping[str, Any]) -> Iterator[Problem]:
    try:
        RemoteFile.model_validate(data)
    except ValidationError as error:
        for details in error.errors(include_url=False):
            loc = tuple(part for part in details["loc"] if not str(part).startswith(("dict[", "literal[")))
            yield Problem(_told(dict(details), loc), path_text(loc))
    for loc, told in (*remote_problems(data.get("remote")), *secret_problems(data.get("remote"))):
        yield Problem(told, path_text(("remote", *loc)))
    if isinstance(schema := data.get("input"), dict):
        try:
            jsonschema.Draft202012Validator.check_schema(schema)
        except jsonschema.SchemaError as error:
            yield Problem(f"no JSON schema: {error.message[:300]}", path_text(("input", *error.absolute_path)))


def _told(details: Mapping[str, Any], loc: Loc) -> str:
    name = str(loc[-1]) if loc else ""
    models: dict[str, type[BaseModel]] = {"remote": Remote, "retry": Retry}
    model = models.get(str(loc[0]), RemoteFile) if len(loc) > 1 else RemoteFile
    known = list(model.model_fields)
    if details["type"] == "extra_forbidden":
        if model is Remote and name in HABITS:
            return f"unknown field {name!r}; did you mean {HABITS[name]!r}?"
        if model is RemoteFile and name in ("prompt", "tools", "model", "output", "limits", "approve", "writes"):
            return f"{name!r} is for specialists that work here; a remote one has {listed(known, 20)}"
        return f"unknown field {name!r}{Nearest(known).hint(name, f'; known are {listed(known, 20)}')}"
    if details["type"] == "missing":
        needs = "a 'url' and a 'graph'" if model is Remote else "a name, a description and remote:"
        return f"{name!r} is missing; a remote specialist has {needs}"
    if details["type"] == "string_pattern_mismatch":
        return f"a name begins with no space, and has no '|', no ':' and at most 80 characters, {got(details['input'])}"
    return worded(details, loc)
