"""Whether a drafted plan will do: all that any plan has to fulfil, and what only a model's has."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from ...plans.registry import PARAM, Workflow, find_workflow
from ...schema.aggregate import AGGREGATE
from ...schema.checks import MAX_TASKS, Rules, check_exclusives, check_specialists
from ...schema.errors import PlanError, Problem
from ...schema.inputs import check_inputs, check_task_inputs, input_schemas
from ...schema.plan import Plan, Task
from ...schema.task_checks import check_functions
from ...schema.words import Nearest, listed, shown
from ..fitting import lacking
from ..held import Places, held_problems
from ..specialist import Specialist
from .draft import PlanDraft, cleaned, connected, folded, folded_ids, label

FULL_PATH = re.compile(r"^tasks\[(\d+)\]")


@dataclass(frozen=True, slots=True)
class Base:
    """What drafted tasks are added to: nothing, a workflow's plan, or the plan of a run."""

    data: Mapping[str, Any] = field(default_factory=dict)
    """The plan, as its state; without tasks where there are none."""
    workflow: str = ""
    logs: tuple[Any, ...] = ()
    """The run's logs, which the model's tasks may name."""

    @property
    def tasks(self) -> list[dict[str, Any]]:
        """Its tasks."""
        return list(self.data.get("tasks", ()))


@dataclass(frozen=True, slots=True)
class Checked:
    """What came of checking a draft."""

    plan: Plan | None
    """The plan, where there are no problems."""
    problems: tuple[Problem, ...] = ()
    tasks: tuple[Any, ...] = ()
    """The drafted tasks, brought to the plan's names."""
    base: Base = field(default_factory=Base)
    notes: tuple[str, ...] = ()
    """What was left out of the tasks."""


@dataclass(frozen=True)
class Checker:
    """Checks drafts against what there is."""

    specialists: Mapping[str, Specialist]
    workflows: Mapping[str, Workflow]
    max_tasks: int = MAX_TASKS
    functions: Collection[str] = ()
    _validators: dict[str, Any] = field(default_factory=dict, repr=False)

    @cached_property
    def usable(self) -> dict[str, Specialist]:
        """The specialists that a model can give tasks to."""
        return {name: s for name, s in self.specialists.items() if not s.lacks and name != AGGREGATE}

    @cached_property
    def usable_workflows(self) -> dict[str, Workflow]:
        """The workflows all of whose tasks can be done here."""
        there = {name for name, item in self.specialists.items() if not item.lacks} | {AGGREGATE, None}

        def fits(workflow: Workflow) -> bool:
            return all(task.get("specialist") in there for task in workflow.tasks if isinstance(task, dict))

        return {name: workflow for name, workflow in self.workflows.items() if fits(workflow)}

    @cached_property
    def schemas(self) -> dict[str, Mapping[str, Any] | None]:
        """What the specialists take."""
        return input_schemas(self.specialists.values())

    def base(
        self, name: str | None, params: Mapping[str, Any], given: Mapping[str, Any], request: str
    ) -> tuple[Base, list[Problem]]:
        """Return the plan of a drafted workflow, and what is wrong with it.

        Args:
            name: the workflow's name; nothing for none.
            params: what the model gives it.
            given: what the caller gives, which wins; what the workflow does not know of it is passed over.
            request: the request.
        """
        logs = (given.get("events"),)
        if not name:
            return Base(logs=logs), []
        try:
            workflow = find_workflow(name, self.usable_workflows)
            told = {key: value for key, value in given.items() if key in workflow.params and value is not None}
            plan = workflow.plan({**params, **told}, request=request)
            self._hold_params(workflow, plan, set(params) - set(told), logs)
        except PlanError as error:
            where = [Problem(f"{error.source}: {p.message}", p.path or "workflow") for p in error.problems]
            return Base(logs=logs), where
        return Base(plan.to_state(), workflow.name, logs), []

    def _hold_params(self, workflow: Workflow, plan: Plan, free: Collection[str], logs: Sequence[Any]) -> None:
        """Hold what a model's parameters make of a workflow's tasks to what the user gave; its own values stand.

        Raises:
            PlanError: a field of a task is not what it is held to.
        """
        made = [
            {**new, "input": {key: value for key, value in new["input"].items() if _uses(_input(old).get(key), free)}}
            for old, new in zip(workflow.tasks, plan.to_state()["tasks"], strict=True)
            if isinstance(new.get("input"), dict)
        ]
        if problems := list(held_problems(made, self.specialists, Places.of(self.specialists, logs))):
            raise PlanError([Problem(p.message, "params") for p in problems], f"workflow {workflow.name!r}")

    def check(self, draft: PlanDraft, base: Base, request: str, problems: Sequence[Problem] = ()) -> Checked:
        """Return the plan that a draft's tasks and a base make, or all that is wrong with it."""
        tasks, notes = self.brought_in(draft.tasks, [task["id"] for task in base.tasks])
        found = [*draft.problems, *problems]
        if not tasks and not base.tasks and not found:
            found.append(Problem("the answer has neither a task nor a workflow nor a reply"))
        plan, wrong = self.plan(base, tasks, request)
        found += [*_alike(tasks, [task["id"] for task in base.tasks]), *wrong]
        found.sort(key=_place)
        return Checked(None if found else plan, tuple(found), tuple(tasks), base, tuple(notes))

    def brought_in(self, tasks: Sequence[Any], before: Sequence[str]) -> tuple[list[Any], list[str]]:
        """Return drafted tasks under the plan's names, with implied dependencies, and notes of what was left out."""
        clean, notes = [], []
        for index, task in enumerate(tasks):
            kept, left_out = cleaned(task)
            clean.append(kept)
            if left_out:
                fields = ", ".join(map(shown, left_out[:5]))
                notes.append(f"{label(kept, index)}: {fields} left out, since a model's plan does not set it")
        own = [task["id"] for task in clean if isinstance(task, dict) and isinstance(task.get("id"), str)]
        known = dict.fromkeys([*before, *own])
        by_fold = folded_ids(known)
        return [connected(task, known, by_fold) for task in clean], notes

    def plan(self, base: Base, tasks: Sequence[Any], request: str) -> tuple[Plan | None, list[Problem]]:
        """Return the plan, or all that is wrong with it, with paths that count the drafted tasks."""
        before = base.tasks
        data = {**base.data, "request": request, "tasks": [*before, *tasks]}
        problems = self._specialist_problems(tasks)
        plan: Plan | None = None
        try:
            plan = Plan.model_validate(data, context=Rules(max_tasks=self.max_tasks).as_context())
        except PlanError as error:
            problems += [_moved(problem, len(before)) for problem in error.problems]
        else:
            alone = {name for name, item in self.specialists.items() if item.exclusive}
            whole = [*check_functions(plan.tasks, self.functions), *check_exclusives(plan, alone)]
            problems += [_moved(problem, len(before)) for problem in whole]
        if len(tasks) <= self.max_tasks:
            problems += check_task_inputs(tasks, self.schemas, self._validators)
            problems += held_problems(tasks, self.specialists, Places.of(self.specialists, base.logs, before))
        return (None if problems else plan), problems

    def kept_problems(self, plan: Plan) -> list[Problem]:
        """Return what keeps a plan that was made earlier from running here."""
        _, problems = self.plan(Base(plan.to_state()), [], plan.request)
        there = {name for name, item in self.specialists.items() if not item.lacks}
        problems += check_specialists(plan, there)
        return [*problems, *check_inputs(plan, self.schemas)]

    def single(
        self, task: Any, known: Collection[str], beside: Base | None = None
    ) -> tuple[Task | None, list[Problem]]:
        """Return a drafted task by itself, or all that is wrong with it.

        Args:
            task: the task.
            known: the ids that it may depend on.
            beside: what it is added to; its tasks' logs may be named.
        """
        needs = task.get("depends_on") if isinstance(task, dict) else None
        there = [need for need in needs if isinstance(need, str) and need in known] if isinstance(needs, list) else []
        stubs = [{"id": need, "specialist": "-"} for need in dict.fromkeys(there) if need != task.get("id")]
        logs = Places.of(self.specialists, *((beside.logs, beside.tasks) if beside else ())).logs
        plan, problems = self.plan(Base({"tasks": stubs}, logs=logs), [task], "")
        return (plan.tasks[-1] if plan else None), problems

    def _specialist_problems(self, tasks: Sequence[Any]) -> list[Problem]:
        nearest, found = Nearest(sorted(self.usable)), []
        for index, task in enumerate(tasks):
            name = task.get("specialist") if isinstance(task, dict) else None
            if not isinstance(name, str) or not name:
                continue
            if name in self.usable:
                if lacks := lacking(self.usable[name], task.get("input")):
                    found.append(Problem(f"{label(task, index)}: {lacks}", f"tasks[{index}].specialist"))
                continue
            otherwise = f"; there are {listed(list(self.usable), 30)}"
            if (there := self.specialists.get(name)) is not None and there.lacks:
                message = f"specialist {shown(name)} can't be used ({there.lacks}); give the task to another one"
            elif there is not None:
                message = f"specialist {shown(name)} is not for plans of a model{otherwise}"
            else:
                message = f"unknown specialist {shown(name)}{nearest.hint(name, otherwise)}"
            found.append(Problem(f"{label(task, index)}: {message}", f"tasks[{index}].specialist"))
        return found


def _input(task: Any) -> Mapping[str, Any]:
    given = task.get("input") if isinstance(task, Mapping) else None
    return given if isinstance(given, Mapping) else {}


def _uses(value: Any, params: Collection[str]) -> bool:
    """Tell whether a workflow's text is filled in from one of these parameters."""
    return isinstance(value, str) and any(name in params for name in PARAM.findall(value))


def _alike(tasks: Sequence[Any], before: Sequence[str]) -> list[Problem]:
    """Return a problem for each id that differs from an earlier one in case or blanks only."""
    first = {folded(name): name for name in before}
    found = []
    for index, task in enumerate(tasks):
        name = task.get("id") if isinstance(task, dict) else None
        if not isinstance(name, str) or not name.strip():
            continue
        earlier = first.setdefault(folded(name), name)
        if earlier != name:
            message = f"id {shown(name)} differs from {shown(earlier)} in case or blanks only; give it another name"
            found.append(Problem(message, f"tasks[{index}].id"))
    return found


def _place(problem: Problem) -> int:
    """Return the index of the task that a problem is about; what is about the whole stands first."""
    found = FULL_PATH.match(problem.path)
    return int(found[1]) if found else -1


def _moved(problem: Problem, by: int) -> Problem:
    """Return a problem with its path counting the drafted tasks only."""
    found = FULL_PATH.match(problem.path)
    if found is None or not by:
        return problem
    index, rest = int(found[1]) - by, problem.path[found.end() :]
    path = f"tasks[{index}]{rest}" if index >= 0 else f"the plan's task {int(found[1]) + 1}{rest}"
    return Problem(problem.message, path)
