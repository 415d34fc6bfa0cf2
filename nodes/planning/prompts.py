"""What a model is told and asked. Short and stable; a change of meaning raises `VERSION`, which plan caches look at."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ...plans.registry import Workflow
from ...schema.errors import Problem
from ..specialist import Specialist
from ..untrusted import RULE

VERSION = "3"

SCHEMA_CHARS = 2_000
"""Characters of an input's schema that are told."""

TASKS_TOLD = 40
"""Tasks of a workflow, or of a plan, that are told."""

PLAN = """\
You turn a request into a plan: tasks for specialists. Tasks that do not wait for each other run side by side.

- Plan the fewest tasks that answer the request. Where one specialist is enough, that is one task.
- A task depends on another one only where it needs that task's result.
- A specialist sees its task and the results that it depends on, not the request: say all in `description` and `input`.
- To put a result into an input, write {{tasks.ID.output}}, or a part of it: {{tasks.ID.output.items[0].name}}. A text
  that is just that becomes the value itself. In a `description`, name the task instead.
- Where a workflow answers the request, name it with its params. Tasks that you add to it may depend on its tasks.
- The answer is written from all results when the tasks are done: plan no task for that.
- Use the specialists and workflows below, by their exact names, and nothing else.
- Where nothing is to be done (a greeting, thanks), give no task and no workflow, and a short answer in `reply`."""

MORE = """\
You look at what the tasks of a plan came to, and decide whether the request can be answered from it.

- If it can, or more tasks would not help, say `done: true` and give no task.
- If not, give the fewest further tasks. They may depend on tasks of the plan, whose ids stay as they are.
- Do not repeat a task that failed without a change that lets it succeed.
- To put a result into an input, write {{tasks.ID.output}}, or a part of it.
- Use the specialists below, by their exact names, and nothing else."""


def plan_prompt(
    specialists: Iterable[Specialist],
    workflows: Iterable[Workflow],
    limits: Sequence[str],
    seconds: Mapping[str, float],
) -> str:
    """Return what the model is told before the request."""
    parts = [PLAN, _specialists(specialists, seconds)]
    if told := [_workflow(workflow) for workflow in workflows]:
        parts.append("Workflows:\n" + "\n".join(told))
    return "\n\n".join([*parts, _limits(limits)])


def more_prompt(specialists: Iterable[Specialist], limits: Sequence[str], seconds: Mapping[str, float]) -> str:
    """Return what the model is told before it looks at results."""
    return "\n\n".join([MORE, RULE, _specialists(specialists, seconds), _limits(limits)])


def request_text(request: str, params: Mapping[str, Any]) -> str:
    """Return the request, with what is given beside it."""
    given = {name: value for name, value in params.items() if value is not None}
    if not given:
        return request
    return f"{request}\n\nGiven with the request:\n{json.dumps(given, ensure_ascii=False, default=str)}"


def results_text(request: str, tasks: Sequence[str], results: Sequence[str]) -> str:
    """Return the request, the plan's tasks, and what they came to."""
    listed = "\n".join(tasks)
    return "\n\n".join([f"The request: {request}", f"The plan's tasks:\n{listed}", "What they came to:", *results])


def repair_text(problems: Sequence[Problem], advice: str = "") -> str:
    """Return what the model is told of an answer that will not do."""
    lines = "\n".join(f"- {problem}{f'; {advice}' if advice else ''}" for problem in problems[:PROBLEMS_TOLD])
    more = len(problems) - PROBLEMS_TOLD
    rest = f"\n- and {more} more of the kind" if more > 0 else ""
    return f"This answer can't be used:\n{lines}{rest}\nWrite the whole answer again, with all of this corrected."


PROBLEMS_TOLD = 40


def limits_told(max_tasks: int, config: Mapping[str, Any]) -> list[str]:
    """Return the limits of a run, each as a sentence."""
    told = [f"At most {max_tasks} task{'s' * (max_tasks != 1)}."]
    if isinstance(slots := config.get("max_parallel"), int):
        told.append(f"At most {slots} work at the same time.")
    if isinstance(deadline := config.get("deadline_s"), int | float):
        told.append(f"The whole run has {deadline:g} s.")
    if isinstance(rounds := config.get("max_rounds"), int) and rounds > 1:
        told.append(f"You will see the results, and may then add tasks, {rounds - 1} more time{'s' * (rounds > 2)}.")
    return told


def task_line(task: Mapping[str, Any]) -> str:
    """Return one task of a plan, as it is told."""
    needs = f", after {', '.join(task['depends_on'])}" if task.get("depends_on") else ""
    about = f": {task['description']}" if task.get("description") else ""
    return f"- {task['id']} ({task['specialist']}{needs}){about}"


def _limits(limits: Sequence[str]) -> str:
    return "Limits: " + " ".join(limits)


def _specialists(specialists: Iterable[Specialist], seconds: Mapping[str, float]) -> str:
    lines = [_specialist(item, seconds.get(item.name)) for item in specialists]
    return "Specialists:\n" + ("\n".join(lines) or "- none")


def _specialist(item: Specialist, seconds: float | None) -> str:
    about = " ".join(item.description.split()).rstrip(".") or "no description"
    parts = [f"- {item.name}: {about}."]
    if item.input_schema is not None:
        parts.append(f"Input: {compact(item.input_schema)}.")
    if seconds is not None:
        parts.append(f"Usually takes {seconds:.2g} s.")
    if item.model:
        parts.append(f"Calls the model {item.model}, which costs.")
    return " ".join(parts)


def _workflow(workflow: Workflow) -> str:
    params = [
        f"{name}{' (required)' if param.required else ''}{': ' * bool(param.description)}{param.description}"
        for name, param in workflow.params.items()
    ]
    tasks = [str(task.get("id")) for task in workflow.tasks if isinstance(task, dict)]
    more = f" and {len(tasks) - TASKS_TOLD} more" if len(tasks) > TASKS_TOLD else ""
    takes = f" Params: {'; '.join(params)}." if params else ""
    about = " ".join((workflow.description or workflow.title).split())
    return f"- {workflow.name}: {about}{takes} Tasks: {', '.join(tasks[:TASKS_TOLD])}{more}."


def compact(schema: Mapping[str, Any]) -> str:
    """Return a JSON schema without what only people need; of one that is too long, the names of its fields."""
    for left_out in (("title", "$schema"), ("title", "$schema", "description", "examples")):
        text = json.dumps(_without(schema, frozenset(left_out)), ensure_ascii=False, separators=(",", ":"))
        if len(text) <= SCHEMA_CHARS:
            return text
    fields = schema.get("properties")
    names = list(fields) if isinstance(fields, Mapping) else []
    return json.dumps({"properties": names, "required": schema.get("required", [])}, ensure_ascii=False)[:SCHEMA_CHARS]


def _without(schema: Any, names: frozenset[str], is_schema: bool = True) -> Any:
    """Return a schema without some keywords; fields of the same name stay."""
    if isinstance(schema, list):
        return [_without(item, names) for item in schema]
    if not isinstance(schema, Mapping):
        return schema
    return {
        key: _without(value, names, not (is_schema and key in ("properties", "$defs", "definitions")))
        if key not in ("default", "const", "enum")
        else value
        for key, value in schema.items()
        if not (is_schema and key in names)
    }
