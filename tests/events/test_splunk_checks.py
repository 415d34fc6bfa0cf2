"""The checks, workflows and command over Splunk; against a stand-in, see `splunk_server`."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from splunk_events import as_splunk, shop, write
from splunk_server import TOKEN, Splunk

from fanwise.events.open import open_events
from fanwise.graph import run
from fanwise.nodes.specialists.checks import CHECKS
from fanwise.plans.registry import load_workflows
from fanwise.schema.plan import Task
from fanwise.schema.results import CheckReport, Finding, TaskResult

BY_NAME = {check.name: check for check in CHECKS}
EVENTS = shop(rate=0.6)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The events in a file."""
    return write(EVENTS, tmp_path_factory.mktemp("log"))


@pytest.fixture(scope="module")
def server() -> Iterator[Splunk]:
    """The same in the stand-in."""
    with pytest.MonkeyPatch.context() as patch, Splunk(map(as_splunk, EVENTS)) as server:
        patch.setenv("SPLUNK_TOKEN", TOKEN)
        yield server


def reports(location: str, workflow: str, **params: Any) -> dict[str, CheckReport]:
    """Run a workflow's checks in order."""
    plan = load_workflows()[workflow].plan({"events": location, **params}, request="what is wrong?")
    results: dict[str, TaskResult] = {}
    found = {}
    for task in plan.tasks:
        given: Mapping[str, TaskResult] = {name: results[name] for name in task.depends_on}
        found[task.id] = BY_NAME[task.specialist](task, given)
        output = found[task.id].model_dump(mode="json")
        results[task.id] = TaskResult(task_id=task.id, specialist=task.specialist, status="succeeded", output=output)
    return found


def alike(finding: Finding) -> dict[str, Any]:
    """Return what must be the same: all but where examples stand, searches, and percentiles."""
    told = finding.model_dump(exclude={"evidence", "numbers"})
    told["examples"] = sorted(line.split(": ", 1)[1] for line in finding.evidence)
    told["numbers"] = {
        n: v for n, v in finding.numbers.items() if n != "searches" and not re.fullmatch(r".*p\d\d.*|max_s|usual.*", n)
    }
    for name in ("title", "detail"):  # percentiles lie a little apart
        told[name] = re.sub(r"\d[\d,.]* (ms|times|min \d+ s|min|s)\b", r"N \1", told[name])
    return told


@pytest.mark.parametrize("workflow", ["health_check", "missing_data_troubleshooting", "performance"])
def test_workflows_find_the_same(server: Splunk, folder: str, workflow: str) -> None:
    """Each check of each workflow has the findings that it has of a file; what a store can't know it says."""
    file, splunk = reports(folder, workflow), reports(server.location(), workflow)
    assert sum(len(report.findings) for report in splunk.values()) >= 2
    for name, report in splunk.items():
        assert [alike(f) for f in report.findings] == [alike(f) for f in file[name].findings], name
        if name not in ("parsing", "access"):
            assert report.status == file[name].status
    if "parsing" in splunk:
        assert splunk["parsing"].reason == "this store does not say how its events were parsed"
        assert splunk["access"].stats["knows"] == ["indexes"]


def test_job_ids_are_evidence(server: Splunk) -> None:
    """A report has its searches, a finding the jobs that gave its examples; Splunk knows both."""
    report = BY_NAME["silence"](Task(id="s", specialist="silence", input={"events": server.location()}), {})
    told = [(search["search"], job) for search in report.stats["searches"] for job in search["jobs"]]
    assert len(told) >= 4
    for spl, job in told:
        known = server.jobs[job["sid"]]
        assert (known.spl, len(known.rows or ())) == (spl, job["rows"])
    silent = next(finding for finding in report.findings if finding.kind == "host_silent")
    assert silent.numbers["searches"] and set(silent.numbers["searches"]) <= set(server.jobs)
    assert all(re.match(r"main/idx-1:7:\d+: ", line) for line in silent.evidence)


def test_files_have_no_searches(folder: str) -> None:
    """Nothing of this stands in the reports of files."""
    report = BY_NAME["silence"](Task(id="s", specialist="silence", input={"events": folder}), {})
    assert "searches" not in report.stats
    assert all("searches" not in finding.numbers for finding in report.findings)


def test_the_command(server: Splunk, tmp_path: Path) -> None:
    """`fanwise ask` answers from Splunk, and names the jobs; no secret is in what it writes."""
    command = [sys.executable, "-c", "from fanwise.cli import main; main()", "ask", "Why did web-03 go quiet?"]
    command += ["--events", server.location(), "--db", "runs.db", "--trace-dir", "traces", "--quiet", "--json"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    report = json.loads(done.stdout)
    told = report["summary"]["text"]
    assert told.startswith("web-03 went silent at 2025-03-04 09:1")
    assert "Likely cause: The forwarder of web-03 most likely" in told
    assert re.search(r"from search jobs? fanwise_[0-9a-f]{16}", told)
    assert f"Read: {len(EVENTS):,} events from 2025-03-04 00:00" in told
    searches = report["results"]["silence"]["output"]["stats"]["searches"]
    assert searches[0]["search"].startswith("search index=")
    written = [done.stdout.encode(), *(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())]
    assert len(written) > 10 and not any(TOKEN.encode() in text for text in written)


def test_a_missing_index_is_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    """One of several indexes that is not there is told; where none is there, that is an error."""
    monkeypatch.setenv("SPLUNK_TOKEN", TOKEN)
    with Splunk(map(as_splunk, EVENTS[:50])) as server:
        task = Task(id="a", specialist="access", input={"events": f"{server.location()}&index=audit"})
        report = BY_NAME["access"](task, {})
        assert [finding.title for finding in report.findings] == [
            "Index audit is not there, or may not be searched by this user"
        ]
        done = run({"tasks": [{"id": "a", "specialist": "access", "input": {"events": server.location(index="nope")}}]})
        assert done.results["a"].error is not None
        assert "has no index 'nope', or this user's role may not search it" in done.results["a"].error


def test_the_analyst_refuses(server: Splunk) -> None:
    """SQL is for files: what to do instead is said, before a model is asked."""
    task = {"id": "a", "specialist": "analyst", "input": {"events": server.location(), "sql": "SELECT 1"}}
    error = run({"tasks": [task]}).results["a"].error
    assert error is not None and "takes no SQL: use the checks and workflows" in error


def test_many_ask_at_once(server: Splunk) -> None:
    """Side by side, checks share a store: no search runs twice, and no more of them than may at once."""
    location = server.location(earliest="1", jobs="2")
    server.jobs.clear()
    server.most = 0
    names = ("silence", "volume", "clock", "load")
    done = run({"tasks": [{"id": n, "specialist": n, "input": {"events": location}} for n in names]})
    assert done.status == "succeeded"
    mine = [(job.spl, job.given["earliest_time"], job.given.get("latest_time")) for job in server.jobs.values()]
    assert server.most <= 2 and len(mine) > 10
    assert len(set(mine)) == len(mine)
    assert open_events(location) is open_events(location)


@pytest.mark.parametrize(
    ("hours", "params", "now"),
    [
        (1, {}, "2025-03-04T13:00:00+00:00"),  # Splunk's own time: nothing came for an hour
        (1, {"latest": "2025-03-04T08:00:00Z"}, "2025-03-04T08:00:00+00:00"),  # the range's end
        (9000, {}, "2025-03-04T11:59:48+00:00"),  # a log of long ago: its last arrival
    ],
)
def test_what_time_it_is(monkeypatch: pytest.MonkeyPatch, hours: int, params: dict[str, Any], now: str) -> None:
    """Silence up to now is silence, and a log of long ago is not silent."""
    monkeypatch.setenv("SPLUNK_TOKEN", TOKEN)
    noon = datetime(2025, 3, 4, 12, tzinfo=UTC)
    with Splunk(map(as_splunk, EVENTS), now=noon.timestamp() + hours * 3600) as server:
        assert (open_events(server.location(**params)).info().now or "").startswith(now)
        imported = [{**as_splunk(event), "_indextime": int(server.now)} for event in EVENTS]
    with Splunk(imported, now=server.now) as server:  # the last timestamp that no shifted clock explains
        if hours > 1:
            assert (open_events(server.location()).info().now or "").startswith("2025-03-04T11:59:")
