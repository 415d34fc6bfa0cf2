"""Titles stand beside ids wherever a person reads of a task."""

from __future__ import annotations

import re

from .conftest import Inside

TASKS = [
    {"id": "9", "title": "Make it", "description": "All of it."},
    {"id": "10", "title": "Test it", "input": {"fail": "no"}, "depends_on": ["9"], "required": False},
    {"id": "1", "review": "before", "title": "Ship it", "description": "To the shop."},
]


def test_titles_are_shown(inside: Inside) -> None:
    """In the tables, the picture, the summary and the questions; results stand in the plan's order."""
    plan = inside.plan(TASKS)
    text = inside("explain", plan).stdout
    assert re.search(r"^task +title +phase", text, re.M) and re.search(r"^9 +Make it +1 +wait", text, re.M)
    assert "9<br/>Make it<br/>wait" in inside("explain", plan, "--mermaid").stdout
    asked = inside("run", plan, "--thread", "t")
    assert "1: Ship it\n  To the shop.\n" in asked.stdout
    assert "[1/3] 9 (Make it) succeeded" in asked.stderr and "[2/3] 10 (Test it) failed" in asked.stderr
    done = inside("resume", "t", "--approve-all")
    assert done.returncode == 4
    assert "- 9 (Make it): " in done.stdout and "- 10 (Test it) failed: WaitFailed: no." in done.stdout
    assert re.search(r"^9 +Make it +wait +succeeded", inside("show", "t").stdout, re.M)
    assert "title Test it" in inside("show", "t", "--task", "10").stdout
    assert list(inside.json("show", "t")["results"]) == ["9", "10", "1"]
    assert "1 (Ship it, wait)" in inside("run", plan, "--review-plan").stdout


def test_without_titles_there_is_no_column(inside: Inside) -> None:
    """Tables stay as narrow as they were."""
    plan = inside.plan([{"id": "a"}])
    assert "title" not in inside("explain", plan).stdout
    inside("run", plan, "--thread", "t")
    assert "title" not in inside("show", "t").stdout and "title" not in inside("show", "t", "--task", "a").stdout
