"""Whatever a model answers: problems or a plan, and what is saved of it is valid, with nothing dropped in silence."""

from __future__ import annotations

import json
import time
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from planning_parts import NIGHTLY, SPECIALISTS
from thorough import examples

from fanwise.models.faults import ModelAnswerError
from fanwise.nodes.planning.checking import Checker
from fanwise.nodes.planning.draft import cleaned, read_draft
from fanwise.nodes.planning.early import Early
from fanwise.nodes.planning.salvage import salvaged
from fanwise.state import Plan, Task

CHECKER = Checker(SPECIALISTS, {"nightly": NIGHTLY}, 6)

ids = st.sampled_from(["a", "b", "c", "d", "A", "get", "a.output", "", "x\ny", 1])
scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4)
anything = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)
texts = st.builds(
    "{{{{tasks.{}.{}".format, ids, st.sampled_from(["output}}", "output.x}} y", "status}}", "error", "z}}"])
)
inputs = st.fixed_dictionaries({}, optional={"page": texts | anything, "limit": texts | anything, "z": texts})
some_tasks = st.fixed_dictionaries(
    {},
    optional={
        "id": ids | anything,
        "task_id": ids,
        "specialist": st.sampled_from(["fetch", "report", "report", "coder", "nobody", "aggregate"]) | anything,
        "depends_on": st.lists(ids, max_size=3) | anything,
        "input": inputs | anything,
        "description": texts | anything,
        "title": anything,
        "priority": anything,
        "after": anything,
    },
)
good_ids = st.sampled_from(["a", "b", "c", "d", "a.output", "get"])
good_tasks = st.fixed_dictionaries(
    {"id": good_ids, "specialist": st.just("report"), "depends_on": st.lists(good_ids, max_size=2)},
    optional={"input": st.fixed_dictionaries({}, optional={"z": texts})},
)
drafts = st.fixed_dictionaries(
    {
        "tasks": st.lists(good_tasks, max_size=5, unique_by=lambda task: task["id"])
        | st.lists(good_tasks | some_tasks | anything, max_size=8)
    },
    optional={
        "workflow": st.sampled_from(["nightly", "night", "no", None]) | anything,
        "params": st.fixed_dictionaries({}, optional={"page": anything, "odd": anything}) | anything,
        "reply": anything,
    },
)


@settings(max_examples=examples(80, 1000), deadline=None)
@given(drafts)
def test_any_draft_comes_to_a_plan_or_is_told(data: Any) -> None:
    """No other error; the saved part is a valid plan within the limits, and each task that is gone is told."""
    text = json.dumps(data)
    handed_on: list[Task] = []
    early = Early(CHECKER, handed_on.append, {"page": "/"}, "do it")
    for place in range(0, len(text) + 7, 7):
        early.read(text[:place])
    try:
        draft = read_draft(text)
    except ModelAnswerError:
        return
    base, wrong = CHECKER.base(draft.workflow, draft.params, {"page": "/"}, "do it")
    checked = CHECKER.check(draft, base, "do it", wrong)
    assert (checked.plan is None) == bool(checked.problems)
    for problem in checked.problems:
        assert problem.message and "\n" not in str(problem)
    if checked.plan is not None:
        assert {task.id: task for task in handed_on}.items() <= {task.id: task for task in checked.plan.tasks}.items()
    plan, said = salvaged(CHECKER, checked, "do it")
    if plan is None:
        return
    assert Plan.model_validate(plan.to_state()) == plan and len(plan.tasks) <= CHECKER.max_tasks
    kept = {task.id for task in plan.tasks}
    for task in draft.tasks:
        name = cleaned(task)[0].get("id") if isinstance(task, dict) else None
        if isinstance(name, str) and name not in kept:
            assert any(repr(name) in line or name in line for line in said), (name, said)


def test_long_plans_are_read_in_time_that_grows_with_them() -> None:
    """Twice the tasks take about twice as long, each handed on as it comes."""

    def seconds(count: int) -> float:
        tasks = [
            {"id": f"t{n}", "specialist": "report", "input": {}, "depends_on": [f"t{n - 1}"] * (n > 0)}
            for n in range(count)
        ]
        text, told = json.dumps({"tasks": tasks}), 0

        def on_task(task: Task) -> None:
            nonlocal told
            told += 1

        early = Early(Checker(SPECIALISTS, {}, 10_000), on_task)
        begun = time.process_time()
        for place in range(0, len(text) + 40, 40):
            early.read(text[:place])
        assert told == count
        return time.process_time() - begun

    seconds(50)
    assert seconds(1_600) < 4 * seconds(800)
