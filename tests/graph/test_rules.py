"""When a task may start: the trigger rules, one by one."""

from __future__ import annotations

import pytest

from fanwise.graph.rules import verdict

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
