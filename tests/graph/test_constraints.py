"""Pools, memory, priorities, exclusive tasks, files: what limits which tasks work at the same time."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.runtime import RunControl

from fanwise.graph import build_graph, explain, specialist
from fanwise.graph.resources import SLOTS, Demand
from fanwise.graph.run import execute
from fanwise.graph.schedule import PATIENCE, Limits, Schedule
from fanwise.schema.conflicts import conflicts, goes_behind, overlap, unordered
from fanwise.schema.dag import as_written
from fanwise.state import Plan, PlanError, Task


class Watched:
    """A specialist that notes which tasks work at the same time."""

    def __init__(self, seconds: float = 0.02) -> None:
        self.seconds = seconds
        self.at_work: set[str] = set()
        self.together: list[frozenset[str]] = []
        self.order: list[str] = []

    async def __call__(self, task: Task) -> str:
        """Work for a moment."""
        self.at_work.add(task.id)
        self.order.append(task.id)
        self.together.append(frozenset(self.at_work))
        try:
            await asyncio.sleep(self.seconds)
        finally:
            self.at_work.discard(task.id)
        if isinstance(task.input, dict) and task.input.get("fails"):
            raise ValueError("told to")
        return task.id


def run(plan: dict[str, Any], watched: Watched, **names: Any) -> Any:
    """Run a plan with the watched specialist under the names `w` and those given."""
    graph = build_graph({"w": watched, **names}) if not names else build_graph([*names.values()])
    return asyncio.run(graph.ainvoke({"plan": plan}))


def tasks(count: int, **fields: Any) -> list[dict[str, Any]]:
    """Return some tasks with the same fields."""
    return [{"id": f"t{index}", "specialist": "w", **fields} for index in range(count)]


@pytest.mark.parametrize(
    ("config", "fields", "most"),
    [
        ({"pools": {"api": 4}}, {"needs": {"api": 2}}, 2),
        ({"pools": {"gpu": 1, "api": 8}}, {"needs": {"api": 1, "gpu": 1}}, 1),
        ({"memory_mb": 1000}, {"memory_mb": 300}, 3),
        ({"specialist_slots": {"w": 2}}, {}, 2),
        ({}, {"exclusive": True}, 1),
        ({}, {"writes": ["out/report.txt"]}, 1),
        ({}, {"reads": ["in.csv"]}, 12),
    ],
)
def test_no_limit_is_exceeded_and_what_fits_runs(config: dict[str, Any], fields: dict[str, Any], most: int) -> None:
    """As many work at the same time as the limit allows, and not one more."""
    watched = Watched()
    out = run({"config": config, "tasks": tasks(12, **fields)}, watched)
    assert out["status"] == "succeeded"
    assert max(map(len, watched.together)) == most


def test_an_exclusive_task_works_beside_nothing() -> None:
    """Whatever else there is to do, it is alone; the others are not kept one by one."""
    watched = Watched()
    plan = {"tasks": [*tasks(8), {"id": "alone", "specialist": "w", "exclusive": True, "priority": 1}]}
    assert run(plan, watched)["status"] == "succeeded"
    assert all(len(group) == 1 for group in watched.together if "alone" in group)
    assert max(map(len, watched.together)) == 8


def test_priority_goes_before_the_longest_path() -> None:
    """With one slot, tasks start by priority, then by their remaining path."""
    watched = Watched(0)
    plan = {
        "config": {"max_parallel": 1},
        "tasks": [
            {"id": "long", "specialist": "w", "estimated_s": 9},
            {"id": "urgent", "specialist": "w", "priority": 5},
            {"id": "low", "specialist": "w", "priority": -1, "estimated_s": 99},
            {"id": "short", "specialist": "w"},
        ],
    }
    run(plan, watched)
    assert watched.order == ["urgent", "long", "short", "low"]


def test_specialists_tagged_as_tests_are_exclusive() -> None:
    """They work alone unless they say otherwise; beside others in a group they are refused, or serialised."""
    watched = Watched()
    names = {"w": specialist("w")(watched.__call__), "check": specialist("check", tags=("test",))(watched.__call__)}
    group = [{"id": name, "specialist": name, "parallel_group": 1} for name in names]
    with pytest.raises(PlanError, match="'check' works beside nothing else, but its group 1 holds 2 tasks"):
        run({"tasks": group}, watched, **names)
    assert run({"config": {"exclusive_groups": "serialize"}, "tasks": group}, watched, **names)["status"] == "succeeded"
    assert max(map(len, watched.together)) == 1
    free = [{**task, "exclusive": False} for task in group]
    assert run({"tasks": free}, watched, **names)["status"] == "succeeded"
    assert max(map(len, watched.together)) == 2


def test_groups_run_one_after_another() -> None:
    """A member of a group depends on all of the group before it, and on what it names itself."""
    plan = Plan.model_validate(
        {
            "tasks": [
                {"id": "c", "specialist": "w", "parallel_group": 7},
                {"id": "a", "specialist": "w", "parallel_group": 1},
                {"id": "b", "specialist": "w", "parallel_group": 1, "depends_on": ["z"]},
                {"id": "z", "specialist": "w"},
            ]
        }
    )
    assert {task.id: set(task.depends_on) for task in plan.tasks} == {
        "c": {"a", "b"},
        "a": set(),
        "b": {"z"},
        "z": set(),
    }
    assert Plan.model_validate(plan.to_state()) == plan


def test_fast_ends_the_run_with_the_first_required_failure() -> None:
    """What runs is cancelled, what waits is skipped, the summary tells what is known; optional failures don't count."""
    watched = Watched(0.01)
    plan = {
        "config": {"on_failure": "fast", "max_parallel": 3},
        "tasks": [
            {"id": "quick", "specialist": "w"},
            {"id": "optional", "specialist": "w", "input": {"fails": True}, "required": False},
            {"id": "breaks", "specialist": "w", "input": {"fails": True}, "depends_on": ["quick"]},
            {"id": "hangs", "specialist": "wait", "input": {"hang": True}},
            {"id": "after", "specialist": "w", "depends_on": ["hangs"]},
            {"id": "behind", "specialist": "w", "depends_on": ["breaks"]},
        ],
    }
    out = run(plan, watched)
    statuses = {task_id: result["status"] for task_id, result in out["results"].items()}
    assert out["status"] == "failed"
    assert statuses == {
        "quick": "succeeded",
        "optional": "failed",
        "breaks": "failed",
        "hangs": "cancelled",
        "after": "skipped",
        "behind": "skipped",
    }
    assert "failure of 'breaks'" in out["results"]["hangs"]["error"]
    assert "failure of 'breaks'" in out["results"]["after"]["error"]
    assert out["summary"]["text"]


def test_fast_holds_in_later_supersteps_too() -> None:
    """Phase by phase, the next phase is skipped."""
    plan = {
        "config": {"on_failure": "fast", "schedule": "phased"},
        "tasks": [
            {"id": "breaks", "specialist": "w", "input": {"fails": True}},
            {"id": "other", "specialist": "w"},
            {"id": "next", "specialist": "w", "depends_on": ["other"]},
        ],
    }
    out = run(plan, Watched())
    assert out["results"]["next"]["status"] == "skipped" and "'breaks'" in out["results"]["next"]["error"]


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("a.txt", "./a.txt", True),
        ("src/", "src/deep/a.py", True),
        ("src/*.py", "src/a.py", True),
        ("src/*.py", "src/a.txt", False),
        ("src/**", "src/a/b.py", True),
        ("src/*.py", "src/a*", True),
        ("docs/*", "src/*", False),
        ("a", "b", False),
    ],
)
def test_paths_and_globs_overlap(one: str, other: str, expected: bool) -> None:
    """Folders hold what is in them; globs match; two globs may meet where one begins like the other."""
    plan = [{"id": "1", "writes": [one]}, {"id": "2", "reads": [other]}]
    assert bool(list(conflicts(plan))) is expected
    assert overlap(one.removeprefix("./"), other.removeprefix("./")) is expected


def test_files_are_touched_in_the_order_of_the_plan() -> None:
    """What stands first goes first, behind its own dependencies; the run, a play of it and the warning agree."""

    def touches(task_id: str, *needs: str, **files: Any) -> dict[str, Any]:
        return {"id": task_id, "specialist": "w", "depends_on": list(needs), "estimated_s": 1, **files}

    writes, reads = {"writes": ["f.txt"]}, {"reads": ["f.txt"]}
    given_plan = {
        "tasks": [
            touches("first", "later", **writes),
            touches("later", **writes),
            touches("third", **reads),
            touches("fourth", **writes, input={"fails": True}, required=False),
            touches("fifth", "gate", **writes),
            touches("gate", "sixth"),
            touches("sixth", **reads),
        ]
    }
    watched = Watched()
    run(given_plan, watched)
    order = ["later", "first", "third", "fourth", "sixth", "fifth"]
    assert [name for name in watched.order if name != "gate"] == order
    made = Plan.model_validate(given_plan)
    assert explain(made).expected_makespan_s == 7
    told = unordered(made.to_state()["tasks"])
    assert [(one.first, one.second) for one in told] == [
        ("first", "third"),
        ("first", "fourth"),
        ("third", "fourth"),
        ("fourth", "sixth"),
        ("fourth", "fifth"),
    ]


@given(st.lists(st.sets(st.integers(0, 30), max_size=4), max_size=30), st.randoms())
def test_the_order_of_files_is_topological(needs: list[set[int]], dice: Any) -> None:
    """Each stands behind what it depends on; an order that is so already is left alone."""
    graph = {str(n): [str(need) for need in own if need < n] for n, own in enumerate(needs)}
    assert as_written(graph) == list(graph)
    shuffled = list(graph.items())
    dice.shuffle(shuffled)
    order = as_written(dict(shuffled))
    assert sorted(order) == sorted(graph)
    assert all(order.index(need) < order.index(task) for task, own in graph.items() for need in own)


def test_conflicts_reach_back_to_the_last_write_only() -> None:
    """Readers go beside each other; a writer goes behind all of them; who follows it need not look further."""
    plan = [
        {"id": "w1", "writes": ["f"]},
        {"id": "r1", "reads": ["f"]},
        {"id": "r2", "reads": ["f"]},
        {"id": "w2", "writes": ["f"]},
        {"id": "w3", "writes": ["f"], "depends_on": ["w2"]},
    ]
    assert goes_behind(plan) == {"r1": ["w1"], "r2": ["w1"], "w2": ["w1", "r1", "r2"]}


needs = st.dictionaries(st.sampled_from("abc"), st.integers(1, 3), max_size=3)


@given(
    st.lists(st.tuples(needs, st.integers(-3, 3), st.sampled_from([False] * 4 + [True])), min_size=1, max_size=25),
    st.dictionaries(st.sampled_from("abc"), st.integers(3, 5), min_size=3, max_size=3),
    st.integers(1, 4),
    st.data(),
)
def test_whatever_is_asked_for_every_task_runs_within_the_limits(
    wanted: list[tuple[dict[str, int], int, bool]], pools: dict[str, int], slots: int, data: st.DataObject
) -> None:
    """No deadlock, no limit exceeded, nothing beside an exclusive task, whatever order tasks end in."""
    schedule = Schedule(Limits(slots, None, {name: float(units) for name, units in pools.items()}))
    for index, (units, priority, exclusive) in enumerate(wanted):
        depends = [f"t{j}" for j in data.draw(st.sets(st.integers(0, index - 1), max_size=2))] if index else []
        after = [f"t{j}" for j in data.draw(st.sets(st.integers(0, index - 1), max_size=1))] if index else []
        demand = Demand.of({name: float(count) for name, count in units.items()}, exclusive=exclusive)
        schedule.add(f"t{index}", depends, demand=demand, priority=priority, order=index, after=after)
    started, ended = list[str](), set[str]()
    while len(ended) < len(wanted):
        started += schedule.decide(0.0).start
        running = [wanted[int(task[1:])] for task in schedule.running]
        assert running, "nothing runs, and something is left"
        assert len(running) <= slots
        assert len(running) == 1 or not any(exclusive for _, _, exclusive in running)
        used = Counter[str]()
        for units, _, _ in running:
            used.update(units)
        assert all(used[name] <= pools[name] for name in used)
        done = data.draw(st.sampled_from(sorted(schedule.running)))
        ended.add(done)
        schedule.settle(done, data.draw(st.sampled_from(["succeeded"])))
    assert sorted(started) == sorted(f"t{index}" for index in range(len(wanted)))
    assert schedule.resources.taken.get(SLOTS) == 0.0


def test_a_large_demand_is_not_starved_by_small_ones() -> None:
    """After some others have passed, what it needs is kept for it."""
    schedule = Schedule(Limits(None, None, {"a": 4.0}))
    schedule.add("small-0", demand=Demand.of({"a": 1.0}), order=0)
    schedule.add("large", demand=Demand.of({"a": 4.0}), order=1, rank=5.0)
    passed = 0
    schedule.decide(0.0)
    while "large" not in schedule.running and passed < 100:
        passed += 1
        schedule.add(f"small-{passed}", demand=Demand.of({"a": 1.0}), order=passed + 1)
        schedule.decide(0.0)
        schedule.settle(f"small-{passed - 1}" if f"small-{passed}" in schedule.running else "small-0", "succeeded")
        for task in list(schedule.running):
            if task != f"small-{passed}" and task != "large":
                schedule.settle(task, "succeeded")
        schedule.decide(0.0)
    assert passed <= PATIENCE + 3


def test_fast_does_not_wait_for_people() -> None:
    """A question that is open when a required task fails needs no answer any more."""

    async def check() -> None:
        graph = build_graph([], checkpointer=InMemorySaver())
        tasks = [
            {"id": "asks", "specialist": "wait", "review": "before"},
            {"id": "breaks", "specialist": "wait", "input": {"fail": "told to", "seconds": 0.05}},
            {"id": "behind", "specialist": "wait", "depends_on": ["asks"]},
        ]
        control = RunControl()
        told = await execute(graph, {"plan": {"config": {"on_failure": "fast"}, "tasks": tasks}}, "t", control=control)
        statuses = {task_id: result.status for task_id, result in told.results.items()}
        assert (told.status, told.interrupts) == ("failed", ())
        assert statuses == {"asks": "skipped", "breaks": "failed", "behind": "skipped"}
        plan = {"config": {"on_failure": "fast"}, "tasks": tasks}
        drained = RunControl()

        def drain(event: Any) -> None:
            if event["type"] == "task_finished":
                drained.request_drain()

        told = await asyncio.wait_for(execute(graph, {"plan": plan}, "d", control=drained, on_event=drain), 20)
        assert told.status == "paused"
        assert (await execute(graph, None, "d")).status == "failed"

    asyncio.run(check())


def test_a_race_does_not_wait_for_the_people_of_its_losers() -> None:
    """Once it is won, a question of one of them needs no answer any more."""

    async def check() -> None:
        graph = build_graph([], checkpointer=InMemorySaver())
        tasks = [
            {"id": "asks", "specialist": "wait", "review": "before"},
            {"id": "quick", "specialist": "wait", "input": {"seconds": 0.05}},
            {"id": "first", "depends_on": ["asks", "quick"], "aggregate": {"strategy": "race"}},
        ]
        told = await execute(graph, {"plan": {"tasks": tasks}}, "t")
        assert (told.status, told.results["asks"].status) == ("succeeded", "cancelled")

    asyncio.run(check())


def test_what_several_aggregates_let_go_ends() -> None:
    """A branch that two of them share is cancelled when neither needs it any more, and not before."""
    tasks = [
        {"id": "quick", "specialist": "wait"},
        {"id": "slow", "specialist": "wait", "input": {"hang": True}},
        {"id": "won", "depends_on": ["slow", "quick"], "aggregate": {"strategy": "race"}},
        {"id": "one", "depends_on": ["quick", "slow"], "aggregate": {"strategy": "merge", "first": 1}},
    ]
    out = asyncio.run(asyncio.wait_for(build_graph([]).ainvoke({"plan": {"tasks": tasks}}), 30))
    statuses = {task_id: result["status"] for task_id, result in out["results"].items()}
    assert statuses == {"quick": "succeeded", "slow": "cancelled", "won": "succeeded", "one": "succeeded"}
    assert out["status"] == "succeeded"
