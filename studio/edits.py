"""States that people edit by hand: a bad edit is refused with what is wrong, before anything is written."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from functools import cache
from typing import Any, get_type_hints

from langchain_core.messages import convert_to_messages
from langgraph.errors import InvalidUpdateError
from langgraph.types import Overwrite
from pydantic import TypeAdapter, ValidationError

from ..schema.checks import Rules
from ..schema.errors import PlanError, Problem, RunError
from ..schema.plan import Plan
from ..schema.results import TaskResult
from ..schema.words import Nearest, got
from ..state import State


class EditError(RunError, InvalidUpdateError):
    """A hand-edited state was refused; nothing was written. Servers answer it as bad usage (400)."""


def checked_edit(values: Any, before: Mapping[str, Any], specialists: Collection[str]) -> dict[str, Any]:
    """Return what a person writes to a run's state, as the state holds it.

    Args:
        values: the edited channels.
        before: the state that is edited.
        specialists: the names that tasks can use.

    Raises:
        EditError: something in it is not as it has to be; every problem is listed.
    """
    if not isinstance(values, Mapping):
        raise EditError(f"the state was not edited: expected an object with channels, {got(values)}")
    edit, problems, nearest = dict(values), list[Problem](), Nearest(State.__annotations__)
    for name in [name for name in edit if name not in State.__annotations__]:
        problems.append(Problem(f"the state has no such channel{nearest.hint(str(name), '')}", str(name)))
    if "plan" in edit:
        edit["plan"] = _plan(edit["plan"], specialists, problems)
    if "results" in edit and not problems:
        plan = edit.get("plan") or before.get("plan") or {}
        edit["results"] = _results(edit["results"], {task["id"] for task in plan.get("tasks", ())}, problems)
    for name, check in _checks().items():
        if name in edit:
            try:
                edit[name] = check(edit[name])
            except ValidationError as error:
                problems += [Problem(item["msg"], _path(name, item["loc"])) for item in error.errors()[:5]]
            except Exception as error:  # LangChain refuses messages in many ways
                problems.append(Problem(str(error).splitlines()[0][:200], name))
    if problems:
        lines = "".join(f"\n  - {problem}" for problem in problems)
        raise EditError(f"the state was not edited: {len(problems)} problem{'s' * (len(problems) != 1)}{lines}")
    return edit


def _plan(given: Any, specialists: Collection[str], problems: list[Problem]) -> Any:
    if isinstance(given, Overwrite):
        given = given.value
    try:
        skips = isinstance(given, Mapping) and (given.get("config") or {}).get("unknown_specialist") == "skip"
        rules = Rules(specialists=None if skips else specialists, may_be_empty=False)
        return Plan.model_validate(given, context=rules.as_context()).to_state()
    except PlanError as error:
        problems += [Problem(item.message, f"plan.{item.path}" if item.path else "plan") for item in error.problems]
        return given
    except (ValidationError, AttributeError):
        problems.append(Problem(f"expected a plan, {got(given)}", "plan"))
        return given


def _results(given: Any, ids: Collection[str], problems: list[Problem]) -> Any:
    whole = isinstance(given, Overwrite)
    results = given.value if whole else given
    if not isinstance(results, Mapping):
        problems.append(Problem(f"expected results by task id, {got(results)}", "results"))
        return given
    for task_id, result in results.items():
        if task_id not in ids:
            problems.append(
                Problem(f"the plan has no such task{Nearest(ids).hint(str(task_id), '')}", f"results.{task_id}")
            )
        elif result is not None:
            try:
                TaskResult.model_validate(result)
            except ValidationError as error:
                problems += [
                    Problem(item["msg"], _path(f"results.{task_id}", item["loc"])) for item in error.errors()[:5]
                ]
    return given


def _path(name: str, loc: tuple[int | str, ...]) -> str:
    return ".".join([name, *map(str, loc)])


@cache
def _checks() -> dict[str, Callable[[Any], Any]]:
    """Return what checks the plain channels; those with a reducer may be overwritten as a whole."""
    hints = get_type_hints(State)
    plain = {name: hint for name, hint in hints.items() if name not in ("plan", "results", "messages")}
    checks = {name: _or_overwrite(TypeAdapter(hint).validate_python) for name, hint in plain.items()}
    return {**checks, "messages": _or_overwrite(_as_messages)}


def _as_messages(given: Any) -> list[Any]:
    return [*convert_to_messages(given if isinstance(given, list) else [given])]


def _or_overwrite(check: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def checked(value: Any) -> Any:
        return Overwrite(check(value.value)) if isinstance(value, Overwrite) else check(value)

    return checked
