"""Checks of a file that a model wrote: it is parsed, linted and tested for real, and never imported by this process."""

from __future__ import annotations

import json
import shutil
import tomllib
import warnings
from collections.abc import Callable, Sequence
from pathlib import PurePosixPath
from typing import Literal

import yaml
from pydantic import BaseModel

from ....schema.errors import FanwiseError
from ....schema.words import install
from ...tools.processes import clean_environment, run_program
from ...tools.pytest_runner import TIMEOUT_S, run_pytest
from ...tools.workspace import Workspace
from .coder import LEVELS, Level, lacks_tools

PROBLEMS = 20
"""Problems of one level that are told."""

PYTHON = frozenset({".py", ".pyi"})


class Check(BaseModel):
    """What one level came to."""

    level: Level
    status: Literal["passed", "failed", "skipped"]
    problems: list[str] = []
    """What failed."""
    note: str = ""
    """Why it was skipped, or how many tests passed."""


def need_tools(level: Level) -> None:
    """Refuse to begin where a level's tool is missing.

    Raises:
        FanwiseError: ruff, or pytest, is not installed.
    """
    if lacks := lacks_tools(level):
        raise FanwiseError(lacks)


async def validate(workspace: Workspace, path: str, level: Level, tests: Sequence[str]) -> list[Check]:
    """Check a file level by level, up to the first that fails.

    Args:
        workspace: the folder.
        path: the file, as `Workspace.locate` gives it.
        level: the last level.
        tests: what `level` "tests" runs.
    """
    checks: list[Check] = []
    for each in LEVELS[1 : LEVELS.index(level) + 1]:
        if each == "syntax":
            checks.append(_syntax(path, workspace.read_text(path)))
        elif each == "lint":
            checks.append(await _lint(workspace, path))
        else:
            checks.append(await _tested(workspace, tests))
        if checks[-1].status == "failed":
            break
    return checks


def _syntax(path: str, text: str) -> Check:
    parse = _PARSERS.get(PurePosixPath(path).suffix.lower())
    if parse is None:
        return Check(level="syntax", status="skipped", note="no parser for this kind of file")
    try:
        parse(text)
    except SyntaxError as error:
        return Check(level="syntax", status="failed", problems=[f"{path}:{error.lineno}: {error.msg}"])
    except (ValueError, yaml.YAMLError, RecursionError, MemoryError, OverflowError) as error:
        problem = " ".join(str(error).split()) or type(error).__name__
        return Check(level="syntax", status="failed", problems=[f"{path}: {problem}"])
    return Check(level="syntax", status="passed")


def _compile(text: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        compile(text, "<file>", "exec", dont_inherit=True)


def _yaml(text: str) -> None:
    for _ in yaml.parse(text, yaml.SafeLoader):  # events alone: nothing is built, and no alias multiplies
        pass


_PARSERS: dict[str, Callable[[str], object]] = {
    **dict.fromkeys(PYTHON, _compile),
    ".json": json.loads,
    ".toml": tomllib.loads,
    ".yaml": _yaml,
    ".yml": _yaml,
}


def _ruff() -> str:
    found = shutil.which("ruff", path=clean_environment()["PATH"])
    if found is None:
        raise FanwiseError(f"ruff is not installed; 'validation: lint' needs it: {install('coding')}")
    return found


async def _lint(workspace: Workspace, path: str) -> Check:
    if PurePosixPath(path).suffix.lower() not in PYTHON:
        return Check(level="lint", status="skipped", note="ruff reads Python alone")
    words = [_ruff(), "check", "--no-fix", "--no-cache", "--quiet", "--output-format=concise", "--", path]
    outcome = await run_program(words, workspace.root)
    if outcome.exit_code == 0:
        return Check(level="lint", status="passed")
    if outcome.exit_code != 1:
        raise FanwiseError(f"ruff could not check {path}: {outcome.output[-500:].strip() or 'it did not end'}")
    return Check(level="lint", status="failed", problems=outcome.output.strip().splitlines()[:PROBLEMS])


async def _tested(workspace: Workspace, tests: Sequence[str]) -> Check:
    suite = await run_pytest(workspace, tests)
    if suite.ok:
        return Check(level="tests", status="passed", note=suite.told(TIMEOUT_S))
    problems = [f"{failure.test}: {failure.message}" for failure in suite.failures] or [suite.output[-2000:]]
    return Check(level="tests", status="failed", problems=[suite.told(TIMEOUT_S), *problems][:PROBLEMS])
