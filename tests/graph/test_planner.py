"""Where a plan comes from: the input, a named workflow, or the words of a request."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import Any

import pytest

from fanwise.events.sample import write_sample
from fanwise.graph import run
from fanwise.graph.one_call import arun
from fanwise.nodes.router import NOTHING_KNOWN
from fanwise.state import EventsError, PlanError, RunContext, Summary

SYSLOG = "".join(f"Jun 14 15:{minute:02}:01 combo sshd[1]: session opened for user root\n" for minute in range(60))


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A sample log of a web shop, with planted faults."""
    folder = tmp_path_factory.mktemp("sample")
    write_sample(folder, seed=7)
    return str(folder)


def test_a_request_finds_its_workflow_host_and_answer(sample: str) -> None:
    """The main job: a question about a host, answered from a log, with the checks side by side."""
    events: list[Any] = []
    report = run(request="Why did web-03 go quiet?", context=RunContext(events=sample), on_event=events.append)
    assert report.status == "succeeded"
    assert len(report.results) == 10
    assert report.summary.text.startswith("web-03 went silent")
    assert report.summary.severity in ("high", "critical")
    assert events[0]["plan"] == "missing_data_troubleshooting"
    assert "web-03" in events[0]["why"]


@pytest.mark.parametrize(
    ("name", "count"),
    [("health_check", 2), ("missing_data", 10), ("missing_data_troubleshooting", 10), ("performance", 3)],
)
def test_a_workflow_runs_by_name_or_alias(sample: str, name: str, count: int) -> None:
    """Workflows are data; each of their tasks is a check that ran."""
    report = run(workflow=name, params={"events": sample})
    assert [result.status for result in report.results.values()] == ["succeeded"] * count


def test_a_named_workflow_still_reads_the_request(sample: str) -> None:
    """The host that the words name becomes the workflow's parameter; what is given wins over it."""
    given = {"request": "Is web-02 fine?", "workflow": "health_check"}
    plan = run(**given, params={"events": sample}, summarizer=_echo_plan).summary.text
    assert "'host': 'web-02'" in plan
    plan = run(**given, params={"events": sample, "host": "db-01"}, summarizer=_echo_plan).summary.text
    assert "'host': 'db-01'" in plan and "web-02" not in plan.replace(given["request"], "")


def test_any_log_of_ones_own_is_read(tmp_path: Path) -> None:
    """A plain syslog file is enough."""
    (tmp_path / "messages").write_text(SYSLOG)
    report = run(request="Is everything ok?", params={"events": str(tmp_path / "messages")})
    assert report.status == "succeeded"


def test_a_request_that_no_rule_matches_is_answered_with_a_warning(tmp_path: Path) -> None:
    """It gets the health check, and the report, and the summary before all else, says that this is no answer."""
    (tmp_path / "messages").write_text(SYSLOG)
    report = run(request="Tell me a story", params={"events": str(tmp_path / "messages")})
    assert report.warnings == (NOTHING_KNOWN,)
    assert report.summary.text.startswith(f"{NOTHING_KNOWN}\n\n") and report.summary.text.count(NOTHING_KNOWN) == 1


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "nothing to do: give a request, a workflow or a plan"),
        ({"request": "   "}, "nothing to do"),
        ({"request": "Why is it slow?"}, "no event log to answer the request from"),
        ({"workflow": "missing_dat", "params": {"events": "x"}}, "missing_data"),
        ({"workflow": "health_check"}, "events"),
        ({"workflow": "health_check", "params": {"events": "x", "hots": "a"}}, "hots"),
    ],
)
def test_what_makes_no_plan_is_refused(given: dict[str, Any], message: str) -> None:
    """One clear message, and nothing runs."""
    with pytest.raises(PlanError, match=message):
        run(**given)


def test_a_log_that_is_not_there_is_one_clear_error() -> None:
    """The planner looks at the log to find hosts; a wrong path ends it."""
    with pytest.raises(EventsError, match="nowhere"):
        run(request="Why is it slow?", params={"events": "/nowhere/at/all"})


def test_a_check_that_can_not_open_its_log_is_a_failed_task_and_a_summary(tmp_path: Path) -> None:
    """A named workflow without a request opens the log in its checks; their failure is told, not raised."""
    report = run(workflow="health_check", params={"events": str(tmp_path / "none.log")})
    assert report.status == "failed"
    assert "none.log" in report.summary.text


def test_one_hanging_check_still_yields_a_summary(sample: str) -> None:
    """The other checks and the summary go on without it."""

    stop = threading.Event()

    def hang(task: Any) -> None:
        stop.wait(30)

    report = run(
        workflow="health_check",
        params={"events": sample},
        specialists={"errors": hang},
        context=RunContext(timeout_s=4),  # enough for the other check on a busy machine
    )
    stop.set()
    assert report.results["errors"].status == "timed_out"
    assert report.results["silence"].status == "succeeded"
    assert "web-03" in report.summary.text
    assert any("errors" in line for line in report.summary.not_checked)


def test_workflows_of_ones_own_win(tmp_path: Path) -> None:
    """A file in a user's folder is found by name, and takes the place of a built-in one."""
    (tmp_path / "mine.yaml").write_text(
        "name: health_check\nparams: {n: {default: 1}}\n"
        "tasks: [{id: a, specialist: wait, input: {output: '{{params.n}}'}}]\n"
    )
    report = run(workflow="health_check", params={"n": 5}, workflows=[str(tmp_path)])
    assert report.results["a"].output == 5


def test_arun_takes_a_path(tmp_path: Path) -> None:
    """A plan file's path is enough."""
    path = tmp_path / "plan.yaml"
    path.write_text("tasks: [{id: a, specialist: wait}]")
    assert asyncio.run(arun(path)).status == "succeeded"


def _echo_plan(results: Any, **given: Any) -> Any:
    return Summary(text=str(given["plan"]["tasks"]))
