"""What must hold for single tasks beyond their types: their expressions, and how they combine others."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, Protocol

from .aggregate import BUILT_IN, MODES, Aggregate, aggregate_problems, own_function
from .draft import Draft, draft_plan
from .errors import Problem
from .expressions import NAMES, looked_at, problems
from .words import Loc, Nearest, listed, path_text, shown


def check_tasks(draft: Draft) -> None:
    """Note wrong expressions, and aggregates that can't come to anything."""
    for index, task in enumerate(draft.tasks):
        if isinstance(task, Mapping):
            for place, message in (*_expression_problems(task), *aggregate_problems(task)):
                draft.refuse(("tasks", index, *place), message)


def _expression_problems(task: Mapping[str, Any]) -> Iterator[tuple[Loc, str]]:
    for name in ("when", "transform"):
        expression = task.get(name)
        if not isinstance(expression, str) or not expression:
            continue
        yield from (((name,), message) for message in problems(expression, NAMES))
        needs = task.get("depends_on") or ()
        for seen in dict.fromkeys((*looked_at(expression, "results"), *looked_at(expression, "status"))):
            if isinstance(needs, list | tuple) and seen not in needs:
                hint = Nearest(need for need in needs if isinstance(need, str)).hint(seen, "; add it to 'depends_on'")
                yield (name,), f"looks at {shown(seen)}, which is not one of the task's dependencies{hint}"


class Combines(Protocol):
    """A task, as far as it combines others."""

    @property
    def aggregate(self) -> Aggregate | None:
        """How it does."""
        ...


def check_functions(tasks: Sequence[Combines], known: Collection[str]) -> list[Problem]:
    """Return a problem for each aggregate that asks for a function which is neither built-in nor one of these."""
    given = [None if task.aggregate is None else task.aggregate.model_dump() for task in tasks]
    return [Problem(message, path_text(loc)) for loc, message in _unknown_functions(given, known)]


def check_written_functions(data: Any, known: Collection[str] = ()) -> list[Problem]:
    """Return the same for a plan as it was written, which may be wrong in other ways."""
    draft = draft_plan({"tasks": data} if isinstance(data, list) else data if isinstance(data, Mapping) else {})
    given = [task.get("aggregate") if isinstance(task, Mapping) else None for task in draft.tasks]
    return [Problem(message, draft.path(loc)) for loc, message in _unknown_functions(given, known)]


OWN = "; one of your own is marked with @reducer, in a file for --specialists, or given to `build_graph(functions=)`"
"""Where functions come from that are not built in."""


def _unknown_functions(given: Sequence[Any], known: Collection[str]) -> Iterator[tuple[Loc, str]]:
    for index, spec in enumerate(given):
        asked = own_function(spec) if isinstance(spec, Mapping) else None
        if asked is None or asked[1] in known:
            continue
        field, name = asked
        names = sorted({*known, *BUILT_IN, *(MODES if field == "mode" else ())})
        hint = Nearest(names).hint(name, f"; known are {listed(names, 20)}{OWN}")
        yield ("tasks", index, "aggregate", field), f"unknown function {shown(name)}{hint}"
