"""When a task may start: the trigger rules, one by one."""

from __future__ import annotations

import pytest

from fanwise.graph import run
from fanwise.graph.rules import Group, verdict
from fanwise.schema.results import NO_OCCASION

OK, BAD, LATE, SKIPPED, CUT = "succeeded", "failed", "timed_out", "skipped", "cancelled"


@pytest.mark.parametrize(
    ("rule", "statuses", "action"),
    [
        ("all_success", {}, "wait"),
        ("all_success", {"a": OK}, "wait"),
        ("all_success", {"a": OK, "b": OK}, "run"),
        ("all_success", {"b": BAD}, "skip"),
        ("all_success", {"a": SKIPPED}, "skip"),
        ("all_done", {"a": BAD}, "wait"),
        ("all_done", {"a": BAD, "b": CUT}, "run"),
        ("one_success", {"a": BAD}, "wait"),
        ("one_success", {"b": OK}, "run"),
        ("one_success", {"a": BAD, "b": SKIPPED}, "skip"),
        ("one_failed", {"a": OK}, "wait"),
        ("one_failed", {"a": LATE}, "run"),
        ("one_failed", {"a": OK, "b": OK}, "skip"),
        ("none_failed", {"a": SKIPPED}, "wait"),
        ("none_failed", {"a": SKIPPED, "b": OK}, "run"),
        ("none_failed", {"a": LATE}, "skip"),
        ("all_success", {"a": NO_OCCASION}, "wait"),
        ("all_success", {"a": NO_OCCASION, "b": OK}, "run"),
        ("none_failed", {"a": NO_OCCASION, "b": SKIPPED}, "run"),
        ("all_done", {"a": NO_OCCASION, "b": NO_OCCASION}, "run"),
        ("always", {}, "run"),
    ],
)
def test_rule(rule: str, statuses: dict[str, str], action: str) -> None:
    """Each rule waits while it is open, and decides as soon as it can."""
    assert verdict(rule, ("a", "b"), statuses).action == action


def test_a_task_without_dependencies_runs() -> None:
    """No rule holds a task back that depends on nothing."""
    assert {verdict(rule, (), {}).action for rule in ("all_success", "one_failed", "none_failed")} == {"run"}


def test_a_skip_names_the_dependency_at_fault() -> None:
    """The reason tells which dependency it was, and what became of it."""
    assert verdict("all_success", ("a", "b"), {"a": OK, "b": LATE}).reason == "dependency 'b' timed out"
    assert verdict("one_success", ("a",), {"a": BAD}).reason == "no dependency succeeded: 'a' failed"


@pytest.mark.parametrize(
    ("rule", "statuses", "expected"),
    [
        ("one_failed", {"a": OK, "b": OK}, True),
        ("one_failed", {"a": OK, "b": NO_OCCASION}, True),
        ("one_failed", {"a": OK, "b": SKIPPED}, False),
        ("one_failed", {"a": OK, "b": CUT}, False),
        ("all_success", {"a": NO_OCCASION, "b": NO_OCCASION}, True),
        ("none_failed", {"a": NO_OCCASION, "b": NO_OCCASION}, True),
        ("one_success", {"a": NO_OCCASION, "b": NO_OCCASION}, True),
        ("one_success", {"a": NO_OCCASION, "b": BAD}, False),
        ("all_success", {"a": NO_OCCASION, "b": BAD}, False),
    ],
)
def test_who_has_no_occasion_is_not_at_fault(rule: str, statuses: dict[str, str], expected: bool) -> None:
    """What is for failures has nothing to do where nothing failed, and with it what depends on nothing else."""
    said = verdict(rule, ("a", "b"), statuses)
    assert (said.action, said.no_occasion) == ("skip", expected)


@pytest.mark.parametrize("schedule", ["dataflow", "phased"])
def test_a_rollback_that_nobody_needs_leaves_the_run_a_success(schedule: str) -> None:
    """The run is as good as without it; the mail about it is not sent, what waits for the work too goes on."""
    tasks = [
        {"id": "ship", "specialist": "wait"},
        {"id": "rollback", "specialist": "wait", "depends_on": ["ship"], "run_if": "one_failed"},
        {"id": "mail", "specialist": "wait", "depends_on": ["rollback"]},
        {"id": "both", "aggregate": {"strategy": "merge"}, "depends_on": ["rollback", "mail"]},
        {"id": "after both", "specialist": "wait", "depends_on": ["both"]},
        {"id": "finish", "specialist": "wait", "depends_on": ["ship", "rollback"]},
    ]
    made = run({"tasks": tasks, "config": {"schedule": schedule}})
    assert made.status == "succeeded"
    assert {key for key, one in made.results.items() if one.status == OK} == {"ship", "finish"}
    assert all(one.by_choice and one.no_occasion for one in made.results.values() if one.status == SKIPPED)
    assert made.results["rollback"].error == "no dependency failed: 'ship' succeeded"
    assert made.results["finish"].output == {"task_id": "finish", "results": ["ship"]}
    tasks[0]["input"] = {"fail": "no"}
    made = run({"tasks": tasks, "config": {"schedule": schedule}})
    assert made.status == "failed" and made.results["mail"].status == OK
    assert (made.results["finish"].status, made.results["finish"].by_choice) == (SKIPPED, False)


def test_a_member_of_the_group_before_is_called_one() -> None:
    """What the plan does not name as a dependency is not called one."""
    needs, group = ("a", "b", "c"), Group(1, 1)
    reasons = [verdict("all_success", needs, {"a": OK, name: LATE}, group).reason for name in needs]
    assert reasons == [
        "dependency 'a' timed out",
        "'b' of parallel_group 1 timed out",
        "'c' of parallel_group 1 timed out",
    ]


def test_a_group_that_is_skipped_says_for_whom() -> None:
    """An optional member too: `required` is about the run; who is to start all the same says so by `run_if`."""
    tasks = [
        {"id": "own", "specialist": "wait"},
        {"id": "bad", "specialist": "wait", "parallel_group": 1, "required": False, "input": {"fail": "no"}},
        {"id": "next", "specialist": "wait", "parallel_group": 2, "depends_on": ["own"]},
        {"id": "still", "specialist": "wait", "parallel_group": 2, "run_if": "all_done"},
    ]
    results = run({"tasks": tasks}).results
    assert (results["next"].status, results["next"].error) == ("skipped", "'bad' of parallel_group 1 failed")
    assert results["still"].status == "succeeded"
