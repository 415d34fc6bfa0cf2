"""Expressions: what they select, what is refused before anything runs, and what they can't do."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fanwise.schema.expressions import NAMES, ExpressionError, evaluate, is_true, looked_at, problems

DATA = {"input": {"limit": 2}, "results": {"load": {"rows": 3}, "a-b": [1, 2]}, "status": {"load": "succeeded"}}


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("results.load.rows", 3),
        ("results.load.rows > input.limit", True),
        ('results."a-b"[1]', 2),
        ("status.load == 'succeeded' && !(results.other)", True),
        ("{rows: results.load.rows, of: 'load'}", {"rows": 3, "of": "load"}),
        ("results.load.rows > `5`", False),
    ],
)
def test_an_expression_selects_and_compares(expression: str, value: Any) -> None:
    """Inputs, results and statuses can be looked at, compared and put together."""
    assert list(problems(expression, NAMES)) == []
    assert evaluate(expression, DATA) == value


@pytest.mark.parametrize("value", [False, None, "", [], {}])
def test_empty_values_are_false(value: Any) -> None:
    """What is empty counts as false; a zero does not."""
    assert not is_true(value)
    assert is_true(0)


@pytest.mark.parametrize(
    ("expression", "problem"),
    [
        ("result.load", "there is no 'result' to look at; did you mean 'results'?"),
        ("nope(@)", "there is no function 'nope'; known functions: abs"),
        ("length()", "the function length() takes 1 argument, got 0"),
        ("not_null()", "the function not_null() takes at least 1 argument, got 0"),
        ("!results.load", "'!' holds for 'results' alone here; write !(...)"),
        ("results.", "not a JMESPath expression: Expecting"),
        ("results.a.x > 5", "at character 15, '5': numbers stand in backticks: write `5`"),
        ("results.fix-login.x", """a name with dashes stands in double quotes: write "fix-login\""""),
        ("results.a and results.b", "at character 11, 'and': write &&"),
        ("not results.a", "write !(...)"),
        ("results.a = 'x'", "write == to compare"),
        ("results['a'].x", 'a field stands behind a dot: write ."a"'),
        ("if results.a", "Unexpected token: results (at character 4)"),
        ('results.a == "yes"', "text stands in single quotes: write 'yes'"),
        ("results.a == true", "constants stand in backticks: write `true`"),
        ("status.a == 'success'", "there is no status 'success'; did you mean 'succeeded'?"),
        ("'ok' != status.a", "there is no status 'ok'; did you mean 'succeeded'?"),
        ("(" * 900, "it is nested too deeply"),
    ],
)
def test_a_wrong_expression_is_told_before_anything_runs(expression: str, problem: str) -> None:
    """Grammar, names of functions, numbers of arguments, and names that are not there."""
    [said] = problems(expression, NAMES)
    assert problem in said


def test_the_tasks_that_an_expression_looks_at_are_known() -> None:
    """Only at the top: what stands behind a pipe or in a filter looks at something else."""
    assert looked_at("results.a.x > results.b || results.*.c | results.d", "results") == ["a", "b"]


@pytest.mark.parametrize("expression", ["[@,@]" + "|[@,@]" * 80, "join('',[@,@])" + "|join('',[@,@])" * 50])
def test_a_value_can_not_grow_without_bounds(expression: str) -> None:
    """A short expression that doubles its value again and again is stopped."""
    with pytest.raises(ExpressionError, match="holds more than 10,000,000 values and characters"):
        evaluate(expression, "abc")


def test_text_has_no_order_with_numbers() -> None:
    """The message names the expression and both sides."""
    with pytest.raises(ExpressionError, match=r"'x > `1`': > can't compare 't' \(text\) with 1 \(a whole number\)"):
        evaluate("x > `1`", {"x": "t"})


@given(st.text(max_size=40), st.recursive(st.none() | st.integers() | st.text(), st.lists, max_leaves=5))
def test_any_text_is_a_value_or_an_error(expression: str, data: Any) -> None:
    """Nothing but an `ExpressionError` comes out, whatever goes in."""
    list(problems(expression, NAMES))
    try:
        evaluate(expression, data)
    except ExpressionError as error:
        assert str(error)
