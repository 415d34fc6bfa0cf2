"""What comes of planning with a model, and how it is told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ...schema.plan import Plan, Task
from .checking import Checked, Checker
from .draft import PlanDraft
from .salvage import salvaged


@dataclass(frozen=True, slots=True)
class Planned:
    """What became of a request."""

    plan: Plan | None
    """The plan; `None` where nothing is to be done, or where the rules have to plan (`use_router`)."""
    reply: str = ""
    """What to say where nothing is to be done."""
    why: str = ""
    """How the plan came about, in a sentence."""
    warnings: tuple[str, ...] = ()
    """What went wrong on the way, and what was left out for it."""
    usage: Mapping[str, Any] | None = None
    """Tokens, and cost where it is known, as results tell them; `None` where no model was asked."""
    use_router: bool = False
    """Whether the model came to nothing, so that the rules are to plan."""
    workflow: str = ""
    """The workflow that the plan is, or builds on."""
    fault: str = ""
    """Why the model came to nothing, in a sentence."""
    is_servers: bool = False
    """Whether that is the fault of the model's server, and not of what the model wrote."""
    left_out: int = 0
    """How many tasks that the model planned are not in the plan."""


@dataclass(frozen=True, slots=True)
class Additions:
    """What a model makes of a round's results."""

    tasks: tuple[Task, ...] = ()
    """Further tasks; the plan with them behind its own is valid."""
    done: bool = True
    """Whether there is nothing more to do: always so without tasks."""
    why: str = ""
    """The model's reason, or what came in its way."""
    warnings: tuple[str, ...] = ()
    usage: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of asking and, where need be, asking again."""

    draft: PlanDraft
    """The last one that could be read; an empty one if none could."""
    checked: Checked | None
    repairs: int = 0
    fault: str = ""
    """Why there is no good answer."""

    name: str = ""
    """The model's."""
    is_servers: bool = False
    """Whether the fault is its server's, and not its answer's."""

    def planned(self, checker: Checker, request: str, warnings: list[str], usage: Mapping[str, Any] | None) -> Planned:
        """Return the plan, the best part of it, the reply, or that the rules are to plan."""
        checked = self.checked
        if not self.fault and checked is not None:
            if checked.plan is None:
                return Planned(None, self.draft.reply, "The model sees nothing to do.", tuple(warnings), usage)
            said, why = (*warnings, *checked.notes), _why(self.name, checked, self.repairs)
            return Planned(checked.plan, "", why, said, usage, workflow=checked.base.workflow)
        plan, left_out = self._salvaged(checker, request)
        if plan is None or checked is None:
            told = f"the model {self.name} made no plan that can be used, so that the rules plan: {self.fault}"
            why = "The model made no plan that can be used."
            said = (*warnings, told, *left_out)
            fault, servers = self.fault, self.is_servers
            return Planned(None, "", why, said, usage, use_router=True, fault=fault, is_servers=servers)
        told = f"the plan of the model {self.name} is used in part: {self.fault}"
        why = f"The model {self.name} planned {count(len(plan.tasks), 'task')}, not all of it as it was written."
        fewer = max(0, len(checked.base.tasks) + len(checked.tasks) - len(plan.tasks))
        said = (*warnings, told, *left_out)
        return Planned(plan, "", why, said, usage, workflow=checked.base.workflow, left_out=fewer)

    def added(self, checker: Checker, before: int, request: str, usage: Mapping[str, Any] | None) -> Additions:
        """Return the further tasks, or the best part of them, behind the `before` tasks of the plan."""
        if not self.fault and self.checked is not None:
            tasks = self.checked.plan.tasks[before:] if self.checked.plan is not None else ()
            return Additions(tasks, not tasks, self.draft.why, self.checked.notes, usage)
        plan, left_out = self._salvaged(checker, request)
        tasks = plan.tasks[before:] if plan is not None else ()
        told = f"the model {self.name} was asked for further tasks: {self.fault}"
        return Additions(tasks, not tasks, self.draft.why or "It came to no answer.", (told, *left_out), usage)

    def _salvaged(self, checker: Checker, request: str) -> tuple[Plan | None, list[str]]:
        if self.checked is None:
            return None, []
        plan, said = salvaged(checker, self.checked, request)
        return plan, [*self.checked.notes, *said]


def _why(name: str, checked: Checked, repairs: int) -> str:
    own = count(len(checked.tasks), "task")
    after = f", after {count(repairs, 'correction')}" if repairs else ""
    if not checked.base.workflow:
        return f"The model {name} planned {own}{after}."
    added = f" and added {own}" if checked.tasks else ""
    return f"The model {name} chose the workflow {checked.base.workflow}{added}{after}."


def count(number: int, word: str) -> str:
    """Return a number of things in words."""
    return f"{number} {word}{'s' * (number != 1)}"
