"""Cycles: found once for each knot, the shortest, whatever the graph."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from thorough import examples

from fanwise.schema.cycles import find_cycles
from fanwise.state import Plan, PlanError


@st.composite
def dags(draw: st.DrawFn) -> list[list[int]]:
    """Task n -> tasks before it that it waits for."""
    size = draw(st.integers(1, 25))
    return [sorted(draw(st.sets(st.integers(0, n - 1), max_size=4))) if n else [] for n in range(size)]


def plan_of(graph: list[list[int]], order: list[int]) -> dict[str, Any]:
    return {"tasks": [{"id": f"t{n}", "specialist": "wait", "depends_on": [f"t{m}" for m in graph[n]]} for n in order]}


@settings(max_examples=examples(50, 500), deadline=None)
@given(st.data())
def test_random_dags_are_accepted(data: st.DataObject) -> None:
    """A graph without a cycle is a plan, in whatever order its tasks are written."""
    graph = data.draw(dags())
    order = data.draw(st.permutations(range(len(graph))))

    assert len(Plan.model_validate(plan_of(graph, list(order))).tasks) == len(graph)


@settings(max_examples=examples(50, 500), deadline=None)
@given(st.data())
def test_added_cycle_is_named_truly(data: st.DataObject) -> None:
    """With a way back added to a chain, the refusal writes out a cycle whose every step is a dependency of the plan."""
    graph = data.draw(dags())
    length = data.draw(st.integers(2, 6))
    ring = [len(graph) + n for n in range(length)]
    extra = [
        [ring[(n + 1) % length], *data.draw(st.sets(st.integers(0, len(graph) - 1), max_size=2))] for n in range(length)
    ]
    whole = [*graph, *extra]
    order = list(data.draw(st.permutations(range(len(whole)))))
    with pytest.raises(PlanError) as caught:
        Plan.model_validate(plan_of(whole, order))

    (problem,) = caught.value.problems
    found = re.search(r"cycle: (.*) \(each waits", problem.message)
    assert found is not None
    path = [int(name.removeprefix("t")) for name in found[1].split(" -> ")]
    assert path[0] == path[-1]
    assert sorted(path[:-1]) == ring
    assert all(later in whole[earlier] for earlier, later in pairwise(path))


def test_each_knot_gives_its_shortest_cycle() -> None:
    """Of two knots each gives one cycle; in a knot of many cycles it is a shortest one."""
    graph = {
        "a": ["b"],
        "b": ["c"],
        "c": ["d", "b"],
        "d": ["a"],
        "x": ["y", "x"],
        "y": ["z"],
        "z": ["x"],
        "free": ["a"],
    }

    assert find_cycles(graph) == [["b", "c"], ["x", "y", "z"]]


def test_dense_knot_ends() -> None:
    """A knot in which everyone waits for everyone is settled at once, with exponentially many cycles in it."""
    names = [f"t{n}" for n in range(300)]

    assert find_cycles({name: [other for other in names if other != name] for name in names}) == [["t0", "t1"]]
