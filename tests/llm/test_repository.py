"""The example of a real bug: found, mended and tested by the built-in specialists, in a copy of the repository."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from openai_server import OpenAIServer, Say
from served import NO_PLUGINS, served

from fanwise.graph import arun
from fanwise.nodes.specialists import tests_runner
from fanwise.nodes.specialists.equipment import Equipment
from fanwise.nodes.specialists.llm.coder import coder
from fanwise.nodes.specialists.llm.debugger import debugger
from fanwise.state import Plan, Report

pytestmark = pytest.mark.slow  # each runs real tests in a process of their own

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"

BUG = "    return sum(discounted(line.price * line.quantity, discount) for line in lines)"
FIX = "    return discounted(sum(line.price * line.quantity for line in lines), discount)"

DIAGNOSIS = {
    "root_cause": "The discount is rounded for each line, and not once for the cart",
    "confidence": 0.9,
    "hypotheses": [
        {
            "cause": "discounted rounds the wrong way",
            "confidence": 0.1,
            "evidence": [{"file": "shop/prices.py", "line": 6, "quote": "round(cents)"}],
        },
        {
            "cause": "total discounts line by line",
            "confidence": 0.9,
            "evidence": [{"file": "shop/cart.py", "line": 18, "quote": BUG.strip()}],
        },
    ],
    "fix": [{"file": "shop/cart.py", "what": "Discount the sum of the lines"}],
    "not_looked_at": ["callers of total"],
}

ANSWERS = [
    Say(tools=[("read_file", {"path": "shop/prices.py"}), ("search_files", {"text": "discounted("})]),
    Say(json.dumps(DIAGNOSIS)),
    Say(tools=[("edit_file", {"path": "shop/cart.py", "old": BUG, "new": "    return 14"})]),
    Say("Done."),
    Say(tools=[("edit_file", {"path": "shop/cart.py", "old": "    return 14", "new": FIX})]),
    Say("The discount is taken off the sum of the lines."),
]


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A copy of the example's repository."""
    ignore = shutil.ignore_patterns("__pycache__", ".*_cache")
    copied = Path(shutil.copytree(EXAMPLES / "repository", tmp_path / "shop", ignore=ignore))
    project = copied / "pyproject.toml"
    section = "[tool.pytest.ini_options]\n"
    project.write_text(project.read_text().replace(section, f'{section}addopts = "{NO_PLUGINS}"\n'))
    return copied


def run(repository: Path, answers: list[Say]) -> tuple[Report, OpenAIServer]:
    """Run the example's plan against a scripted model."""
    with served(answers) as (server, model):
        equipment = Equipment(model=model, workspace=repository, commands=())
        specialists = [coder(equipment), debugger(equipment), tests_runner.tests_runner(equipment)]
        plan = Plan.load(EXAMPLES / "debug_fix_test.yaml")
        return asyncio.run(arun(plan, specialists=specialists)), server


def output(report: Report, task: str) -> Mapping[str, Any]:
    found: Mapping[str, Any] = report.results[task].output
    return found


def test_the_bug_is_found_mended_and_tested(repository: Path) -> None:
    """The tests fail before and pass after; the first repair does not pass, and its failure goes back to the model."""
    report, server = run(repository, ANSWERS)
    assert report.status == "succeeded", {name: result.error for name, result in report.results.items()}
    before, after = output(report, "before"), output(report, "after")
    assert (before["ok"], before["passed"], before["failed"]) == (False, 2, 1)
    assert before["failures"][0]["test"].endswith("::test_the_discount_is_rounded_once_for_the_whole_cart")
    assert "assert 15 == 14" in before["failures"][0]["message"]
    assert (after["ok"], after["passed"], after["failed"], after["exit_code"]) == (True, 3, 0, 0)
    found = output(report, "debug")
    assert [hypothesis["evidence"][0]["found"] for hypothesis in found["hypotheses"]] == [True, False]
    fix = output(report, "fix")
    assert (fix["path"], fix["change"], fix["repairs"]) == ("shop/cart.py", "changed", 1)
    assert [(check["level"], check["status"]) for check in fix["checks"]] == [
        ("syntax", "passed"),
        ("lint", "passed"),
        ("tests", "passed"),
    ]
    assert f"-{BUG}\n+{FIX}\n" in fix["diff"] and fix["summary"].startswith("The discount")
    assert FIX in (repository / "shop/cart.py").read_text()
    assert "does not pass the check `lint`" in json.dumps(server.requests[4]["messages"])
    assert not [path for path in repository.rglob("*") if path.name in ("__pycache__", ".pytest_cache", ".ruff_cache")]


def test_what_does_not_pass_is_taken_back(repository: Path) -> None:
    """After the repairs the task fails with the problem, the file is as it was, and nothing behind it runs."""
    bad = Say(tools=[("write_file", {"path": "shop/cart.py", "content": "def total(:\n"})])
    was = (repository / "shop/cart.py").read_text()
    report, server = run(repository, [*ANSWERS[:2], bad, Say("1"), Say("2"), Say("3"), Say("4")])
    fix = report.results["fix"]
    assert (fix.status, fix.attempts) == ("failed", 1)
    assert fix.error == (
        "CodeRejected: shop/cart.py does not pass `syntax` after 2 repairs: shop/cart.py:1: invalid syntax; "
        "the file is as it was before the task"
    )
    assert (repository / "shop/cart.py").read_text() == was
    assert report.results["after"].status == "skipped" and len(server.requests) == 6


def test_nothing_is_changed_where_no_cause_was_found(repository: Path) -> None:
    """The plan's condition reads the model's confidence."""
    unsure = {**DIAGNOSIS, "confidence": 0.1}
    report, _ = run(repository, [Say(json.dumps(unsure))])
    assert report.results["fix"].status == "skipped"
