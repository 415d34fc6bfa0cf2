"""The work of `debugger`: an agent that reads, and an answer whose evidence is looked up."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from langchain_core.runnables import RunnableConfig
from langchain_core.tools import ToolException
from pydantic import BaseModel, ConfigDict, Field

from ....schema.plan import Task
from ....schema.results import TaskResult
from ...tools.commands import commands_for
from ...tools.files import reading_tools
from ...tools.workspace import NO_WORKSPACE, Workspace
from ...untrusted import told_data
from ..equipment import NO_MODEL, Equipment
from .agent import RESULT_CHARS, Agent, told_by_others
from .debugger import DebuggerInput, Depth
from .files_shown import shown_files

CALLS: dict[Depth, int] = {"quick": 8, "normal": 20, "deep": 40}
"""Calls of the model."""

NEAR_LINES = 5
"""How far a quote may stand from the line that the model names."""

PROMPT = """\
You find out why something does not work. Read the code that takes part, follow the traces, and look for what would
speak against each suspicion as well as for it; a suspicion that you are told of is one of many. You change nothing.
Then answer. Rank what may be the cause, the likeliest first, each with evidence: the file, the line, and the text that
stands there, word for word. Say what to change, where, so that somebody else can do it without asking. Confidence is
the probability, from 0 to 1, that this is the cause; it is low where you have not seen what would decide it. Name what
you have not looked at and what could change the answer."""


class Evidence(BaseModel):
    """A place in a file."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    file: str
    """The file, relative to the workspace."""
    line: int | None
    """The line, counted from 1."""
    quote: str
    """What stands there, word for word."""


class Hypothesis(BaseModel):
    """What may be the cause."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    cause: str
    evidence: list[Evidence]
    confidence: float = Field(ge=0, le=1)
    """The probability that this is the cause, from 0 to 1."""


class Change(BaseModel):
    """What to change in one file."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    file: str
    """The file, relative to the workspace."""
    what: str
    """What to change there."""


class Diagnosis(BaseModel):
    """The root cause, with what else it may be, and what to do about it."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    root_cause: str
    """The cause in a sentence or two."""
    confidence: float = Field(ge=0, le=1)
    """The probability that it is the cause, from 0 to 1."""
    hypotheses: list[Hypothesis]
    """What was considered, the likeliest first."""
    fix: list[Change]
    """What to change, where."""
    not_looked_at: list[str]
    """What was not looked at, and could change the answer."""


class CheckedEvidence(Evidence):
    """A place in a file that was looked up."""

    found: bool
    """Whether the quote stands there, within a few lines."""


class CheckedHypothesis(Hypothesis):
    """What may be the cause, with evidence that was looked up."""

    evidence: list[CheckedEvidence]  # type: ignore[assignment]  # a narrower list, which is only read


class Findings(Diagnosis):
    """The output of `debugger`: the model's diagnosis, its evidence looked up, ranked by confidence."""

    hypotheses: list[CheckedHypothesis]  # type: ignore[assignment]  # a narrower list, which is only read


async def debug(
    equipment: Equipment,
    task: Task,
    given: DebuggerInput,
    results: Mapping[str, TaskResult],
    config: RunnableConfig,
    comment: str,
    previous: Any,
) -> Findings:
    """Let the agent look for the cause, and look up what it quotes.

    Raises:
        ValueError: the model or the workspace is missing.
        ToolException: one of the files can't be read.
    """
    if equipment.model is None or equipment.workspace is None:
        raise ValueError(f"specialist `debugger`: {NO_MODEL if equipment.model is None else NO_WORKSPACE}")
    workspace = Workspace(equipment.workspace)
    parts = [*_told(task, given), *shown_files(workspace, given.files), *told_by_others(results, comment, previous)]
    answer = await _agent(workspace, equipment, given.depth, config).work(equipment.model, "\n\n".join(parts), config)
    return checked(workspace, Diagnosis.model_validate(answer))


def _agent(workspace: Workspace, equipment: Equipment, depth: Depth, config: RunnableConfig) -> Agent:
    commands, approve = commands_for(workspace, equipment.commands, equipment.approve_commands, config)
    return Agent(
        "debugger",
        PROMPT,
        [*reading_tools(workspace), *commands],
        output=Diagnosis,
        approve=approve,
        max_model_calls=CALLS[depth],
    )


def _told(task: Task, given: DebuggerInput) -> list[str]:
    parts = [task.description or given.problem or task.id]
    if given.problem and task.description:
        parts.append(told_data("the problem", given.problem, RESULT_CHARS))
    if given.hypothesis:
        parts.append(told_data("a suspicion", given.hypothesis, RESULT_CHARS))
    parts += [told_data(f"trace {number}", trace, RESULT_CHARS) for number, trace in enumerate(given.traces, 1)]
    return parts


def checked(workspace: Workspace, diagnosis: Diagnosis) -> Findings:
    """Return a diagnosis with its evidence looked up, the likeliest hypothesis first."""
    ranked = sorted(diagnosis.hypotheses, key=lambda each: -each.confidence)
    return Findings(
        **diagnosis.model_dump(exclude={"hypotheses"}),
        hypotheses=[
            CheckedHypothesis(
                cause=each.cause,
                confidence=each.confidence,
                evidence=[
                    CheckedEvidence(**seen.model_dump(), found=_stands(workspace, seen)) for seen in each.evidence
                ],
            )
            for each in ranked
        ],
    )


def _stands(workspace: Workspace, evidence: Evidence) -> bool:
    """Tell whether a quote stands where the model says, spaces aside."""
    quote = " ".join(evidence.quote.split())
    try:
        lines = workspace.read_text(evidence.file).split("\n")
    except (ToolException, OSError):
        return False
    if evidence.line is not None:
        begin = max(0, evidence.line - 1 - NEAR_LINES)
        lines = lines[begin : evidence.line + NEAR_LINES + evidence.quote.count("\n")]
    return bool(quote) and quote in " ".join(" ".join(lines).split())
