"""What people type into a graph, as the input that its planner reads: a request, a conversation, or a form's fields."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from langchain_core.messages import AnyMessage, HumanMessage, convert_to_messages

from ..nodes.conversation import asked
from ..plans.registry import Workflow
from ..schema.errors import FanwiseError, PlanError, Problem
from ..schema.plan import Plan
from ..schema.words import Nearest, got, listed

FIELDS = ("request", "messages", "workflow", "params", "plan")
"""What a graph takes that runs anything."""


@dataclass(frozen=True)
class Intake:
    """Reads what a graph is started with. What is not given is cleared: a thread can hold one run after another."""

    workflow: Workflow | None = None
    """The one workflow that the graph runs; without it, the graph runs anything."""
    specialists: Collection[str] | None = None
    """The names that tasks can use; not looked at if not given."""

    @property
    def fields(self) -> tuple[str, ...]:
        """The names of what can be given."""
        if self.workflow is None:
            return FIELDS
        own = [name for name in self.workflow.params if name not in FIELDS]
        return ("request", "messages", *own, "params")

    def __call__(self, given: Any) -> Any:
        """Return the graph's input.

        Raises:
            PlanError: a field is unknown, or of another kind; every problem is listed.
        """
        if not isinstance(given, Mapping):
            return given
        problems = list[Problem]()
        told = {name: value for name, value in given.items() if value is not None and value != ""}
        nearest = Nearest(self.fields)
        for name in [name for name in told if name not in self.fields]:
            problems.append(
                Problem(f"unknown field{nearest.hint(name, f'; it takes {listed(self.fields)}')}", str(name))
            )
        request = _taken(told, "request", str, "", problems)
        params: Mapping[str, Any] = _taken(told, "params", Mapping, {}, problems)
        workflow = _taken(told, "workflow", str, "", problems) if self.workflow is None else self.workflow.name
        plan = _plan(told, problems, self.specialists) if self.workflow is None else {}
        if self.workflow is not None:
            params = {
                **params,
                **{name: told[name] for name in self.workflow.params if name in told and name not in FIELDS},
            }
        messages = _messages(told, problems)
        if problems:
            raise PlanError(problems, "the input")
        if messages and not request and not plan and (self.workflow is not None or not workflow):
            request = asked(messages)
        if words := request or self._stands_for(workflow, plan):
            messages = messages or [HumanMessage(words)]
        given_messages = {"messages": messages} if messages else {}
        return {"request": request, "workflow": workflow, "params": dict(params), "plan": plan, **given_messages}

    def _stands_for(self, workflow: str, plan: Mapping[str, Any]) -> str:
        """Return what a run that was not asked for in words shows in its conversation; its summary answers that."""
        if plan:
            return str(plan.get("request") or plan.get("name") or "Run this plan.")
        if self.workflow is not None:
            return self.workflow.description or self.workflow.title or self.workflow.name
        return workflow


def _taken(told: Mapping[str, Any], name: str, kind: type, default: Any, problems: list[Problem]) -> Any:
    value = told.get(name, default)
    if isinstance(value, kind):
        return value
    problems.append(Problem(f"expected {'a text' if kind is str else 'an object'}, {got(value)}", name))
    return default


def _plan(told: Mapping[str, Any], problems: list[Problem], specialists: Collection[str] | None) -> dict[str, Any]:
    """Return the plan that was given, or read from a text; an empty one where there is none."""
    plan = told.get("plan", {})
    if isinstance(plan, str):
        try:
            if "\n" not in plan and not plan.lstrip().startswith("{"):
                raise _no(plan)
            return Plan.load(plan, name="plan", specialists=specialists).to_state()
        except PlanError as error:
            problems += error.problems
            return {}
    checked: Mapping[str, Any] = _taken(told, "plan", Mapping, {}, problems)
    return dict(checked)


def _no(plan: str) -> PlanError:
    message = f"expected a plan (an object, or the text of a plan file), {got(plan)}; a server reads no plan files"
    return PlanError([Problem(message, "plan")])


def _messages(told: Mapping[str, Any], problems: list[Problem]) -> list[AnyMessage]:
    given = told.get("messages") or []
    try:
        if isinstance(given, str):
            return [HumanMessage(given)]
        return [*convert_to_messages(given if isinstance(given, list) else [given])]  # type: ignore[list-item]
    except Exception as error:  # LangChain raises many kinds
        problems.append(Problem(f"expected a list of messages ({str(error).splitlines()[0][:200]})", "messages"))
        return []


def input_schema(intake: Intake, base: Mapping[str, Any], workflows: Mapping[str, Workflow]) -> dict[str, Any]:
    """Return the JSON schema of the form that starts a graph, with samples.

    Args:
        intake: what reads the form.
        base: the schema of the graph's own input, for its messages.
        workflows: the workflows that can be named.
    """
    flow = intake.workflow
    request = {
        "type": "string",
        "title": "Request",
        "description": "What is asked, in words. This is enough."
        if flow is None
        else "What is asked; may be left out.",
        "examples": ["Why did web-03 go quiet?", "Is anything failing?"],
    }
    params = {"type": "object", "title": "Parameters", "description": "The workflow's parameters by name."}
    messages = {**base["properties"]["messages"], "title": "Messages"}
    if flow is not None:
        own = {name: _field(flow, name) for name in flow.params if name not in FIELDS}
        properties: dict[str, Any] = {"request": request, **own, "messages": messages}
    else:
        names = sorted(workflows)
        about = "A workflow to run, whatever the request says."
        named = {"type": "string", "title": "Workflow", "description": about, "enum": names}
        plan = {
            "anyOf": [{"type": "object"}, {"type": "string"}],
            "title": "Plan",
            "description": "A plan, or the text of a plan file.",
            "examples": [SAMPLE_PLAN],
        }
        properties = {"request": request, "messages": messages, "workflow": named, "params": params, "plan": plan}
    about = "What is asked in words, or a workflow by its name, or a plan." if flow is None else _about(flow)
    return {**base, "description": about, "properties": properties, "required": [], "examples": samples(intake)}


def _about(flow: Workflow) -> str:
    return f"{flow.description or flow.title or flow.name} Nothing is needed; parameters narrow it down."


def samples(intake: Intake) -> list[dict[str, Any]]:
    """Return inputs to begin with."""
    if intake.workflow is None:
        return [{"request": "Why did web-03 go quiet?"}, {"plan": SAMPLE_PLAN}]
    return [{"request": intake.workflow.description or intake.workflow.title}]


SAMPLE_PLAN: dict[str, Any] = {
    "name": "release check",
    "request": "Is the release ready?",
    "tasks": [
        {"id": "build", "specialist": "wait", "input": {"seconds": 0.4, "output": {"wheel": "shop-1.4.whl"}}},
        {"id": "lint", "specialist": "wait", "input": {"seconds": 0.2, "output": {"problems": 0}}},
        {"id": "publish", "specialist": "wait", "depends_on": ["build", "lint"], "review": "before"},
    ],
}


def _field(workflow: Workflow, name: str) -> dict[str, Any]:
    param = workflow.params[name]
    shown = {"title": name.replace("_", " ").capitalize(), "description": param.description, "default": param.default}
    kinds = {bool: "boolean", int: "integer", float: "number", str: "string", list: "array", dict: "object"}
    kind = kinds.get(type(param.default), "string")
    return {"anyOf": [{"type": kind}, {"type": "null"}], **shown}


def known_workflow(name: str, workflows: Mapping[str, Workflow]) -> Workflow:
    """Return a workflow that a graph is made for.

    Raises:
        FanwiseError: there is none.
    """
    if name not in workflows:
        raise FanwiseError(f"no workflow {name!r} to make a graph of; there are {', '.join(sorted(workflows))}")
    return workflows[name]
