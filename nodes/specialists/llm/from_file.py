"""Specialists that are described in a file: a prompt, tools by name, and the shapes of input and output."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jsonschema
from langchain_core.runnables import RunnableConfig
from langgraph.runtime import Runtime

from ....models.chat import chat_model, model_name
from ....models.faults import ModelAnswerError, worth_another_attempt
from ....schema.document import read_document
from ....schema.errors import FanwiseError, PlanError
from ....schema.plan import Task
from ....schema.results import TaskResult
from ....schema.words import path_text
from ...specialist import Specialist
from ..equipment import NO_MODEL, Equipment
from ..remote.file import is_remote, remote_from
from .policy import RETRY
from .specialist_file import SpecialistFile, file_problems
from .toolbox import ACTS, MCP, Toolbox, chosen_servers, lacks


class TimeIsOver(Exception):
    """An attempt took more than the file's `limits.timeout_s`."""


def load_specialist_file(path: str | os.PathLike[str], equipment: Equipment) -> Specialist:
    """Return the specialist that a YAML (or JSON, TOML) file describes.

    Args:
        path: the file.
        equipment: what its tools work with, and the model where the file names none.

    Raises:
        PlanError: the file can't be read, or describes no specialist; all problems, each with its line.
        FanwiseError: the model that it names can't be had.
    """
    document = read_document(Path(path))
    if is_remote(document):
        return remote_from(document)
    problems = document.located(file_problems(document.data, equipment))
    if problems:
        raise PlanError(problems, document.source)
    described = SpecialistFile.model_validate(document.data)
    model = chat_model(described.model) if described.model else equipment.model
    work = Described(described, equipment.made(), model)
    return Specialist(
        described.name,
        work,
        described.description.strip(),
        worth_another_attempt,
        pure=not any(name in ACTS or name.startswith(MCP) for name in described.tools),
        input_schema=described.input,
        retry=RETRY,
        model=model_name(model) if model is not None else None,
        lacks=NO_MODEL if model is None else lacks(described.tools, equipment),
    )


class Described:
    """The work of a specialist that a file describes."""

    def __init__(self, described: SpecialistFile, equipment: Equipment, model: Any) -> None:
        self._described = described
        self._equipment = equipment
        self._model = model
        self._box = Toolbox(equipment, described.tools, described.writes, described.memories)

    async def __call__(
        self,
        task: Task,
        results: Mapping[str, TaskResult],
        runtime: Runtime[Any],
        config: RunnableConfig,
        comment: str,
        previous: Any,
    ) -> Any:
        """Carry out a task."""
        from ....tool_servers.sessions import with_sessions
        from .agent import task_text

        described, text = self._described, task_text(task, results, comment, previous)
        _fit(task.input if task.input is not None else {}, described.input, ValueError, f"input of `{described.name}`")
        if self._model is None or (missing := lacks(described.tools, self._equipment)):
            raise FanwiseError(f"`{described.name}`: {NO_MODEL if self._model is None else missing}")
        named = (
            [f"{MCP}{name}" for name in self._equipment.mcp or {}] if described.approve == "*" else described.approve
        )
        servers = chosen_servers(described.tools, self._equipment, named)

        async def answered(sessions: dict[str, Any]) -> Any:
            return await self._answer(text, sessions, servers, runtime, config)

        try:
            async with asyncio.timeout(described.limits.timeout_s) as limit:
                answer = await with_sessions(servers, answered) if servers else await answered({})
        except TimeoutError:
            if limit.expired():
                raise TimeIsOver(f"no answer within {described.limits.timeout_s:g} s (limits.timeout_s)") from None
            raise
        _fit(answer, described.output, ModelAnswerError, "the answer")
        return answer

    async def _answer(
        self, text: str, sessions: Any, servers: Any, runtime: Runtime[Any], config: RunnableConfig
    ) -> Any:
        from ...tools.mcp_tools import load_tools
        from .agent import Agent

        described = self._described
        tools, approve = await self._box.tools(runtime), self._asked_about()
        if sessions:
            found = await load_tools(sessions, servers, _single_tools(described.tools))
            tools, approve = [*tools, *found.tools], {**approve, **found.approve}
        output = described.output and {
            "title": _plain(described.name),
            "description": "The answer.",
            **described.output,
        }
        agent = Agent(
            _plain(described.name), described.prompt, tools, output, approve, described.limits.max_model_calls
        )
        return await agent.work(self._model, text, config)

    def _asked_about(self) -> dict[str, Any]:
        """Return the tools that a person approves; commands always, unless the equipment says otherwise."""
        from ...tools.commands import RUN_COMMAND, approval
        from ...tools.workspace import Workspace

        described = self._described
        own = [name for name in described.tools if not name.startswith(MCP)]
        asked: dict[str, Any] = {name: True for name in own if described.approve == "*" or name in described.approve}
        if RUN_COMMAND in own and (RUN_COMMAND in asked or self._equipment.approve_commands):
            assert self._equipment.workspace is not None
            asked.update(approval(Workspace(self._equipment.workspace)))
        return asked


def _single_tools(names: list[str]) -> list[tuple[str, str]]:
    """Return the pairs of server and tool where single tools are named; `*` where all of a server are."""
    parted = [name.removeprefix(MCP).partition("/") for name in names if name.startswith(MCP)]
    return [(server, tool or "*") for server, _, tool in parted] if any(tool for _, _, tool in parted) else []


def _plain(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9_-]", "_", name)[:60]


def _fit(value: Any, schema: Mapping[str, Any] | None, error: type[Exception], what: str) -> None:
    if schema is None:
        return
    found = jsonschema.exceptions.best_match(jsonschema.Draft202012Validator(schema).iter_errors(value))
    if found is not None:
        raise error(f"{what}: {path_text(found.absolute_path) or 'as a whole'}: {found.message[:300]}")
