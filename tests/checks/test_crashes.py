"""Stack traces and statuses of 500 or more are errors, however few they are and whatever their level is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from fanwise.nodes.specialists.checks.crashes import raised
from fanwise.schema.results import TaskResult

Look = Callable[..., dict[str, TaskResult]]
START = 1740787200.0  # 2025-03-01T00:00:00Z
PYTHON = 'Traceback (most recent call last):\n  File "/srv/app.py", line 3, in main\nValueError: bad'


def found(results: dict[str, TaskResult]) -> list[dict[str, Any]]:
    output = results["errors"].output
    assert isinstance(output, dict)
    return list(output["findings"])


def steady(count: int, **fields: Any) -> list[dict[str, Any]]:
    return [{"ts": START + n * 7, "message": "tick", "host": "h", **fields} for n in range(count)]


@pytest.mark.parametrize(
    ("text", "error"),
    [
        (f"10:00 working\n{PYTHON}", "ValueError: bad"),
        (f"10:00 working\n{PYTHON}\n\nDuring handling:\n{PYTHON.replace('bad', 'worse')}", "ValueError: worse"),
        ('{"message": "Traceback (most recent call last):\\n  File x\\nKeyError: 3"}', "KeyError: 3"),
        (
            '10:00 up\nException in thread "main" java.lang.Error: x\n\tat a.b.C.main(C.java:3)',
            'Exception in thread "main" java.lang.Error: x',
        ),
        (
            "10:00 job\njava.io.IOException: gone\n\tat a.b.C.read(C.java:3)\n\tat a.b.C.run(C.java:9)",
            "java.io.IOException: gone",
        ),
        ("10:00 up\npanic: nil map\n\ngoroutine 1 [running]:\nmain.main()", "panic: nil map"),
        (
            "10:00 up\nthread 'main' panicked at src/main.rs:4:5:\nindex out of bounds",
            "panicked at src/main.rs:4:5: index out of bounds",
        ),
        ("10:00 up\n[UnhandledPromiseRejection: no]", "[UnhandledPromiseRejection: no]"),
        ("10:00 up\nTypeError: x is null\n    at run (/srv/a.js:3:4)", "TypeError: x is null"),
        ("10:00 we look at things (all of them)", ""),
        ("10:00 no panic: all is well", ""),
        ("10:00 list\n    at noon", ""),
    ],
)
def test_the_line_that_says_what_was_raised(text: str, error: str) -> None:
    """Of a stack trace of any of the languages; other text has none."""
    assert raised(text) == error


@pytest.mark.parametrize("count", [3, 400])
def test_a_stack_trace_without_a_level_is_an_error(look: Look, count: int) -> None:
    """One is enough, in a log of three events too."""
    events = steady(count)
    events[-1]["raw"] = f"10:00 working\n{PYTHON}"
    (crash,) = found(look(events, "errors"))
    assert crash["kind"] == "crash"
    assert crash["title"].startswith("1 error with a stack trace at 2025-03-01 00:")
    assert crash["title"].endswith("UTC: 'ValueError: bad'")
    assert crash["evidence"] == [f"events.log:{count}: 10:00 working … ValueError: bad"]
    assert crash["detail"] == "It is the last event in this log."


def test_few_statuses_of_500_are_told_by_path_and_time(look: Look) -> None:
    """21 of 2,000 are a finding with evidence, nine are none but told."""
    events = steady(2000, status=200, path="/")
    for n in range(21):
        events[1200 + 37 * n] |= {"status": 500, "path": f"/pay?n={n}" if n % 3 else "/cart", "message": "GET 500"}
    (errors,) = found(look(events, "errors"))
    assert errors["title"] == (
        "21 of 2,000 requests (1.1%) have status 500, since 2025-03-01 02:20 UTC, most often on /pay (14 times)"
    )
    assert "By path: /pay 14 times and /cart 7 times." in errors["detail"]
    assert errors["evidence"]
    for event in events[1520:]:
        event["status"] = 200
    results = look(events, "errors")
    assert found(results) == []
    output = results["errors"].output
    assert isinstance(output, dict)
    assert "status 500 or more on /pay 6 times and /cart 3 times" in output["stats"]["aside"]
