"""Named workflows: plans with parameters, kept as data files.

Those that come with Fanwise lie in `plans/workflows`; users add folders of their own. A file holds `name`, `aliases`,
`title`, `description`, `keywords`, `params`, `tasks` and `config`. A text that is exactly `{{params.NAME}}` becomes
the parameter's value, of any JSON type; inside longer text the value is written out. Nothing is ever evaluated.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from importlib import resources
from os import PathLike
from pathlib import Path
from typing import Any

from pydantic import Field, JsonValue, ValidationError

from ..schema.document import Document, read_document
from ..schema.draft import Draft
from ..schema.errors import PlanError, Problem
from ..schema.plan import Plan
from ..schema.policy import Name, Strict
from ..schema.translate import note_errors
from ..schema.words import Loc, Nearest, got, listed, path_text, shown

SUFFIXES = (".yaml", ".yml", ".json", ".toml")
"""Extensions of the files in a folder that are workflows."""

PARAM = re.compile(r"\{\{\s*params\.([^{}]*?)\s*\}\}")


class Param(Strict):
    """What a workflow is told when it is run."""

    description: str = ""
    """What it is, for people and planners."""
    required: bool = False
    """Whether it must be given."""
    default: JsonValue = None
    """Its value where it is not given."""


class Workflow(Strict):
    """A named plan template."""

    name: Name
    """The name by which it is run."""
    aliases: tuple[str, ...] = Field((), strict=False)
    """Other names for it."""
    title: str = ""
    """A few words for lists."""
    description: str = ""
    """What it is for, in a sentence or two."""
    keywords: tuple[str, ...] = Field((), strict=False)
    """Words of a request that point to it."""
    params: dict[str, Param] = Field(default_factory=dict)
    """What it can be told, by name."""
    config: dict[str, JsonValue] = Field(default_factory=dict)
    """The plan's configuration."""
    tasks: tuple[JsonValue, ...] = Field(strict=False)
    """The plan's tasks, with parameters not yet filled in."""

    def plan(self, params: Mapping[str, Any], *, request: str = "") -> Plan:
        """Return the plan with the parameters filled in.

        Raises:
            PlanError: a parameter is unknown or missing, or what comes out is not a plan; all problems in one answer.
        """
        problems = self._param_problems(params)
        values = {name: params.get(name, param.default) for name, param in self.params.items()}
        filled = _Filler(values, problems)
        data: dict[str, Any] = {
            "name": self.name,
            "config": filled.value(self.config, ("config",)),
            "tasks": filled.value(list(self.tasks), ("tasks",)),
        }
        if request:
            data["request"] = request
        if not self.config:
            del data["config"]
        try:
            plan = Plan.model_validate(data)
        except PlanError as error:
            problems.extend(error.problems)
        if problems:
            raise PlanError(problems, f"workflow {self.name!r}")
        return plan

    def _param_problems(self, params: Mapping[str, Any]) -> list[Problem]:
        nearest = Nearest(self.params)
        known = f"; known parameters: {listed(self.params)}"
        problems = [
            Problem(f"unknown parameter {shown(name)}{nearest.hint(str(name), known)}", "params")
            for name in params
            if name not in self.params
        ]
        for name, param in self.params.items():
            if param.required and params.get(name) is None:
                about = f" ({param.description})" if param.description else ""
                problems.append(Problem(f"parameter {name!r}{about} is required; give it a value", "params"))
        return problems


class _Filler:
    """Puts parameters' values into data; notes unknown names with their place."""

    def __init__(self, values: Mapping[str, Any], problems: list[Problem]) -> None:
        self._values = values
        self._problems = problems

    def value(self, data: Any, loc: Loc) -> Any:
        """Return a copy of the data in which the parameters are filled in."""
        if isinstance(data, dict):
            return {key: self.value(item, (*loc, key)) for key, item in data.items()}
        if isinstance(data, list):
            return [self.value(item, (*loc, index)) for index, item in enumerate(data)]
        return self._text(data, loc) if isinstance(data, str) else data

    def _text(self, text: str, loc: Loc) -> Any:
        names = PARAM.findall(text)
        unknown = [name for name in dict.fromkeys(names) if name not in self._values]
        for name in unknown:
            hint = Nearest(self._values).hint(name, f"; known parameters: {listed(self._values)}")
            self._problems.append(Problem(f"unknown parameter {shown(name)}{hint}", path_text(loc)))
        if unknown or not names:
            return text
        whole = PARAM.fullmatch(text)
        if whole:
            return self._values[whole[1]]
        return PARAM.sub(lambda found: _written(self._values[found[1]]), text)


def _written(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def load_workflows(*folders: str | PathLike[str]) -> dict[str, Workflow]:
    """Return the workflows by name: those that come with Fanwise, then those of the folders, later ones winning.

    Raises:
        PlanError: a folder or a file in it cannot be read, or is not a workflow; it names the file and the lines.
    """
    found = {workflow.name: workflow for workflow in _built_in()}
    for folder in folders:
        own: dict[str, Path] = {}
        for path in _files(Path(folder)):
            workflow = read_workflow(read_document(path))
            if workflow.name in own:
                message = f"workflow {workflow.name!r} is in {str(own[workflow.name])!r} too; rename one of them"
                raise PlanError([Problem(message, "name")], str(path))
            own[workflow.name] = path
            found[workflow.name] = workflow
    return found


def _built_in() -> Iterator[Workflow]:
    folder = resources.files(f"{__package__}.workflows")
    for file in sorted(folder.iterdir(), key=lambda entry: entry.name):
        if file.name.endswith(SUFFIXES):
            yield read_workflow(read_document(file.read_bytes(), name=file.name))


def _files(folder: Path) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES and path.is_file())
    except OSError as error:
        message = f"cannot be read: {error.strerror}; give a folder of workflow files"
        raise PlanError([Problem(message)], str(folder)) from None


def read_workflow(document: Document) -> Workflow:
    """Return the workflow that a document holds.

    Raises:
        PlanError: it is not a workflow, or its tasks name parameters that it does not have.
    """
    data = document.data
    if not isinstance(data, dict):
        raise PlanError(
            [Problem(f"expected a workflow (an object with 'name' and 'tasks'), {got(data)}")], document.source
        )
    draft = Draft(data)
    try:
        workflow = Workflow.model_validate(data)
    except ValidationError as error:
        params = data.get("params")
        names = params if isinstance(params, dict) else ()
        note_errors(error, draft, {"": tuple(Workflow.model_fields), **dict.fromkeys(names, tuple(Param.model_fields))})
    else:
        filler = _Filler(dict.fromkeys(workflow.params), draft.problems)
        filler.value(workflow.config, ("config",))
        filler.value(list(workflow.tasks), ("tasks",))
    if draft.problems or document.flawed:
        raise PlanError(document.located(draft.sorted_problems()), document.source)
    return workflow


def find_workflow(name: str, workflows: Mapping[str, Workflow]) -> Workflow:
    """Return the workflow of a name or an alias.

    Raises:
        PlanError: there is none; it names the nearest.
    """
    if name in workflows:
        return workflows[name]
    aliases = {alias: workflow for workflow in workflows.values() for alias in workflow.aliases}
    if name in aliases:
        return aliases[name]
    hint = Nearest([*workflows, *aliases]).hint(name, f"; known workflows: {listed(sorted(workflows))}")
    raise PlanError([Problem(f"no such workflow{hint}")], f"workflow {shown(name)}")
