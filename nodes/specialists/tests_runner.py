"""`tests`: a specialist that runs the tests in the workspace; it needs no model."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from ...schema.plan import Task
from ...schema.results import TaskResult
from ..specialist import TEST, Specialist, specialist
from ..tools.pytest_runner import TIMEOUT_S, lacks_pytest, run_pytest
from ..tools.workspace import NO_WORKSPACE, Workspace
from .equipment import Equipment
from .inputs import read_input

OUTPUT_CHARS = 4_000
"""Characters of pytest's output in the result, from its end."""


class TestsFailed(Exception):
    """Tests failed that had to pass; the same tests would fail again."""


class TestsInput(BaseModel):
    """What `tests` can be told."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    paths: list[str] = []
    """Files, folders or tests (tests/test_a.py::test_b) in the workspace; what pytest finds by itself if empty."""
    must_pass: bool = True
    """Whether the task fails where tests fail; if not, the result says which."""
    timeout_s: float = Field(TIMEOUT_S, gt=0, allow_inf_nan=False)
    """Seconds that all tests together may take."""


def tests_runner(equipment: Equipment) -> Specialist:
    """Return the specialist `tests` with its equipment."""

    @specialist(
        "tests",
        description="Runs the workspace's tests with pytest: how many passed and failed, and why. Needs no model.",
        tags=[TEST],
        input_schema=TestsInput,
        retry_on=lambda _: False,
    )
    async def run(task: Task, results: dict[str, TaskResult]) -> Any:
        """Run the tests; the output has `ok`, `passed`, `failed`, `skipped`, `failures`, `exit_code`, `output`."""
        if equipment.workspace is None:
            raise ValueError(f"specialist `tests`: {NO_WORKSPACE}")
        given = read_input(TestsInput, task)
        found = await run_pytest(Workspace(equipment.workspace), given.paths, given.timeout_s)
        if given.must_pass and not found.ok:
            why = found.failures[0].message if found.failures else found.output
            raise TestsFailed(f"{found.told(given.timeout_s)}: {why[-1500:]}")
        return {"ok": found.ok, **asdict(found), "output": found.output[-OUTPUT_CHARS:]}

    return replace(run, lacks=lacks_pytest() if equipment.workspace else NO_WORKSPACE)
