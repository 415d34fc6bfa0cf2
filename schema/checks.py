"""What must hold for a plan as a whole: ids, dependencies, cycles, limits. Pure functions on plain data."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, NamedTuple, Protocol

from .aggregate import AGGREGATE
from .cycles import find_cycles
from .draft import Draft
from .errors import Problem
from .references import has_references, reference_problems
from .task_checks import check_tasks
from .words import Loc, Nearest, got, listed, name_text, shown

CYCLE_SHOWN = 20
"""Tasks of a cycle that a message writes out."""


MAX_TASKS = 10_000
"""Tasks in a plan unless the caller raises it."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What the caller allows; travels as pydantic's validation context."""

    max_tasks: int = MAX_TASKS
    """The largest number of tasks."""
    may_be_empty: bool = True
    """Whether a plan without tasks will do."""
    specialists: Collection[str] | None = None
    """Names that exist; None where they are not known yet."""

    @classmethod
    def of(cls, context: Any) -> Rules:
        """Return the rules in a validation context; a plain `{"max_tasks": n}` will do."""
        names = {field.name for field in fields(cls)}
        given = context if isinstance(context, Mapping) else {}
        return cls(**{key: value for key, value in given.items() if key in names})

    def as_context(self) -> dict[str, Any]:
        """Return the rules as a validation context."""
        return {field.name: getattr(self, field.name) for field in fields(self)}


def check_whole(draft: Draft, rules: Rules) -> None:
    """Note everything in which the tasks do not fit together, or the plan does not fit the rules."""
    count = len(draft.tasks)
    if count > rules.max_tasks:
        draft.refuse(
            ("tasks",),
            f"has {count:,} tasks, more than the limit of {rules.max_tasks:,}; "
            "split the plan or raise max_tasks (the tasks were not looked at)",
        )
        draft.drop_tasks()
        return
    if not rules.may_be_empty and count == 0 and isinstance(draft.data.get("tasks"), list):
        draft.refuse(("tasks",), "holds no task; a plan needs at least one")
    check_graph(draft)
    check_config(draft, count)
    check_reviews(draft)
    check_needs(draft)
    check_names_of_limits(draft)
    check_tasks(draft)
    check_references(draft)
    if rules.specialists is not None and _config_value(draft, "unknown_specialist", "error") == "error":
        draft.problems.extend(_unknown_specialists(draft, rules.specialists))


class Node(NamedTuple):
    """What the graph's checks need of a task."""

    position: int
    id: str | None
    """None where the task has none that can be read."""
    needs: tuple[tuple[int, str], ...]
    """Readable dependencies with their index in `depends_on`."""


def check_graph(draft: Draft) -> None:
    """Note duplicate ids, unknown dependencies, tasks that wait for themselves, and cycles."""
    nodes = [_node(index, task) for index, task in enumerate(draft.tasks)]
    first = _check_ids(draft, nodes)
    _check_needs(draft, nodes, first)
    for cycle in find_cycles({task: [need for _, need in node.needs] for task, node in first.items()}):
        start = first[cycle[0]]
        edge = next(place for place, need in start.needs if need == cycle[1])
        draft.refuse(
            ("tasks", start.position, "depends_on", edge),
            f"cycle: {_cycle_text(cycle)} (each waits for the next); remove one of these dependencies",
        )


def _node(index: int, task: Any) -> Node:
    task_id, needs = _member(task, "id"), _member(task, "depends_on")
    readable: Iterable[tuple[int, str]] = ()
    if needs and isinstance(needs, list | tuple):
        readable = [(place, need) for place, need in enumerate(needs) if isinstance(need, str)]
    return Node(index, task_id if isinstance(task_id, str) else None, tuple(readable))


def _check_ids(draft: Draft, nodes: Iterable[Node]) -> dict[str, Node]:
    first: dict[str, Node] = {}
    for node in nodes:
        if node.id is None:
            continue
        earlier = first.setdefault(node.id, node)
        if earlier is not node:
            see: Loc = ("tasks", earlier.position, "id")
            draft.refuse(
                ("tasks", node.position, "id"),
                f"duplicate id {shown(node.id)}, already the id of {draft.path(see)}; give each task an id of its own",
                see,
            )
        elif node.id and not node.id.strip():
            draft.refuse(("tasks", node.position, "id"), f"must not be blank, {got(node.id)}; give the task a name")
    return first


def _check_needs(draft: Draft, nodes: Sequence[Node], known: Mapping[str, Node]) -> None:
    dangling: list[tuple[Loc, str]] = []
    for node in nodes:
        for place, need in node.needs:
            if need == node.id:
                message = f"task {shown(need)} waits for itself; remove this dependency"
                draft.refuse(("tasks", node.position, "depends_on", place), message)
            elif need not in known:
                dangling.append((("tasks", node.position, "depends_on", place), need))
    nameless = [draft.tasks[node.position] for node in nodes if node.id is None]
    excused = _excused({need for _, need in dangling}, nameless)
    nearest = Nearest(known)
    for loc, need in dangling:
        if need not in excused:
            otherwise = f"; known ids: {listed(known)}" if known else "; no task has an id"
            draft.refuse(loc, f"unknown dependency {shown(need)}{nearest.hint(need, otherwise)}")


def _excused(dangling: set[str], nameless: Sequence[Any]) -> set[str]:
    """Return the unknown dependencies that may well mean tasks whose own id could not be read.

    Those are the ones that stand somewhere in such a task, and all others if there are no more of them than such tasks.
    """
    if not dangling or not nameless:
        return set()
    found: set[str] = set()
    left = 0
    for task in nameless:
        if task is None:
            continue
        texts = {task} if isinstance(task, str) else set(_texts(task))
        found |= texts & dangling
        left += not texts & dangling
    rest = dangling - found
    return dangling if len(rest) <= left else found


def _texts(task: Any) -> Iterator[str]:
    if isinstance(task, Mapping):
        yield from (key for key in task if isinstance(key, str))
        yield from (value for value in task.values() if isinstance(value, str))


def _cycle_text(cycle: Sequence[str]) -> str:
    names = [name_text(task) for task in cycle]
    if len(names) > CYCLE_SHOWN:
        half = CYCLE_SHOWN // 2
        names = [*names[:half], f"({len(names) - CYCLE_SHOWN:,} more)", *names[-half:]]
    return " -> ".join([*names, names[0]])


def check_config(draft: Draft, count: int) -> None:
    """Note a `min_success` that cannot be reached or has no meaning."""
    wanted, strategy = _config_value(draft, "min_success"), _config_value(draft, "on_failure", "continue")
    if not isinstance(wanted, int) or isinstance(wanted, bool) or wanted < 1:
        return
    loc: Loc = ("config", "min_success")
    if strategy == "continue":
        draft.refuse(loc, "only counts with 'on_failure: soft'; add that, or remove min_success")
    if wanted > count:
        draft.refuse(
            loc, f"asks for {shown(wanted)} successes, but the plan has {count:,} task{'s' * (count != 1)}; lower it"
        )


def check_reviews(draft: Draft) -> None:
    """Note a default decision that the review can't take."""
    message = "can't be 'skip' where {what} is reviewed; give 'approve' or 'reject'"
    default = _config_value(draft, "review_default")
    if default == "skip" and _config_value(draft, "review") == "plan":
        draft.refuse(("config", "review_default"), message.format(what="the plan"))
    for index, task in enumerate(draft.tasks):
        own = _member(task, "review_default", default)
        if own == "skip" and _member(task, "review") in ("after", "both"):
            draft.refuse(("tasks", index, "review_default"), message.format(what="an output"))


def check_references(draft: Draft) -> None:
    """Note references in inputs that can't be read, name no task, or one that is no dependency."""
    if not any(has_references(_member(task, "input")) for task in draft.tasks):
        return
    known = {task_id: None for task in draft.tasks if isinstance(task_id := _member(task, "id"), str)}
    nearest = Nearest(known)
    for index, task in enumerate(draft.tasks):
        if isinstance(task, Mapping):
            for place, message in reference_problems(task, known, nearest):
                draft.refuse(("tasks", index, *place), message)


class HasTasks(Protocol):
    """A plan, as far as its tasks go."""

    @property
    def tasks(self) -> Sequence[Any]:
        """The tasks."""
        ...


def check_specialists(plan: HasTasks, known: Collection[str]) -> list[Problem]:
    """Return a problem for each task, and each fallback, whose specialist is not one of the known names."""
    return _unknown_specialists(Draft({}, list(plan.tasks)), known)


def check_exclusives(plan: Any, exclusive: Collection[str]) -> list[Problem]:
    """Return a problem for each exclusive task that stands in a group beside others, where the plan refuses that.

    Args:
        plan: the plan.
        exclusive: specialists whose tasks are exclusive unless they say otherwise.
    """
    if plan.config.exclusive_groups == "serialize":
        return []
    groups = Counter(task.parallel_group for task in plan.tasks)
    return [
        Problem(
            f"{shown(task.id)} works beside nothing else, but its group {task.parallel_group} holds "
            f"{groups[task.parallel_group]} tasks; give it a group of its own, or set exclusive_groups: serialize",
            f"tasks[{index}].parallel_group",
        )
        for index, task in enumerate(plan.tasks)
        if task.parallel_group is not None
        and groups[task.parallel_group] > 1
        and (task.exclusive or (task.exclusive is None and task.specialist in exclusive))
    ]


def check_needs(draft: Draft) -> None:
    """Note what tasks ask of pools that there are not, or more than there is."""
    pools, memory = _config_value(draft, "pools", {}), _config_value(draft, "memory_mb")
    nearest = Nearest(pool for pool in pools if isinstance(pool, str)) if isinstance(pools, Mapping) else Nearest(())
    for index, task in enumerate(draft.tasks):
        needs, wants = _member(task, "needs", {}), _member(task, "memory_mb")
        if not needs and wants is None:
            continue
        for pool, units in needs.items() if isinstance(needs, Mapping) and isinstance(pools, Mapping) else ():
            loc: Loc = ("tasks", index, "needs", pool)
            if not isinstance(pool, str):
                continue
            if pool not in pools:
                draft.refuse(loc, f"there is no pool {shown(pool)}{nearest.hint(pool)}; name it under config.pools")
            elif _is_more(units, pools[pool]):
                draft.refuse(loc, f"asks for {_told(units)} of {_told(pools[pool])} units; lower it, or raise the pool")
        if _is_more(wants, memory):
            message = f"asks for {_told(wants)} of {_told(memory)} MiB; lower it, or raise config.memory_mb"
            draft.refuse(("tasks", index, "memory_mb"), message)


def _told(number: Any) -> str:
    """Return a number as it is written; one that is too large for a float too."""
    return f"{number:g}" if isinstance(number, float) else shown(number)


def check_names_of_limits(draft: Draft) -> None:
    """Note limits of specialists that no task has, and rates of what is neither a pool nor such a specialist."""
    if not any(_config_value(draft, field) for field in ("specialist_slots", "rates")):
        return
    specialists = {name for _, name in _specialists_used(draft)}
    given_pools = _config_value(draft, "pools", {})
    pools = {name for name in given_pools if isinstance(name, str)} if isinstance(given_pools, Mapping) else set()
    known = {"specialist_slots": specialists, "rates": specialists | pools}
    words = {"specialist_slots": "no task has the specialist", "rates": "there is no pool, and no task's specialist,"}
    for field, names in known.items():
        given = _config_value(draft, field, {})
        for name in given if isinstance(given, Mapping) else ():
            if isinstance(name, str) and name not in names:
                hint = Nearest(sorted(names)).hint(name, "; take it out")
                draft.refuse(("config", field, name), f"{words[field]} {shown(name)}{hint}")


def _is_more(asked: Any, there_is: Any) -> bool:
    numbers = all(isinstance(number, int | float) for number in (asked, there_is))
    return numbers and bool(asked > there_is)


UNKNOWN_SPECIALIST = "unknown specialist "
"""How the message begins about a task whose specialist is not there."""


def _unknown_specialists(draft: Draft, known: Collection[str]) -> list[Problem]:
    names = frozenset(known)
    suggested = sorted(names - {AGGREGATE})  # that one comes with the field `aggregate`, and is named by nobody
    nearest = Nearest(suggested)
    otherwise = f"; known specialists: {listed(suggested)}"
    return [
        Problem(f"{UNKNOWN_SPECIALIST}{shown(name)}{nearest.hint(name, otherwise)}", draft.path(loc))
        for loc, name in _specialists_used(draft)
        if name not in names
    ]


def _specialists_used(draft: Draft) -> Iterator[tuple[Loc, str]]:
    for index, task in enumerate(draft.tasks):
        for loc in ((), ("fallback",)):
            holder = _member(task, loc[0]) if loc else task
            name = _member(holder, "specialist")
            if isinstance(name, str) and name:
                yield ("tasks", index, *loc, "specialist"), name


def _config_value(draft: Draft, name: str, default: Any = None) -> Any:
    return _member(draft.data.get("config"), name, default)


def _member(holder: Any, name: str, default: Any = None) -> Any:
    return holder.get(name, default) if isinstance(holder, dict) else getattr(holder, name, default)
