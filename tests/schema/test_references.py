"""References in inputs: what they come to, what is refused, and with which words."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fanwise.schema.filling import LeadsNowhere, filled, resolved
from fanwise.schema.references import Malformed, Reference, has_references, parts, step_text
from fanwise.state import Plan, PlanError

RESULTS: dict[str, dict[str, Any]] = {
    "fetch": {
        "status": "succeeded",
        "error": None,
        "output": {"rows": 3, "items": [{"name": "tea"}, {"name": "cups"}], "odd key": True, "a.b": "dotted", "0": "z"},
    },
    "fetch.output": {"status": "failed", "error": "no page", "output": None},
    "my task-1.x": {"status": "succeeded", "error": None, "output": "text"},
    "list": {"status": "succeeded", "error": None, "output": [[1, 2], None]},
}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("{{tasks.fetch.output.rows}}", 3),
        ("{{ tasks.fetch.output.rows }}", 3),
        ("{{tasks.fetch.output}}", RESULTS["fetch"]["output"]),
        ("{{tasks.fetch.output.items[0].name}}", "tea"),
        ("{{tasks.fetch.output.items[-1].name}}", "cups"),
        ("{{tasks.fetch.output.items.1.name}}", "cups"),
        ("{{tasks.fetch.output.0}}", "z"),
        ("{{tasks.fetch.output.odd key}}", True),
        ('{{tasks.fetch.output["odd key"]}}', True),
        ('{{tasks.fetch.output["a.b"]}}', "dotted"),
        ("{{tasks.fetch.status}}", "succeeded"),
        ("{{tasks.fetch.error}}", None),
        ("{{tasks.fetch.output.status}}", "failed"),
        ("{{tasks.fetch.output.error}}", "no page"),
        ("{{tasks.fetch.output.output}}", None),
        ("{{tasks.my task-1.x.output}}", "text"),
        ('{{tasks["my task-1.x"].output}}', "text"),
        ("{{tasks.list.output[0]}}", [1, 2]),
        ("{{tasks.list.output[0][1]}}", 2),
        ("{{tasks.list.output[1]}}", None),
        ("rows: {{tasks.fetch.output.rows}}.", "rows: 3."),
        ("{{tasks.fetch.output.items[0]}} and {{tasks.my task-1.x.output}}", '{"name": "tea"} and text'),
        ("{{tasks.fetch.output.odd key}}{{tasks.fetch.error}}", "truenull"),
        (" {{tasks.fetch.output.rows}}", " 3"),
        ("{{{tasks.fetch.output.rows}}}", "{3}"),
        ("{{{{tasks.fetch.output}}", "{{tasks.fetch.output}}"),
        ("{{{{{{tasks.x", "{{{{tasks.x"),
        ("{{{{ tasks.x }}", "{{ tasks.x }}"),
        (
            "{{tasks_of_mine}} {{x}} {{{{x}}}} {tasks.fetch.output}",
            "{{tasks_of_mine}} {{x}} {{{{x}}}} {tasks.fetch.output}",
        ),
    ],
)
def test_what_a_reference_comes_to(text: str, value: Any) -> None:
    """Alone it is the value, of any type; inside text it is text; the longest id that fits is taken."""
    assert resolved(text, RESULTS) == value
    assert resolved({"a": [{"b": text}], "n": 1}, RESULTS) == {"a": [{"b": value}], "n": 1}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "{{tasks.fetch.output.itms}}",
            "output has no 'itms'; did you mean 'items'? (it has rows, items, 'odd key'",
        ),
        ("{{tasks.fetch.output.items[7]}}", "output.items is a list of 2 and has no [7]"),
        ("{{tasks.fetch.output.items.name}}", "output.items is a list of 2 and has no field 'name'"),
        ("{{tasks.fetch.output.rows.x}}", "output.rows is a whole number, 3, and has nothing in it"),
        ("{{tasks.list.output[1].x}}", "output[1] is null"),
        ("{{tasks.fetch.output.output.x}}", "there is no output: task 'fetch.output' ended as failed"),
    ],
)
def test_reference_that_leads_nowhere_says_what_is_there(text: str, message: str) -> None:
    """A missing key or index is told with what there is in its place."""
    with pytest.raises(LeadsNowhere) as caught:
        resolved({"a": text}, RESULTS)

    assert message in str(caught.value)
    assert text in str(caught.value)


def test_task_that_has_not_ended_is_told() -> None:
    """A dependency that is not waited for may have no result yet."""
    with pytest.raises(LeadsNowhere, match="task 'late' has not ended; the results that are there are of fetch"):
        resolved("{{tasks.late.output}}", {"fetch": RESULTS["fetch"]}, known=("late", "fetch"))


def test_all_that_leads_nowhere_is_told_and_null() -> None:
    """`filled` leaves null where a reference leads nowhere."""
    made, errors = filled(["{{tasks.fetch.output.x}}", "{{tasks.fetch.output.y}}", "ok"], RESULTS)

    assert made == [None, None, "ok"]
    assert len(errors) == 2


def test_what_is_put_in_is_not_looked_at_again() -> None:
    """A result that looks like a reference stays as it is, and so do keys."""
    results = {"a": {"status": "succeeded", "output": "{{tasks.b.output}}"}, "b": {"status": "succeeded", "output": 1}}

    assert resolved("{{tasks.a.output}}", results) == "{{tasks.b.output}}"
    assert resolved("x{{tasks.a.output}}", results) == "x{{tasks.b.output}}"
    assert resolved({"{{tasks.b.output}}": 1}, results) == {"{{tasks.b.output}}": 1}


def test_references_can_not_double_a_value_without_end() -> None:
    """What they put in is bounded, as text and as values."""
    results = {"a": {"status": "succeeded", "output": "x" * 1_000_000}}
    with pytest.raises(LeadsNowhere, match="more than 10,000,000 values and characters"):
        resolved("{{tasks.a.output}}" * 11, results)
    with pytest.raises(LeadsNowhere, match="more than 10,000,000 values and characters"):
        resolved(["{{tasks.a.output}}"] * 11, results)


def refused(*tasks: dict[str, Any]) -> list[str]:
    with pytest.raises(PlanError) as caught:
        Plan.model_validate({"tasks": [{"id": "a", "specialist": "x"}, *({"specialist": "x", **t} for t in tasks)]})
    return [str(problem) for problem in caught.value.problems]


def test_plan_is_refused_for_what_its_references_lack() -> None:
    """Each problem has its place and what to do."""
    b = {
        "id": "b",
        "input": {
            "x": ["{{tasks.a.output}}", "{{tasks.b.output}}", "{{tasks.aa.output}}"],
            "y": "{{tasks.a.result}} {{tasks.a.output",
            "z": {"q": "{{tasks}}", "r": "{{tasks.a.status.x}}", "s": "{{tasks.a.output..x}}"},
        },
    }

    assert refused(b) == [
        "tasks[1].input.x[0]: refers to task 'a', which is not one of its dependencies; add 'a' to 'depends_on'",
        "tasks[1].input.x[1]: refers to its own task 'b'; refer to one that it depends on",
        "tasks[1].input.x[2]: refers to unknown task 'aa'; did you mean 'a'?",
        "tasks[1].input.y: behind the task 'a' stands .output, .status or .error, got '.result'; "
        "write it as {{tasks.ID.output}}",
        "tasks[1].input.y: '{{tasks.a.output' begins a reference and does not end; close it with }}",
        "tasks[1].input.z.q: '{{tasks}}' names no task; write it as {{tasks.ID.output}}",
        "tasks[1].input.z.r: '.status' is text or null, nothing stands behind it, got '.x'; remove that",
        "tasks[1].input.z.s: the path '..x' can't be read at '..x'; "
        'steps are .name, [0] and ["any name"], as in {{tasks.ID.output.items[0].name}}',
    ]


def test_aggregate_takes_no_reference() -> None:
    """It combines results as they are."""
    task = {"id": "b", "depends_on": ["a"], "aggregate": {"strategy": "merge"}, "input": "{{tasks.a.output}}"}
    del task["id"]

    assert refused({"id": "b", "specialist": "aggregate", **task}) == [
        "tasks[1].input: a task with 'aggregate' combines results as they are; remove the reference {{tasks.a.output}}"
    ]


def test_written_names_stand_in_the_place() -> None:
    """A plan of the dispatcher is told under its own names; numbers as ids can be referred to."""
    with pytest.raises(PlanError, match=r"tasks\[1\]\.input_data\.x: refers to task '1', which is not one"):
        Plan.model_validate(
            {
                "tasks": [
                    {"task_id": 1, "agent": "x"},
                    {"task_id": 2, "agent": "x", "input_data": {"x": "{{tasks.1.output}}"}},
                ]
            }
        )
    made = Plan.model_validate(
        {
            "tasks": [
                {"id": 1, "specialist": "x"},
                {"id": 2, "specialist": "x", "depends_on": [1], "input": "{{tasks.1.output}}"},
            ]
        }
    )
    assert made.tasks[1].input == "{{tasks.1.output}}"


def test_group_before_can_be_referred_to() -> None:
    """Groups are dependencies."""
    plan = Plan.model_validate(
        {
            "tasks": [
                {"id": "a", "specialist": "x", "parallel_group": 0},
                {"id": "b", "specialist": "x", "parallel_group": 1, "input": {"a": "{{tasks.a.output}}"}},
            ]
        }
    )
    assert plan.tasks[1].depends_on == ("a",)


names = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), min_size=1, max_size=12).filter(
    lambda name: name.strip() == name and "}}" not in name and not name.startswith("[")
)
plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


def leaves(value: Any, path: tuple[str | int, ...] = ()) -> list[tuple[tuple[str | int, ...], Any]]:
    found = [(path, value)]
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        found += leaves(item, (*path, key))
    return found


@given(names, plain, st.data())
def test_every_place_in_an_output_can_be_referred_to(name: str, output: Any, data: Any) -> None:
    """Whatever the id and the keys: the reference as it is written leads to the value."""
    path, value = data.draw(st.sampled_from(leaves(output)))
    text = str(Reference(name, "output", path))
    results = {name: {"status": "succeeded", "output": output}}
    if any("}}" in step_text(step) for step in path):
        return

    assert list(parts(text, results)) == [Reference(name, "output", path)]
    assert resolved(text, results) == value
    written = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    assert resolved(f"<{text}>", results) == f"<{written}>"


@given(plain)
def test_values_without_references_stay(value: Any) -> None:
    """What holds no reference is not changed."""
    if not has_references(value):
        assert resolved(value, RESULTS) == value


pieces = st.sampled_from(
    ["{{", "}}", "{", "}", "tasks", ".", "a", "output", "[", "]", "0", '"', " ", "\\", "{{tasks.a.output"]
)


@given(st.lists(pieces, max_size=14).map("".join))
def test_any_text_is_read(text: str) -> None:
    """Text, references or a message; no other error comes."""
    found = list(parts(text, {"a": 0}))
    assert all(isinstance(part, str | Reference | Malformed) for part in found)
    made, _ = filled(text, {"a": {"status": "succeeded", "output": 1}})
    assert made is None or isinstance(made, str | int)


@given(st.text(st.sampled_from("{}tasks. "), max_size=30))
def test_any_text_can_be_written(text: str) -> None:
    """With four braces for two before `tasks`, every text stands for itself."""
    escaped = text.replace("{{tasks", "{{{{tasks").replace("{{ tasks", "{{{{ tasks")
    if "{{  " not in text:
        assert resolved(escaped, RESULTS) == text or not has_references(text)


def test_many_references_are_read_quickly() -> None:
    """In time that grows with the plan, not with its square."""
    tasks: list[dict[str, Any]] = [{"id": "t.0", "specialist": "x"}]
    for n in range(1, 5_000):
        before = f"t.{n - 1}"
        tasks.append(
            {"id": f"t.{n}", "specialist": "x", "depends_on": [before], "input": f"{{{{tasks.{before}.output}}}}"}
        )
    begun = time.process_time()
    Plan.model_validate({"tasks": tasks})
    assert time.process_time() - begun < 10
    begun = time.process_time()
    list(parts("{{tasks" + ".a" * 500_000 + "}}", {"a": 0}))
    list(parts("{{tasks.a" * 50_000, {"a": 0}))
    assert time.process_time() - begun < 5
