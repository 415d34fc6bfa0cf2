"""Whatever comes in: a plan, or a PlanError; never another exception."""

from __future__ import annotations

import json
import pickle
from typing import Any

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from thorough import examples

from fanwise.schema.aggregate import Aggregate
from fanwise.schema.plan import Task
from fanwise.schema.policy import PlanConfig, Retry
from fanwise.state import Plan, PlanError

surrogates = st.text(st.characters(), max_size=8)
scalars = (
    st.none() | st.booleans() | st.integers() | st.floats() | surrogates | st.just(10**400) | st.binary(max_size=3)
)
anything = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(surrogates | st.integers(), inner, max_size=4) | st.tuples(inner)
    ),
    max_leaves=12,
)
names = st.sampled_from(["a", "b", "c", "", "\n", 1]) | anything


def objects(*models: Any, more: dict[str, Any]) -> st.SearchStrategy[Any]:
    """Objects that have some of the models' fields, right or wrong, and a few others."""
    fields = {name: anything for model in models for name in model.model_fields} | more
    return st.fixed_dictionaries({}, optional={**fields, "task_id": names, "agent": names, "odd": anything}) | anything


retries = objects(Retry, more={})
expressions = st.sampled_from(["input.a", "results.a.b", "status.a == 'x'", "nope(", "length()", "(" * 900]) | anything
aggregates = objects(
    Aggregate,
    more={
        "strategy": st.sampled_from(["merge", "vote", "race", "reduce", "synthesize"]) | anything,
        "required": st.lists(names, max_size=2) | anything,
        "function": st.sampled_from(["sum", "mine"]) | anything,
        "valid": expressions,
        "min_results": st.integers(0, 3) | anything,
    },
)
some_tasks = objects(
    Task,
    more={
        "id": names,
        "specialist": names,
        "depends_on": st.lists(names, max_size=3) | anything,
        "dependencies": st.lists(names, max_size=3),
        "retry": retries,
        "aggregate": aggregates,
        "when": expressions,
        "transform": expressions,
        "fallback": st.fixed_dictionaries({}, optional={"output": anything, "specialist": names}),
    },
)
plans = objects(
    Plan,
    more={"tasks": st.lists(some_tasks, max_size=4), "config": objects(PlanConfig, more={"retry": retries})},
)
quick = settings(max_examples=examples(100, 1000), deadline=None, suppress_health_check=[HealthCheck.too_slow])


@quick
@given(anything | plans)
def test_any_data_gives_a_plan_or_a_refusal(data: Any) -> None:
    """JSON-like data of any shape, odd values and all, is validated or refused; the refusal can be shown and sent."""
    try:
        plan = Plan.model_validate(data)
    except PlanError as error:
        assert error.problems
        assert str(pickle.loads(pickle.dumps(error))) == str(error)
        str(error).encode()
    else:
        assert Plan.model_validate(json.loads(json.dumps(plan.to_state(), allow_nan=False))) == plan


PIECES = [
    *("tasks: ", "- id: a", "specialist: wait", "config:", "retry: ", "null", "1e9", ".nan", "9999999999999999999999"),
    *(
        '{"tasks":',
        '{"id": "a", "specialist": "w"}',
        "[[tasks]]\n",
        "id = ",
        '"a"',
        "<<",
        "!!int",
        "&a",
        "*a",
        "---",
        "...",
    ),
    *("\n", "\n  ", "{", "}", "[", "]", ",", ": ", '"', "'", "#", "|", "?", "\t", "\\", "%", "\x00", "\ufeff"),
]
fragments = st.lists(st.sampled_from(PIECES) | st.text(max_size=3), max_size=25).map("".join)


@quick
@given(fragments | st.text() | plans.map(repr))
@example("a: &a [*a]\n")
@example("- ? - *a\n")
@example("!!binary x\n")
@example("[" * 50_000 + "\n")
@example('{"a":' * 50_000 + "\n")
@example("x = " + "[" * 50_000 + "\n")
@example("x = " + "{a=" * 50_000 + "\n")
@example("- " * 50_000 + "\n")
@example('{"tasks": ' + "9" * 5_000 + "}")
@example("tasks: " + "9" * 5_000 + "\n")
@example("x = " + "9" * 5_000 + "\n")
@example("'\ud800'\n")
def test_any_text_gives_a_plan_or_a_refusal(text: str) -> None:
    """Text of any kind is a plan or refused; nothing that it holds raises anything else."""
    for data in (text + "\n", text.encode(errors="replace")):
        try:
            Plan.load(data)
        except PlanError as error:
            assert error.problems
            str(error).encode()


@quick
@given(st.binary(max_size=60))
@example(b"\xef\xbb\xbftasks: []")
@example(b"\xff\xfe\x00\x00")
def test_any_bytes_give_a_plan_or_a_refusal(data: bytes) -> None:
    """Bytes of any kind are a plan or refused."""
    try:
        Plan.load(data)
    except PlanError as error:
        assert error.problems


@quick
@given(st.text(max_size=12))
def test_any_path_gives_a_plan_or_a_refusal(path: str) -> None:
    """A string of any kind, path or text, is a plan or refused."""
    try:
        Plan.load(path)
    except PlanError as error:
        assert error.problems
