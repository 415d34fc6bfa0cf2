"""`coder`: a specialist that writes one file to a contract; the file passes its checks, or is left as it was."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Literal, Self

from langchain_core.runnables import RunnableConfig
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from ....models.chat import model_name
from ....models.faults import worth_another_attempt
from ....schema.plan import Task
from ....schema.results import TaskResult
from ....schema.words import install
from ...specialist import Specialist, specialist
from ...tools.processes import clean_environment
from ...tools.pytest_runner import lacks_pytest
from ...tools.workspace import NO_WORKSPACE
from ..equipment import NO_MODEL, Equipment
from ..inputs import read_input
from .fields import also, input_schema
from .policy import RETRY

Level = Literal["none", "syntax", "lint", "tests"]
"""How far a file is checked; each level includes those before it."""

LEVELS: tuple[Level, ...] = ("none", "syntax", "lint", "tests")

_OTHER_NAMES: dict[str, Level] = {"lenient": "syntax", "moderate": "lint"}
"""Names of other dispatchers; `strict` is `tests` where there are some, else `lint`."""


class CoderInput(BaseModel):
    """What `coder` can be told."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    output_path: str = Field(min_length=1)
    """The file to write, in the workspace."""
    contract: str = also("contract", "contract_description", default="")
    """What the file has to do and to offer; the task's description if not given."""
    node_type: str = "module"
    """What kind of file it is: module, test, script, LangGraph node, Effect, ..."""
    context_files: list[str] = []
    """Files of the workspace that it has to fit to; the model is shown them."""
    validation: Level = also("validation", "validation_level", default="lint")
    """What the file has to pass: syntax (it compiles), lint (and ruff), tests (and its tests)."""
    tests: list[str] = []
    """Tests that the file has to pass, for `validation: tests`: files, folders, or tests_x.py::test_y."""

    @model_validator(mode="before")
    @classmethod
    def _strictness(cls, given: Any) -> Any:
        for name in ("validation", "validation_level"):
            if isinstance(given, dict) and given.get(name) == "strict":
                return {**given, name: "tests" if given.get("tests") else "lint"}
        return given

    @field_validator("validation", mode="before")
    @classmethod
    def _other_names(cls, given: Any) -> Any:
        return _OTHER_NAMES.get(given, given) if isinstance(given, str) else given

    @model_validator(mode="after")
    def _has_tests(self) -> Self:
        if self.validation == "tests" and not self.tests:
            name = self.output_path.rpartition("/")[2]
            if not (name.startswith("test_") or name.endswith("_test.py")):
                raise ValueError("'validation: tests' needs 'tests', the tests that the file has to pass")
            self.tests = [self.output_path]
        return self


def coder(equipment: Equipment) -> Specialist:
    """Return the specialist `coder` with its equipment; its output is a `coding.Written`."""

    @specialist(
        "coder",
        description="Writes or changes one file of the workspace to a contract, and checks it: syntax, lint, tests.",
        input_schema=_schema(),
        retry_on=worth_another_attempt,
        retry=RETRY,
    )
    async def work(
        task: Task, results: Mapping[str, TaskResult], config: RunnableConfig, comment: str, previous: Any
    ) -> Any:
        from .coding import Coding

        coding = Coding.of(equipment, read_input(CoderInput, task))
        return await coding.work(task, results, config, comment, previous)

    model = equipment.model
    lacks = NO_MODEL if model is None else NO_WORKSPACE if equipment.workspace is None else ""
    name = None if model is None else model_name(model)
    return replace(work, model=name, lacks=lacks, lacks_for=_lacking)


def _lacking(given: Any) -> str:
    """Return what the checks of a task need and do not have, as far as its input tells."""
    if isinstance(given, str):
        return ""
    try:
        asked = CoderInput.model_validate(given)
    except ValidationError:  # told by whoever looks at inputs
        return ""
    return lacks_tools(asked.validation)


def lacks_tools(level: Level) -> str:
    """Return what a level's checks need that is not installed, or nothing."""
    at = LEVELS.index(level)
    if at >= LEVELS.index("lint") and shutil.which("ruff", path=clean_environment()["PATH"]) is None:
        return f"ruff is not installed; 'validation: lint' needs it: {install('coding')}"
    return lacks_pytest() if level == "tests" else ""


def _schema() -> dict[str, Any]:
    schema = input_schema(CoderInput)
    levels = schema["properties"]["validation"]
    return {
        **schema,
        "properties": {**schema["properties"], "validation": {**levels, "enum": [*LEVELS, *_OTHER_NAMES, "strict"]}},
    }
