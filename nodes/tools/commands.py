"""The tool `run_command`: programs that the user has allowed, by name, in the workspace."""

from __future__ import annotations

import shlex
from collections.abc import Collection
from typing import Any

from langchain.agents.middleware.human_in_the_loop import InterruptOnConfig
from langchain_core.runnables import RunnableConfig
from langchain_core.tools import BaseTool, ToolException, tool

from ...schema.words import listed
from .processes import TIMEOUT_S, run_program
from .workspace import Workspace

RUN_COMMAND = "run_command"

_CHECKPOINTER = "__pregel_checkpointer"
"""Where LangGraph keeps a run's checkpointer; a private name."""

Approval = dict[str, bool | InterruptOnConfig]
"""What `HumanInTheLoopMiddleware` takes."""


def commands_for(
    workspace: Workspace, allowed: Collection[str], asks: bool, config: RunnableConfig
) -> tuple[list[BaseTool], Approval | None]:
    """Return the tool that runs the allowed programs, and who approves them; no tool where nobody could be asked.

    Args:
        workspace: the folder that they run in.
        allowed: names of programs; there may be none.
        asks: whether a person approves each command.
        config: the node's configuration; a run without a checkpointer can't wait for a person.
    """
    if not allowed or (asks and config.get("configurable", {}).get(_CHECKPOINTER) is None):
        return [], None
    return [command_tool(workspace, allowed)], approval(workspace) if asks else None


def command_tool(workspace: Workspace, allowed: Collection[str], timeout_s: float = TIMEOUT_S) -> BaseTool:
    """Return the tool that runs the allowed programs.

    Args:
        workspace: the folder that they run in.
        allowed: names of programs; each is looked up in `PATH`.
        timeout_s: seconds that one may take.
    """

    @tool(RUN_COMMAND, parse_docstring=True)
    async def run_command(command: str) -> str:
        """Run a command in the workspace's folder, without a shell: no pipes, no redirection, no variables, no &&.

        Args:
            command: The program and its arguments, such as: pytest -q tests
        """
        words = split_command(command, allowed)
        try:
            outcome = await run_program(words, workspace.root, timeout_s)
        except FileNotFoundError:
            raise ToolException(f"{words[0]!r} is not installed here") from None
        ended = f"ended after {timeout_s:g} s" if outcome.timed_out else f"exit code {outcome.exit_code}"
        return f"[{ended}]\n{outcome.output}"

    run_command.description += f" Allowed: {', '.join(allowed)}."
    return run_command


def split_command(command: str, allowed: Collection[str]) -> list[str]:
    """Return a command's words.

    Raises:
        ToolException: it is empty, its quotes do not match, or its program is not among those allowed.
    """
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise ToolException(f"the command {command!r} can't be read: {error}") from None
    if not words or "\0" in command:
        raise ToolException(f"the command {command!r} names no program")
    if words[0] not in allowed:
        raise ToolException(f"{words[0]!r} is not allowed; allowed are {listed(list(allowed))}, without a path")
    return words


def approval(workspace: Workspace) -> Approval:
    """Return what `HumanInTheLoopMiddleware` takes, so that a person sees each command before it runs."""

    def describe(tool_call: Any, state: Any, runtime: Any) -> str:
        return f"A command is to run in {workspace.root}: {tool_call['args'].get('command', '')}"

    return {RUN_COMMAND: InterruptOnConfig(allowed_decisions=["approve", "edit", "reject"], description=describe)}
