"""The MCP server: tools that run, explain, resume and tell runs."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Annotated, Any

from mcp.server.fastmcp import Context, FastMCP
from mcp.server.fastmcp.exceptions import ToolError
from mcp.types import CallToolResult, TextContent, ToolAnnotations
from pydantic import BaseModel, Field

from ..graph.explain import explain
from ..nodes.specialist import Specialist
from ..nodes.specialists import built_in
from ..plans.registry import Workflow
from ..schema.checks import MAX_TASKS
from ..schema.errors import RunError
from ..state import RunContext
from . import mcp_errors as errors
from .mcp_arguments import check_size, moment_of, plan_of, request_of, thread_of, to_look_at
from .mcp_client import client_of
from .mcp_results import PlanExplanation, RunDetails, RunResult, plan_explanation, run_details, run_result
from .mcp_runs import Runs

log = logging.getLogger(__name__)

NAME = "fanwise"
MAX_BYTES = 4 * 1024 * 1024
"""Bytes of one request."""

INSTRUCTIONS = """Fanwise runs graphs of tasks in parallel and sums them up.
- dynamic_troubleshoot answers a question about an event log: what is wrong, how bad, why, and what to do.
- run_plan runs a plan of your own: {"tasks": [{"id", "specialist", "input", "depends_on"}]}; explain_plan looks at it.
- A result with status `paused` asks a person: put its questions to the user, then call resume_run with the answers.
- A run that was cancelled or interrupted goes on with resume_run; get_run returns what a result had no room for."""

Ctx = Context[Any, Any, Any]

Problem = Annotated[str, Field(description="What is wrong, or what is asked, in words; may name hosts and times")]
Name = Annotated[str | None, Field(description="Name or alias of a workflow; else the problem's words choose one")]
Log = Annotated[str | None, Field(description="The event log, where the server lets clients name one; else its own")]
Earliest = Annotated[str | None, Field(description="Start of the time that is asked about: ISO 8601, or -24h")]
Latest = Annotated[str | None, Field(description="Its end: ISO 8601, -1h, or now")]
Subject = Annotated[str | None, Field(description="What the question is about, if it is one of these")]
Params = Annotated[dict[str, Any] | None, Field(description="Further parameters of the workflow, by name")]
Thread = Annotated[str | None, Field(description="A name for the new run, to find it again; by default a new one")]
Parallel = Annotated[int | None, Field(ge=1, description="Tasks that work at the same time")]
Seconds = Annotated[float | None, Field(gt=0, le=31_536_000, allow_inf_nan=False)]
PlanObject = Annotated[
    dict[str, Any],
    Field(
        description="The plan itself, no path: `tasks`, each with `id`, `specialist`, at need `description`, `input`, "
        "`depends_on` (ids), `timeout_s`, `retry`, `review` (before, after); `config` with `max_parallel` and the like"
    ),
]
ReviewPlan = Annotated[bool, Field(description="Whether the user looks at the plan before anything runs")]
Run = Annotated[str, Field(description="The run: a result's thread_id")]
Answers = Annotated[
    dict[str, Any] | None,
    Field(description="By question id, task, or `plan`: a decision (`approve`, or an object with type), or any value"),
]


@dataclass(frozen=True)
class Offer:
    """What a server offers, and within which limits."""

    runs: Runs
    workflows: Mapping[str, Workflow] = field(default_factory=dict)
    max_tasks: int = MAX_TASKS
    max_bytes: int = MAX_BYTES


class Server(FastMCP[Any]):
    """FastMCP whose tools refuse what they do not know, and whose errors are one message."""

    def __init__(self, offer: Offer, **settings: Any) -> None:
        """Make a server; takes further settings of FastMCP."""
        super().__init__(NAME, INSTRUCTIONS, max_request_body_size=offer.max_bytes, **settings)
        self._mcp_server.version = version(NAME)  # what clients are told; it would be the SDK's
        self._offer = offer

    async def call_tool(self, name: str, arguments: dict[str, Any]) -> Any:
        """Call a tool.

        Raises:
            ToolError: it failed; the text is for the client.
        """
        tools = {tool.name: tool for tool in self._tool_manager.list_tools()}
        if name not in tools:
            raise ToolError(f"there is no tool {name[:80]!r}; there are {', '.join(tools)}")
        if problem := errors.unknown_arguments(name, arguments, list(tools[name].parameters["properties"])):
            raise ToolError(problem)
        try:
            check_size(arguments, self._offer.max_bytes)
            return await super().call_tool(name, arguments)
        except Exception as error:
            cause = error.__cause__ if isinstance(error, ToolError) and error.__cause__ is not None else error
            if not errors.is_foreseen(cause):
                log.error("tool %s failed", name, exc_info=cause)
            raise ToolError(errors.message_of(cause)) from None


def make_server(offer: Offer, **settings: Any) -> Server:
    """Return the server with its tools, a resource and a prompt; takes further settings of FastMCP."""
    server = Server(offer, **settings)
    _add_running(server, offer)
    _add_looking(server, offer)
    _add_reading(server, offer)
    for tool in server._tool_manager.list_tools():
        tool.parameters["additionalProperties"] = False
    return server


def _add_running(server: Server, offer: Offer) -> None:
    runs = offer.runs
    acting = ToolAnnotations(readOnlyHint=False, destructiveHint=False, openWorldHint=True)

    @server.tool(title="Troubleshoot", annotations=acting)
    async def dynamic_troubleshoot(
        ctx: Ctx,
        problem: Problem = "",
        workflow: Name = None,
        events: Log = None,
        earliest: Earliest = None,
        latest: Latest = None,
        host: Subject = None,
        source: Subject = None,
        sourcetype: Subject = None,
        params: Params = None,
        review_plan: ReviewPlan = False,
        max_parallel: Parallel = None,
        deadline_s: Seconds = None,
        thread_id: Thread = None,
    ) -> Annotated[CallToolResult, RunResult]:
        """Find out what is wrong in an event log: runs a workflow of checks side by side and sums up what they found.

        Workflows: health_check, missing_data_troubleshooting, performance, and what the resource fanwise://workflows
        lists. The result has a severity, findings with evidence, impact, recommendations, and what was not checked.
        """
        subject = {"host": host, "source": source, "sourcetype": sourcetype, "events": events}
        times = {"start": moment_of("earliest", earliest), "end": moment_of("latest", latest)}
        told = {**(params or {}), **{name: value for name, value in {**subject, **times}.items() if value is not None}}
        given = await asyncio.to_thread(request_of, runs, offer.workflows, problem, workflow, told)
        context = _context(max_parallel, None, deadline_s, review_plan)
        context = RunContext(**{**vars(context), "events": given.get("params", {}).get("events")})
        async with client_of(ctx, runs.known) as client:
            return _sent(run_result(await runs.start(given, client, context, thread_of(thread_id))))

    names = ", ".join(sorted(runs.known))
    about = "Run a plan: tasks, their specialists, and what they wait for; independent tasks run side by side."

    @server.tool(title="Run a plan", annotations=acting, description=f"{about}\n\nSpecialists: {names}.")
    async def run_plan(
        ctx: Ctx,
        plan: PlanObject,
        review_plan: ReviewPlan = False,
        max_parallel: Parallel = None,
        timeout_s: Seconds = None,
        deadline_s: Seconds = None,
        thread_id: Thread = None,
    ) -> Annotated[CallToolResult, RunResult]:
        loaded = await asyncio.to_thread(plan_of, runs, plan, offer.max_tasks)
        context = _context(max_parallel, timeout_s, deadline_s, review_plan)
        async with client_of(ctx, runs.known) as client:
            return _sent(
                run_result(await runs.start({"plan": loaded.to_state()}, client, context, thread_of(thread_id)))
            )

    @server.tool(title="Resume a run", annotations=acting)
    async def resume_run(
        ctx: Ctx, thread_id: Run, answers: Answers = None, max_parallel: Parallel = None, deadline_s: Seconds = None
    ) -> Annotated[CallToolResult, RunResult]:
        """Go on with a run that was stopped, or waits for a person; with answers to what it asks.

        Finished tasks do not run again. A run that is over is just told.
        """
        context = _context(max_parallel, None, deadline_s, False)
        async with client_of(ctx, runs.known) as client:
            return _sent(run_result(await runs.resume(thread_id, answers or {}, client, context)))


def _add_looking(server: Server, offer: Offer) -> None:
    runs = offer.runs
    looking = ToolAnnotations(readOnlyHint=True, idempotentHint=True, openWorldHint=False)

    @server.tool(title="Explain a plan", annotations=looking)
    async def explain_plan(plan: PlanObject, slots: Parallel = None) -> Annotated[CallToolResult, PlanExplanation]:
        """Tell what a plan would do, without running it: phases, critical path, expected time and speedup."""

        def told() -> PlanExplanation:
            return plan_explanation(explain(to_look_at(plan, offer.max_tasks), slots))

        return _sent(await asyncio.to_thread(told))

    @server.tool(title="Look at a run", annotations=looking)
    async def get_run(
        thread_id: Run,
        task_id: Annotated[str | None, Field(description="A task whose whole output is wanted")] = None,
        offset: Annotated[int, Field(ge=0, description="Where its text begins: a result's next_offset")] = 0,
        first_task: Annotated[int, Field(ge=0, description="Which task the list begins with")] = 0,
    ) -> Annotated[CallToolResult, RunDetails]:
        """Return how a run stands: its summary, its tasks, what it asks; or the whole output of one task."""
        found = await runs.get(thread_id)
        if task_id is not None and task_id not in found.results:
            known = ", ".join(list(found.results)[:20])
            raise RunError(f"the run {thread_id!r} has no task {task_id[:80]!r}; it has {known}")
        return _sent(run_details(found, task_id, offset, first_task))


def _add_reading(server: Server, offer: Offer) -> None:
    @server.resource("fanwise://workflows", name="workflows", mime_type="application/json")
    def workflows() -> str:
        """The named workflows: what each is for, its aliases, its parameters."""
        return json.dumps([_described(item) for item in offer.workflows.values()], ensure_ascii=False, indent=2)

    @server.resource("fanwise://specialists", name="specialists", mime_type="application/json")
    def specialists() -> str:
        """Who can do a plan's tasks: what each is for, and what its input has to be."""
        here = {item.name: item for item in offer.runs.own.specialists}
        known = {**built_in(offer.runs.setup.equipment, offer.runs.known - set(here)), **here}
        return json.dumps([_worker(item) for item in known.values()], ensure_ascii=False, indent=2)

    @server.prompt(title="Troubleshoot a problem")
    def troubleshoot(problem: str) -> str:
        """Find out what is behind a problem, and say what to do about it."""
        return (
            f"Find out what is behind this problem: {problem}\n\nCall dynamic_troubleshoot with it. If the result is "
            "`paused`, put its questions to me and go on with resume_run. Then tell me what is wrong, how bad it is, "
            "the evidence with its numbers, what was not checked, and what to do first."
        )


def _described(workflow: Workflow) -> dict[str, Any]:
    return {
        "name": workflow.name,
        "aliases": list(workflow.aliases),
        "description": workflow.description,
        "tasks": len(workflow.tasks),
        "params": {name: param.model_dump(mode="json") for name, param in workflow.params.items()},
    }


def _worker(item: Specialist) -> dict[str, Any]:
    told = {"name": item.name, "description": item.description, "input_schema": item.input_schema, "lacks": item.lacks}
    return {name: value for name, value in told.items() if value}


def _context(
    max_parallel: int | None, timeout_s: float | None, deadline_s: float | None, review_plan: bool
) -> RunContext:
    review: Any = "plan" if review_plan else None
    return RunContext(max_parallel=max_parallel, timeout_s=timeout_s, deadline_s=deadline_s, review=review)


def _sent(made: BaseModel) -> CallToolResult:
    """Return a tool's result: structured, and as JSON text for clients that read only text."""
    content = made.model_dump(mode="json")
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
    return CallToolResult(content=[TextContent(type="text", text=text)], structuredContent=content)
