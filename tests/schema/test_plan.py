"""Plans as data: what is accepted, what is refused, and with which words."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from pydantic import BaseModel

from fanwise.schema.checks import check_specialists
from fanwise.schema.idle import without_effect
from fanwise.schema.words import counted, few_digits
from fanwise.state import Fallback, Plan, PlanConfig, PlanError, Task


def refused(data: Any, **options: Any) -> list[str]:
    with pytest.raises(PlanError) as caught:
        Plan.model_validate(data, **options)
    return [str(problem) for problem in caught.value.problems]


def tasks(*given: Any, **config: Any) -> dict[str, Any]:
    return {"tasks": [{"specialist": "wait", **task} for task in given], **({"config": config} if config else {})}


def test_synonyms_of_the_dispatcher_are_read() -> None:
    """The dispatcher's names mean the same as the plan's own, and numbers as ids become text."""
    plan = Plan.model_validate(
        {
            "tasks": [
                {"task_id": 1, "agent": "coder", "description": "d", "input_data": {"a": 1}, "dependencies": []},
                {"task_id": "two", "agent": "debug", "dependencies": [1]},
            ],
            "config": {"max_workers": 5, "timeout_seconds": 300, "trace_dir": "traces"},
        }
    )

    assert plan == Plan(
        tasks=(
            Task(id="1", specialist="coder", description="d", input={"a": 1}),
            Task(id="two", specialist="debug", depends_on=("1",)),
        ),
        config=PlanConfig(max_parallel=5, timeout_s=300, trace_dir="traces"),
    )


def test_subtasks_at_the_top_are_tasks() -> None:
    """What is wrong with them is told under the name that was written."""
    given = [{"subtask_id": "1", "agent": "coder"}]
    assert Plan.model_validate({"subtasks": given}) == Plan(tasks=(Task(id="1", specialist="coder"),))
    assert Plan.load(json.dumps({"subtasks": given})).tasks[0].id == "1"
    assert refused({"subtasks": [{**given[0], "dependencies": ["2"]}]}) == [
        "subtasks[0].dependencies[0]: unknown dependency '2'; known ids: 1"
    ]
    assert refused({"tasks": [], "subtasks": given}) == [
        "subtasks: 'subtasks' is another name for 'tasks', which is given too; keep one of them"
    ]
    assert len(refused({"subtasks": given * 3}, context={"max_tasks": 2})) == 1
    text = "subtasks:\n  - {subtask_id: a, agent: x}\n  - {subtask_id: a, agent: x}\n"
    with pytest.raises(PlanError, match=r"line 3 \(subtasks\[1\].subtask_id\): duplicate id 'a'"):
        Plan.load(text)


def test_given_data_is_left_as_it_was() -> None:
    """Validation changes nothing in the dict that a caller gives."""
    data = {"tasks": [{"task_id": 1, "agent": "x", "dependencies": [2, 2]}, {"id": "2", "specialist": "x"}]}
    Plan.model_validate(data)

    assert data == {"tasks": [{"task_id": 1, "agent": "x", "dependencies": [2, 2]}, {"id": "2", "specialist": "x"}]}


def test_state_form_is_read_back() -> None:
    """What `to_state` gives is the same plan again; only what was set is in it, an explicit null too."""
    plan = Plan.model_validate(tasks({"id": "a", "fallback": {"output": None}, "timeout_s": None}, max_parallel=2))

    assert plan.to_state() == {
        "config": {"max_parallel": 2},
        "tasks": [{"id": "a", "specialist": "wait", "fallback": {"output": None}, "timeout_s": None}],
    }
    assert Plan.model_validate(plan.to_state()) == plan


def test_dependency_given_twice_counts_once() -> None:
    """A dependency that stands twice in a list is no problem: it is kept once, in the first place."""
    plan = Plan.model_validate(tasks({"id": "a"}, {"id": "b"}, {"id": "c", "depends_on": ["b", "a", "b"]}))

    assert plan.tasks[2].depends_on == ("b", "a")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (None, "expected a plan (an object with a list of 'tasks'), got null"),
        ([], "expected a plan (an object with a list of 'tasks'), got [] (a list)"),
        ("text", "expected a plan (an object with a list of 'tasks'), got 'text' (text)"),
        ({}, "tasks: 'tasks' is missing; a plan needs a list of tasks, each with 'id' and 'specialist'"),
    ],
)
def test_what_is_no_plan_at_all(data: Any, message: str) -> None:
    """A list, a text, null or an object without tasks is refused in one sentence."""
    assert refused(data) == [message]


def test_all_problems_in_one_answer() -> None:
    """Types, names, dependencies, cycles and limits come together, in the order of the fields."""
    data = tasks(
        {"id": "a", "depends_on": ["c", "zz"]},
        {"id": "b", "depends_on": ["a"], "timeout_s": 0},
        {"id": "c", "depends_on": ["b", "c"]},
        {"id": "a"},
        max_parallel="4",
        min_success=9,
    )

    assert refused({**data, "nmae": "x"}) == [
        "config.max_parallel: expected a whole number, got '4' (text); take the quotes away",
        "config.min_success: only counts with 'on_failure: soft'; add that, or remove min_success",
        "config.min_success: asks for 9 successes, but the plan has 4 tasks; lower it",
        "nmae: unknown field 'nmae'; did you mean 'name'?",
        "tasks[0].depends_on[0]: cycle: a -> c -> b -> a (each waits for the next); remove one of these dependencies",
        "tasks[0].depends_on[1]: unknown dependency 'zz'; known ids: a, b, c",
        "tasks[1].timeout_s: must be greater than 0, got 0; use null for no limit",
        "tasks[2].depends_on[1]: task 'c' waits for itself; remove this dependency",
        "tasks[3].id: duplicate id 'a', already the id of tasks[0].id; give each task an id of its own",
    ]


def test_one_broken_task_brings_no_follow_ups() -> None:
    """What depends on a task that could not be read is not blamed for it."""
    data = {"tasks": [{"name": "a", "specialist": "wait"}, {"id": "b", "specialist": "wait", "depends_on": ["a"]}, 7]}

    assert refused(data) == [
        "tasks[0].name: unknown field 'name'; did you mean 'id'?",
        "tasks[2]: expected a task (an object with 'id' and 'specialist'), got 7 (a whole number)",
    ]


def test_values_that_are_not_json_are_named_with_their_place() -> None:
    """NaN, odd Python objects, numbers beyond 64 bits and half characters never reach a checkpoint."""
    odd = {"a": [1, float("nan")], "b": {"c": (1,)}, "d": 2**70, "e": "\ud800", 5: 1}

    assert refused(tasks({"id": "a", "input": odd})) == [
        "tasks[0].input: keys must be text, got 5 (a whole number)",
        "tasks[0].input.a[1]: nan is not JSON; use null or text",
        "tasks[0].input.b.c: expected a JSON value, got (1,) (a Python tuple)",
        "tasks[0].input.d: 1180591620717411303424 does not fit in 64 bits; write it as text",
        r"tasks[0].input.e: is not valid Unicode: '\ud800' holds half of a surrogate pair",
    ]


def test_value_that_contains_itself() -> None:
    """A list that holds itself is refused like any that is nested too deep, without a RecursionError."""
    loop: list[Any] = []
    loop.append(loop)

    assert refused(tasks({"id": "a", "input": loop})) == [
        "tasks[0].input: is nested more than 100 levels deep; make it flatter"
    ]


def test_limit_on_tasks_comes_with_the_context() -> None:
    """More tasks than allowed are refused at once; the caller's context raises or lowers the limit."""
    data = tasks({"id": "a"}, {"id": "b"}, {"id": "c"})

    assert refused(data, context={"max_tasks": 2}) == [
        "tasks: has 3 tasks, more than the limit of 2; split the plan or raise max_tasks (the tasks were not looked at)"
    ]
    assert len(Plan.model_validate(data, context={"max_tasks": 3}).tasks) == 3


def test_models_are_taken_too() -> None:
    """A plan built from `Task` objects is validated whole as well, by its constructor."""
    with pytest.raises(PlanError, match="unknown dependency 'b'"):
        Plan(tasks=(Task(id="a", specialist="wait", depends_on=("b",)),))
    assert Plan(tasks=()).tasks == ()


def test_plan_inside_another_model() -> None:
    """A broken plan inside another model raises the same PlanError."""

    class Order(BaseModel):
        plan: Plan

    with pytest.raises(PlanError, match=r"tasks\[0\]\.id: 'id' is missing"):
        Order.model_validate({"plan": {"tasks": [{"specialist": "wait"}]}})


def test_options_win_over_the_plan_and_are_checked() -> None:
    """`with_config` changes a copy, and refuses options as a plan's own configuration would be."""
    plan = Plan.model_validate(tasks({"id": "a"}, max_parallel=2, timeout_s=5))

    assert plan.with_config({"max_parallel": 3}).config == PlanConfig(max_parallel=3, timeout_s=5)
    assert plan.config.max_parallel == 2
    with pytest.raises(PlanError) as caught:
        plan.with_config({"max_parallel": 0, "timout_s": 1})
    assert [str(problem) for problem in caught.value.problems] == [
        "config.max_parallel: must be at least 1, got 0; use null for no limit",
        "config.timout_s: unknown field 'timout_s'; did you mean 'timeout_s'?",
    ]


def test_unknown_specialists_are_found_with_the_nearest_name() -> None:
    """Specialists of tasks and of fallbacks are looked up among the names that exist."""
    plan = Plan(
        tasks=(
            Task(id="a", specialist="wiat"),
            Task(id="b", specialist="wait", fallback=Fallback(specialist="zzz")),
            Task(id="c", specialist="errors"),
        )
    )

    assert [str(problem) for problem in check_specialists(plan, {"wait", "errors"})] == [
        "tasks[0].specialist: unknown specialist 'wiat'; did you mean 'wait'?",
        "tasks[1].fallback.specialist: unknown specialist 'zzz'; known specialists: errors, wait",
    ]


def test_long_chain_and_long_ring() -> None:
    """A chain of 10,000 tasks is accepted, and one closed to a ring is refused with a message of sane length."""
    chain = [{"id": f"t{n}", "depends_on": [f"t{n + 1}"] if n < 9_999 else []} for n in range(10_000)]
    assert len(Plan.model_validate(tasks(*chain)).tasks) == 10_000

    chain[-1]["depends_on"] = ["t0"]
    (message,) = refused(tasks(*chain))
    assert "t0 -> t1 -> t2" in message and "(9,980 more)" in message and len(message) < 400


@pytest.mark.parametrize("mistake", ["none", "unknown dependencies", "many cycles"])
def test_large_plans_are_validated_quickly(mistake: str) -> None:
    """10,000 tasks take well under a second, 10,000 mistakes not much more."""

    def needs(n: int) -> list[str]:
        if mistake == "unknown dependencies":
            return [f"x{n}"]
        if mistake == "many cycles":
            return [f"t{n ^ 1}"]
        return [f"t{n * n % 97 % n}", f"t{n // 2}", f"t{n - 1}"] if n else []

    data = tasks(*({"id": f"t{n}", "input": {"rows": [n]}, "depends_on": needs(n)} for n in range(10_000)))
    start = time.process_time()
    problems = 0
    try:
        Plan.model_validate(data)
    except PlanError as error:
        problems = len(error.problems)

    assert problems == {"none": 0, "unknown dependencies": 10_000, "many cycles": 5_000}[mistake]
    assert time.process_time() - start < 30, "quadratic work takes minutes"


def test_long_names_do_not_make_the_search_for_near_ones_slow() -> None:
    """Among many long ids the nearest is not searched for: the known ones are listed instead, at once."""
    prefix = "a-rather-long-prefix/of-some-path/" * 5
    given = [{"id": f"{prefix}{n}"} for n in range(10_000)]
    start = time.process_time()
    (message,) = refused(
        tasks(*given, {"id": "last", "depends_on": [f"{prefix}x"]}, max_parallel=1), context={"max_tasks": 10_001}
    )

    assert "; known ids: " in message
    assert time.process_time() - start < 30, "quadratic work takes minutes"


def test_json_schema_describes_a_plan_file() -> None:
    """Editors get every field with its description, the closed sets, the ranges, and no unknown fields."""
    schema = Plan.model_json_schema()
    task, config = schema["$defs"]["Task"], schema["$defs"]["PlanConfig"]

    assert schema["required"] == ["tasks"]
    assert sorted(task["required"]) == ["id", "specialist"]
    assert task["additionalProperties"] is False
    assert config["properties"]["on_failure"]["enum"] == ["continue", "soft", "fast"]
    assert config["properties"]["max_parallel"]["anyOf"][0] == {"minimum": 1, "type": "integer"}
    fields = [field for model in (schema, *schema["$defs"].values()) for field in model.get("properties", {}).values()]
    assert fields and all(field.get("description") for field in fields)


def test_a_cycle_that_groups_make_is_told_by_its_groups() -> None:
    """It names no dependency that was not written."""
    data = tasks({"id": "c", "parallel_group": 1, "depends_on": ["d"]}, {"id": "d", "parallel_group": 2})
    assert refused(data) == [
        "tasks[1].parallel_group: cycle: c -> d -> c (each waits for the next; d for c, which is in the group before "
        "its own: parallel_group 1 < 2); change a group, or a dependency"
    ]


def test_ties_that_can_not_be_and_null_in_quotes() -> None:
    """Two answers never both have more than half."""
    vote = {"strategy": "vote", "ties": "first", "on_no_winner": "null"}
    data = {"tasks": [{"id": "a", "specialist": "wait"}, {"id": "v", "depends_on": ["a"], "aggregate": vote}]}
    ties, null = refused(data)[::-1]
    assert ties.startswith("tasks[1].aggregate.ties: can never count: two answers can't both have more than half")
    assert null.endswith("expected 'fail' or null, got 'null' (text); null goes without quotes")
    for threshold in (0.5, "plurality"):
        vote.update(threshold=threshold, on_no_winner="fail")
        Plan.model_validate(data)


AGGREGATES = (
    ({"strategy": "vote", "quorum": 2}, "quorum: unknown field 'quorum'; did you mean 'min_results'?"),
    ({"strategy": "merge", "quorum": 2}, "quorum: unknown field 'quorum'; did you mean 'min_results'?"),
    (
        {"strategy": "race", "quorum": 2},
        "quorum: unknown field 'quorum'; known here: strategy, cancel_rest, valid, quality, min_quality",
    ),
    (
        {"strategy": "reduce", "function": "sum", "initial": "0"},
        "initial: 'sum' needs a number to begin with, got '0' (text)",
    ),
    (
        {"strategy": "reduce", "function": "max", "initial": True},
        "initial: 'max' needs a number to begin with, got true (a boolean)",
    ),
    (
        {"strategy": "reduce", "function": "all", "initial": None},
        "initial: 'all' needs true or false to begin with, got null",
    ),
)


@pytest.mark.parametrize(("aggregate", "message"), AGGREGATES)
def test_fields_of_aggregates_that_can_not_be_meant(aggregate: dict[str, Any], message: str) -> None:
    """What is suggested in their place has a meaning for that strategy."""
    data = {"tasks": [{"id": "a", "specialist": "wait"}, {"id": "b", "depends_on": ["a"], "aggregate": aggregate}]}
    assert refused(data) == [f"tasks[1].aggregate.{message}"]


def test_what_can_never_count_is_told() -> None:
    """It is no reason to refuse a plan."""
    given = (
        {"id": "a", "weight": 2, "input": {"output": {"v": 1}}},
        {"id": "b", "hedge": {"after_s": 5}},
        {"id": "c", "hedge": {}, "exclusive": True},
        {"id": "d", "run_if": "one_failed"},
        {"id": "t", "specialist": "pytest", "hedge": {"after_s": 1}},
    )
    assert list(without_effect(Plan.model_validate(tasks(*given, timeout_s=5)), {"pytest"})) == [
        "task 'a': 'weight' says nothing: no vote depends on it",
        "task 'b': 'hedge' never begins: its after_s (5) is not below the time-out (5 s)",
        "task 'c': 'hedge' never begins: the task is exclusive, and a second attempt would work beside it",
        "task 'd': 'run_if: one_failed' says nothing without 'depends_on': it starts at once",
        "task 't': 'hedge' never begins: the task is exclusive, and a second attempt would work beside it",
    ]
    fine = (
        {"id": "a", "weight": 2, "hedge": {"after_s": 5}, "timeout_s": 6},
        {"id": "b", "hedge": {"after_s": 900}, "timeout_s": None, "run_if": "one_failed", "depends_on": ["a"]},
    )
    vote = {"id": "v", "depends_on": ["a", "b"], "aggregate": {"strategy": "vote"}}
    plan = Plan.model_validate({**tasks(*fine), "tasks": [*tasks(*fine)["tasks"], vote]})
    assert list(without_effect(plan)) == []


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ("results.a.v", "looks for results.a.v in each branch's output, which it sees by itself; write v"),
        ("status.a", "looks for status.a in each branch's output, which it sees by itself; leave 'value' out for"),
        ("a.v", "looks for a.v in each branch's output, which it sees by itself; write v"),
        ("output.v", "looks for output.v in each branch's output, which it sees by itself; write v"),
        ("results.v", ""),
        ("status", ""),
        ("v", ""),
    ],
)
def test_paths_of_aggregates_that_begin_with_a_branch_are_told(value: str, told: str) -> None:
    """An expression of an aggregate sees one output by itself, unlike those of a task."""
    own = tasks({"id": "a", "input": {"output": {"v": 1}}}, {"id": "b"})["tasks"]
    merge = {"id": "m", "depends_on": ["a", "b"], "aggregate": {"strategy": "merge", "value": value}}
    found = list(without_effect(Plan.model_validate({"tasks": [*own, merge]})))
    assert [text[: len(f"task 'm': 'value' {told}")] for text in found] == [f"task 'm': 'value' {told}"] * bool(told)


def test_a_race_has_an_output() -> None:
    """A path that begins with a field that some branch is known to have is meant."""
    race = {"id": "r", "depends_on": ["a"], "aggregate": {"strategy": "race"}}
    merge = {"id": "m", "depends_on": ["r"], "aggregate": {"strategy": "merge", "value": "output"}}
    plan = Plan.model_validate({"tasks": [{"id": "a", "specialist": "wait"}, race, merge]})
    assert list(without_effect(plan)) == []


@pytest.mark.parametrize(
    ("seconds", "told"), [(0.604572, "0.605"), (0.05, "0.05"), (3, "3"), (2.5, "2.5"), (600, "600"), (86400.0, "86400")]
)
def test_seconds_are_told_without_their_last_digits(seconds: float, told: str) -> None:
    """What was written in a plan stands as it was written."""
    assert few_digits(seconds) == told


def test_numbers_and_their_words_agree() -> None:
    """One task, two tasks."""
    assert [counted(n, "task") for n in (0, 1, 2, 1000)] == ["0 tasks", "1 task", "2 tasks", "1,000 tasks"]
    assert counted(2, "branch", "branches") == "2 branches"
