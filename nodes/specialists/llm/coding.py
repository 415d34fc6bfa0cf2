"""The work of `coder`: an agent that writes one file, and checks of what it wrote, whose problems go back to it."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, NotRequired

from langchain.agents.middleware import AgentMiddleware, AgentState, hook_config
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import HumanMessage
from langchain_core.runnables import RunnableConfig
from langgraph.errors import GraphBubbleUp
from langgraph.runtime import Runtime
from pydantic import BaseModel

from ....schema.plan import Task
from ....schema.results import TaskResult
from ...tools.commands import commands_for
from ...tools.files import reading_tools, writing_tools
from ...tools.workspace import NO_WORKSPACE, Workspace
from ...untrusted import as_data, shortened, told_data
from ..equipment import NO_MODEL, Equipment
from .agent import RESULT_CHARS, Agent, told_by_others
from .coder import CoderInput
from .files_shown import shown_files, text_of
from .validation import Check, need_tools, validate

REPAIRS = 2
"""How often the model may mend what does not pass."""

DIFF_CHARS = 20_000
SUMMARY_CHARS = 2_000

PROMPT = """\
You write one file of a repository to a contract. Look at what is there before you write: at the files that it has to
fit to, and at the tests. Write the file with write_file, or change it with edit_file: words change nothing.
Write the whole of what the contract asks for, in the style of the code around it: no placeholders, nothing beyond it.
When the file is written it is checked, and you are told what did not pass.
Then answer with a short summary: what you wrote, and what the reader has to know. No code in the answer."""


class CodeRejected(Exception):
    """What the model wrote did not pass its checks; the file is as it was."""


class Written(BaseModel):
    """The output of `coder`."""

    path: str
    """The file, relative to the workspace."""
    change: Literal["created", "changed", "unchanged"]
    bytes: int
    checks: list[Check]
    """What each level came to."""
    repairs: int
    """How often the model had to mend it."""
    summary: str
    """What the model says of it."""
    diff: str
    """Unified, cut in the middle where it is long."""


class CodingState(AgentState[Any]):
    """The agent's state, and what stands beside it in its checkpoints."""

    found: NotRequired[str | None]
    """The file's text before the task."""
    repairs: NotRequired[int]
    checks: NotRequired[list[dict[str, Any]]]


class OneFile(AgentMiddleware[CodingState, Any, Any]):
    """Checks the file when the agent says that it is done, and sends it back to work while it may mend.

    What the file was before is kept in the agent's state, which every call of a model or a tool brings: an agent that
    waited for a person, and goes on in another process, still knows it.
    """

    state_schema = CodingState

    def __init__(self, workspace: Workspace, path: str, given: CoderInput) -> None:
        super().__init__()
        self._workspace, self._path, self._given = workspace, path, given
        self._found: tuple[str | None] | None = None

    def restore(self) -> None:
        """Put the file back as it was, if the task may have changed it."""
        if self._found is None or text_of(self._workspace, self._path) == self._found[0]:
            return
        if self._found[0] is None:
            self._workspace.remove(self._path)
        else:
            self._workspace.write(self._path, self._found[0].encode())

    async def awrap_model_call(self, request: Any, handler: Any) -> Any:
        """Take notice of what the file was."""
        self._notice(request.state)
        return await handler(request)

    async def awrap_tool_call(self, request: Any, handler: Any) -> Any:
        """Take notice of what the file was."""
        self._notice(request.state)
        return await handler(request)

    def _notice(self, state: Mapping[str, Any]) -> None:
        if "found" in state:
            self._found = (state["found"],)

    async def abefore_agent(self, state: CodingState, runtime: Runtime[Any]) -> dict[str, Any] | None:
        """Keep what is there."""
        return {"found": text_of(self._workspace, self._path), "repairs": 0, "checks": []}

    @hook_config(can_jump_to=["model"])
    async def aafter_agent(self, state: CodingState, runtime: Runtime[Any]) -> dict[str, Any] | None:
        """Check, and ask for repairs."""
        repairs = state.get("repairs", 0)
        if (missing := self._missing(state, repairs)) is not None:
            checks, problem = [], missing
        else:
            checks = await validate(self._workspace, self._path, self._given.validation, self._given.tests)
            problem = _problem(checks)
        told = {"checks": [check.model_dump() for check in checks]}
        if not problem or repairs == REPAIRS:
            return told
        return {**told, "repairs": repairs + 1, "messages": [HumanMessage(problem)], "jump_to": "model"}

    def _missing(self, state: CodingState, repairs: int) -> str | None:
        now = text_of(self._workspace, self._path)
        if now is None:
            return f"{self._path} is not there. Write it with write_file."
        if now == state.get("found") and repairs == 0:
            return f"{self._path} is as it was before you began. Change it, or say why it meets the contract as it is."
        return None


@dataclass(frozen=True, slots=True)
class Coding:
    """One task of `coder`."""

    model: BaseChatModel
    workspace: Workspace
    path: str
    """The file, as `Workspace.locate` gives it."""
    given: CoderInput
    equipment: Equipment

    @classmethod
    def of(cls, equipment: Equipment, given: CoderInput) -> Coding:
        """Make a task ready.

        Raises:
            ValueError: the model or the workspace is missing.
            BorderError: the file is outside of the workspace.
            FanwiseError: a tool that the checks need is not installed.
        """
        if equipment.model is None or equipment.workspace is None:
            raise ValueError(f"specialist `coder`: {NO_MODEL if equipment.model is None else NO_WORKSPACE}")
        need_tools(given.validation)
        workspace = Workspace(equipment.workspace)
        return cls(equipment.model, workspace, workspace.locate(given.output_path), given, equipment)

    async def work(
        self, task: Task, results: Mapping[str, TaskResult], config: RunnableConfig, comment: str, previous: Any
    ) -> Written:
        """Let the agent write the file, and return what it wrote.

        A file that does not pass, or whose writing is interrupted for good, is put back as it was.

        Raises:
            CodeRejected: it does not pass after `REPAIRS` repairs.
        """
        file = OneFile(self.workspace, self.path, self.given)
        text = "\n\n".join([*self._told(task), *told_by_others(results, comment, previous)])
        agent = self._agent(file, config)
        try:
            done = await agent.run(self.model, text, config)
            checks = [Check.model_validate(check) for check in done["checks"]]
            if (problem := _problem(checks)) or text_of(self.workspace, self.path) is None:
                raise CodeRejected(f"{self.path} {_first(checks, problem)}; the file is as it was before the task")
            return self._written(done, checks, agent.answer(done))
        except GraphBubbleUp:  # it waits for a person, and goes on with the file as it is now
            raise
        except BaseException:
            file.restore()
            raise

    def _agent(self, file: OneFile, config: RunnableConfig) -> Agent:
        given = self.equipment
        commands, approve = commands_for(self.workspace, given.commands, given.approve_commands, config)
        tools = [*reading_tools(self.workspace), *writing_tools(self.workspace, {self.path}), *commands]
        return Agent(
            "coder",
            PROMPT,
            tools,
            approve=approve,
            middleware=[file],
        )

    def _told(self, task: Task) -> list[str]:
        given = self.given
        tests = f" It has to pass: {', '.join(given.tests)}." if given.validation == "tests" else ""
        parts = [f"Write `{self.path}` (kind of file: {given.node_type}).{tests}", task.description or task.id]
        if given.contract:
            parts.append(told_data("the contract", given.contract, RESULT_CHARS))
        return parts + shown_files(self.workspace, [self.path, *given.context_files], may_lack={self.path})

    def _written(self, done: Mapping[str, Any], checks: list[Check], summary: str) -> Written:
        found, now = done.get("found"), self.workspace.read_text(self.path)
        lines = difflib.unified_diff(
            (found or "").splitlines(keepends=True),
            now.splitlines(keepends=True),
            f"a/{self.path}" if found is not None else "/dev/null",
            f"b/{self.path}",
        )
        diff = "".join(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines)
        return Written(
            path=self.path,
            change="created" if found is None else "unchanged" if found == now else "changed",
            bytes=len(now.encode()),
            checks=checks,
            repairs=done["repairs"],
            summary=shortened(summary.strip(), SUMMARY_CHARS),
            diff=shortened(diff, DIFF_CHARS),
        )


def _problem(checks: list[Check]) -> str:
    """Return what the model is told of the check that failed."""
    failed = [check for check in checks if check.status == "failed"]
    if not failed:
        return ""
    problems = as_data(f"check {failed[0].level}", "\n".join(failed[0].problems), RESULT_CHARS)
    return f"The file does not pass the check `{failed[0].level}`. Mend it.\n\n{problems}"


def _first(checks: list[Check], problem: str) -> str:
    if not problem:
        return "was not written"
    failed = next(check for check in checks if check.status == "failed")
    told = "; ".join(" ".join(each.split()) for each in failed.problems[:3])
    return f"does not pass `{failed.level}` after {REPAIRS} repairs: {shortened(told, 1500)}"
